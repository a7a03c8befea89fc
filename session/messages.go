package session

import (
	"bytes"
	"encoding/base64"
	"encoding/binary"

	"github.com/spliceway/spliceway/ws"
)

// messages is a WebSocket in both directions.
type messages struct {
	session  *Session
	protocol ws.Protocol
	decoders [2]*ws.Decoder
	ready    bool   // the server has sent a message
	closed   bool   // the server has sent its last frame
	at       cursor // where down is in the server's frames
}

func newMessages(s *Session) messages {
	opts := &ws.Options{Ports: len(s.info.Ports)}
	p := s.info.form.messages
	return messages{
		session:  s,
		protocol: p,
		decoders: [2]*ws.Decoder{client: ws.NewDecoder(ws.Client, p, opts), server: ws.NewDecoder(ws.Server, p, opts)},
	}
}

// next takes one event of either side.
func (m *messages) next(from side, p []byte) (n int, ev ws.Event, err error) {
	n, ev, err = m.decoders[from].Next(p)
	if err == nil && ev.Kind == ws.Close {
		m.session.closing()
	}
	if err != nil || from == client {
		return n, ev, err
	}
	m.at.advance(p[:n])
	m.ready = m.ready || ev.Kind == ws.Data && ev.End
	m.closed = m.closed || ev.Kind == ws.Close
	return n, ev, nil
}

// border reports whether a message of ours may follow, unless the server has closed.
func (m *messages) border() bool { return m.at.border() }

func (m *messages) close() error {
	if err := m.decoders[client].End(); err != nil {
		return client.blame(err)
	}
	return m.decoders[server].End()
}

const (
	opContinuation = 0x80
	opText         = 0x81 // with FIN, RFC 6455, Section 5.2
	opBinary       = 0x82
	opClose        = 0x88

	closeNormal = 1000 // any other code hides the status from kubectl
)

// appendMessage appends a message of the server's on a channel. p is short.
func (m *messages) appendMessage(dst []byte, channel uint8, p []byte) []byte {
	if m.isBase64() {
		dst = appendHead(dst, opText, 1+base64.StdEncoding.EncodedLen(len(p)))
		return base64.StdEncoding.AppendEncode(append(dst, '0'+channel), p)
	}
	return append(append(appendHead(dst, opBinary, 1+len(p)), channel), p...)
}

// appendFiller appends the rest of a data frame, and the end of its message: NULs, or what is NULs in base64.
func (m *messages) appendFiller(dst []byte, at *cursor) []byte {
	octet := byte(0)
	if m.isBase64() {
		octet = 'A'
	}
	dst = append(dst, bytes.Repeat([]byte{octet}, int(at.left))...)
	if !at.isLast() {
		dst = appendHead(dst, opContinuation, 0)
	}
	return dst
}

func (m *messages) isBase64() bool { return m.protocol == ws.Base64V1 || m.protocol == ws.Base64V4 }

// appendClose appends the frame that ends the server's direction.
func appendClose(dst []byte) []byte {
	return binary.BigEndian.AppendUint16(appendHead(dst, opClose, 2), closeNormal)
}

// appendHead appends the head of a frame without a mask, in its shortest form.
func appendHead(dst []byte, op byte, length int) []byte {
	switch {
	case length < 126:
		return append(dst, op, byte(length))
	case length < 1<<16:
		return binary.BigEndian.AppendUint16(append(dst, op, 126), uint16(length))
	}
	return binary.BigEndian.AppendUint64(append(dst, op, 127), uint64(length))
}
