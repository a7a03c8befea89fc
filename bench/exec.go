package main

import (
	"crypto/sha1"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net/url"
	"strings"
)

// An exec runs one of two commands at the upstream:
//
//	flow KIND SIZE COUNT   COUNT messages of SIZE octets on stdout
//	echo                   what comes on stdin, message by message
const (
	commandFlow = "flow"
	commandEcho = "echo"

	flowText   = "text"
	flowBinary = "binary"
)

// The subprotocol, its channels, and what of RFC 6455, Section 5.2, is used.
const (
	execProtocol = "v5.channel.k8s.io"

	channelStdin  = 0
	channelStdout = 1
	channelError  = 3

	opBinary = 2
	opClose  = 8

	frameFin    = 0x80
	frameMasked = 0x80
)

const execSuccess = `{"metadata":{},"status":"Success"}`

// flowBlock returns the octets of one message of a flow.
func flowBlock(kind string, size int) []byte {
	if kind == flowBinary {
		return pattern[:size]
	}
	const line = "2026-01-01T00:00:00.000Z INFO  worker-7 took order from queue in 12 ms\r\n"
	return []byte(strings.Repeat(line, size/len(line)+1)[:size])
}

// appendFrame appends a frame as a server sends it.
func appendFrame(to []byte, opcode byte, payload ...[]byte) []byte {
	n := 0
	for _, p := range payload {
		n += len(p)
	}
	to = append(to, frameFin|opcode)
	switch {
	case n < 126:
		to = append(to, byte(n))
	case n < 1<<16:
		to = binary.BigEndian.AppendUint16(append(to, 126), uint16(n))
	default:
		to = binary.BigEndian.AppendUint64(append(to, 127), uint64(n))
	}
	for _, p := range payload {
		to = append(to, p...)
	}
	return to
}

func channelFrame(channel byte, payload []byte) []byte {
	return appendFrame(nil, opBinary, []byte{channel}, payload)
}

// acceptKey answers the key of a handshake. RFC 6455, Section 4.2.2.
func acceptKey(key string) string {
	sum := sha1.Sum([]byte(key + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"))
	return base64.StdEncoding.EncodeToString(sum[:])
}

// exec serves an exec over WebSocket to its end.
func (p *peer) exec(head []byte) error {
	q, err := query(head)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(p, "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"+
		"Sec-WebSocket-Accept: %s\r\nSec-WebSocket-Protocol: %s\r\n\r\n", acceptKey(field(head, "Sec-WebSocket-Key")), execProtocol)
	if err != nil {
		return err
	}
	if _, err := p.Write(channelFrame(channelStdout, nil)); err != nil { // it is ready
		return err
	}
	switch command := q["command"]; {
	case len(command) == 4 && command[0] == commandFlow:
		err = p.flow(command[1], url.Values{"size": command[2:3], "count": command[3:4]})
	case len(command) == 1 && command[0] == commandEcho:
		err = p.echo()
	default:
		err = errCommand
	}
	if err != nil {
		return err
	}
	if _, err := p.Write(channelFrame(channelError, []byte(execSuccess))); err != nil {
		return err
	}
	if _, err := p.Write(appendFrame(nil, opClose, []byte{0x03, 0xe8})); err != nil { // 1000
		return err
	}
	io.Copy(io.Discard, p) // until the client closes
	return io.EOF
}

var errCommand = errors.New("unknown command")

func (p *peer) flow(kind string, q url.Values) error {
	size, err1 := number(q, "size")
	count, err2 := number(q, "count")
	if err := errors.Join(err1, err2); err != nil || size > patternSize {
		return errors.Join(errCommand, err)
	}
	frame := channelFrame(channelStdout, flowBlock(kind, int(size)))
	for range count {
		if _, err := p.Write(frame); err != nil {
			return err
		}
	}
	return nil
}

// echo answers each message until one is a close.
func (p *peer) echo() error {
	var payload, frame []byte
	for {
		opcode, message, err := readFrame(p, payload)
		if err != nil || opcode == opClose {
			return err
		}
		payload = message
		if len(message) == 0 || message[0] != channelStdin {
			return errCommand
		}
		frame = appendFrame(frame[:0], opBinary, []byte{channelStdout}, message[1:])
		if _, err := p.Write(frame); err != nil {
			return err
		}
	}
}

// readFrame reads a frame into buf, which it may make larger, and unmasks it.
func readFrame(r io.Reader, buf []byte) (opcode byte, payload []byte, err error) {
	var head [14]byte
	if _, err := io.ReadFull(r, head[:2]); err != nil {
		return 0, nil, err
	}
	extra, masked := 0, head[1]&frameMasked != 0
	n := uint64(head[1] &^ frameMasked)
	switch n {
	case 126:
		extra = 2
	case 127:
		extra = 8
	}
	if _, err := io.ReadFull(r, head[2:2+extra]); err != nil {
		return 0, nil, err
	}
	switch extra {
	case 2:
		n = uint64(binary.BigEndian.Uint16(head[2:]))
	case 8:
		n = binary.BigEndian.Uint64(head[2:])
	}
	if n > 1<<20 {
		return 0, nil, errTooLong
	}
	mask := head[10:14]
	if masked {
		if _, err := io.ReadFull(r, mask); err != nil {
			return 0, nil, err
		}
	}
	if uint64(cap(buf)) < n {
		buf = make([]byte, n)
	}
	buf = buf[:n]
	if _, err := io.ReadFull(r, buf); err != nil {
		return 0, nil, err
	}
	if masked {
		for i := range buf {
			buf[i] ^= mask[i%4]
		}
	}
	return head[0] &^ frameFin, buf, nil
}
