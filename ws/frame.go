package ws

import "encoding/binary"

// opcode is what a frame is (RFC 6455, Section 5.2).
type opcode uint8

const (
	opContinuation opcode = 0x0
	opText         opcode = 0x1
	opBinary       opcode = 0x2
	opClose        opcode = 0x8
	opPing         opcode = 0x9
	opPong         opcode = 0xa
)

// isControl tells whether the frame is one that may come between those of a message.
func (o opcode) isControl() bool { return o >= opClose }

// head is what is in front of a frame's payload.
//
//	FIN(1) RSV(3) opcode(4) | MASK(1) length(7) | [length(16) | length(64)] | [key(32)]
type head struct {
	op     opcode
	fin    bool
	length int64
	key    [4]byte
}

const (
	firstOctets = 2  // of a head, which say how many there are
	longestHead = 14 // with a length of 64 bits and a key
	maxControl  = 125

	bitFin       = 0x80
	bitsReserved = 0x70
	bitsOpcode   = 0x0f
	bitMask      = 0x80
	bitsLength   = 0x7f
	length16     = 126
	length64     = 127
)

// judgeFirst judges the first two octets of a head and returns how many it has (RFC 6455, Sections 5.1, 5.2 and 5.5).
func judgeFirst(b []byte, from Peer) (size int, bad refusal) {
	op, length, masked := opcode(b[0]&bitsOpcode), b[1]&bitsLength, b[1]&bitMask != 0
	switch op {
	case opContinuation, opText, opBinary, opClose, opPing, opPong:
	default:
		return 0, refuse(codeProtocol, "unknown opcode")
	}
	switch {
	case b[0]&bitsReserved != 0:
		return 0, refuse(codeProtocol, "reserved bit set")
	case masked && from == Server:
		return 0, refuse(codeProtocol, "masked frame of the server")
	case !masked && from == Client:
		return 0, refuse(codeProtocol, "frame of the client without a mask")
	case op.isControl() && b[0]&bitFin == 0:
		return 0, refuse(codeProtocol, "fragment of a control frame")
	case op.isControl() && length > maxControl:
		return 0, refuse(codeProtocol, "control frame too large")
	}
	size = firstOctets
	switch length {
	case length16:
		size += 2
	case length64:
		size += 8
	}
	if masked {
		size += 4
	}
	return size, refusal{}
}

// parseHead reads a head whose first octets judgeFirst has accepted.
func parseHead(b []byte) (h head, bad refusal) {
	h.op, h.fin, h.length = opcode(b[0]&bitsOpcode), b[0]&bitFin != 0, int64(b[1]&bitsLength)
	rest, least := b[firstOctets:], int64(0)
	switch h.length {
	case length16:
		h.length, rest, least = int64(binary.BigEndian.Uint16(rest)), rest[2:], length16
	case length64:
		h.length, rest, least = int64(binary.BigEndian.Uint64(rest)), rest[8:], 1<<16
	}
	switch {
	case h.length < 0:
		return head{}, refuse(codeProtocol, "length of 64 bits")
	case h.length < least:
		return head{}, refuse(codeProtocol, "length not in its shortest form")
	}
	copy(h.key[:], rest)
	return h, refusal{}
}

// isCloseCode tells whether a close frame may have the code (RFC 6455, Section 7.4, and the registry it set up).
func isCloseCode(code uint16) bool {
	return code >= 1000 && code <= 1003 || code >= 1007 && code <= 1014 || code >= 3000 && code <= 4999
}

// unmask writes to dst what src is without its mask (RFC 6455, Section 5.3). at is the octets of the payload in front of
// src. dst has room for src.
func unmask(dst, src []byte, key [4]byte, at int64) {
	var turned [8]byte
	for i := range turned {
		turned[i] = key[(at+int64(i))&3]
	}
	word := binary.LittleEndian.Uint64(turned[:])
	for len(src) >= 8 {
		binary.LittleEndian.PutUint64(dst, binary.LittleEndian.Uint64(src)^word)
		dst, src = dst[8:], src[8:]
	}
	for i := range src {
		dst[i] = src[i] ^ turned[i]
	}
}
