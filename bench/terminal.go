package main

import (
	"bytes"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
)

const (
	execKey    = "dGhlIHNhbXBsZSBub25jZQ==" // the sample of RFC 6455, Section 1.3
	execAccept = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="
)

// exec begins an exec of a command, and reads on until the server is ready.
func (t *tunnel) exec(more string, command ...string) error {
	path := execPath + more + url.Values{"command": command}.Encode()
	head := headOf(http.MethodGet, path, "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"+
		"Sec-WebSocket-Key: "+execKey+"\r\nSec-WebSocket-Protocol: "+execProtocol+"\r\n")
	if _, err := t.conn.Write(head); err != nil {
		return err
	}
	answer, err := t.answerWith(http.StatusSwitchingProtocols)
	if err != nil {
		return err
	}
	if got := answer.Header.Get("Sec-WebSocket-Accept"); got != execAccept {
		return fmt.Errorf("the key was answered with %q", got)
	}
	return t.message(channelStdout, nil)
}

// message reads one message, which must be as given.
func (t *tunnel) message(channel byte, want []byte) (err error) {
	var opcode byte
	opcode, t.buf, err = readFrame(t.in, t.buf)
	if err != nil {
		return err
	}
	if opcode != opBinary || len(t.buf) == 0 || t.buf[0] != channel || !bytes.Equal(t.buf[1:], want) {
		return fmt.Errorf("%w: opcode %d, %.80q", errBody, opcode, t.buf)
	}
	return nil
}

// flow runs the command that sends much, and compares what comes.
func (t *tunnel) flow(kind string, size, count int) error {
	if err := t.exec("", commandFlow, kind, strconv.Itoa(size), strconv.Itoa(count)); err != nil {
		return err
	}
	block := flowBlock(kind, size)
	for range count {
		if err := t.message(channelStdout, block); err != nil {
			return err
		}
	}
	if err := t.message(channelError, []byte(execSuccess)); err != nil {
		return err
	}
	if opcode, _, err := readFrame(t.in, t.buf); err != nil || opcode != opClose {
		return fmt.Errorf("instead of a close: opcode %d, %w", opcode, err)
	}
	return nil
}

// terminal begins an exec that echoes, with a terminal.
func (t *tunnel) terminal() error { return t.exec("stdin=true&tty=true&", commandEcho) }

// keystroke is one character as a client sends it, masked.
var keystroke = []byte{frameFin | opBinary, frameMasked | 2, 1, 2, 3, 4, channelStdin ^ 1, 'a' ^ 2}

// press presses a key and waits for its echo.
func (t *tunnel) press() error {
	if _, err := t.conn.Write(keystroke); err != nil {
		return err
	}
	return t.message(channelStdout, []byte{'a'})
}
