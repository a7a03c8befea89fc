package upstream

import (
	"bufio"
	"encoding/binary"
	"fmt"
	"io"
)

// Opcodes of RFC 6455, Section 5.2, with FIN.
const (
	FinText   = 0x81
	FinBinary = 0x82
	FinClose  = 0x88
	FinPing   = 0x89
	FinPong   = 0x8a
)

// Success is the status of a command that ended well.
const Success = `{"metadata":{},"status":"Success"}`

// Frame is a WebSocket frame whose first octet is given, as servers send it.
func Frame(first byte, payload string) string {
	return frameHead(first, 0, len(payload)) + payload
}

// Masked is a frame as clients send it. The key is fixed: it hides nothing.
func Masked(first byte, payload string) string {
	const key = "\x12\x34\x56\x78"
	masked := []byte(payload)
	for i := range masked {
		masked[i] ^= key[i%4]
	}
	return frameHead(first, 0x80, len(payload)) + key + string(masked)
}

// Message is an unmasked binary message on a channel.
func Message(channel byte, text string) string {
	return Frame(FinBinary, string([]byte{channel})+text)
}

func frameHead(first, mask byte, length int) string {
	head := []byte{first, mask}
	switch {
	case length <= 125:
		head[1] |= byte(length)
	case length <= 0xffff:
		head[1] |= 126
		head = binary.BigEndian.AppendUint16(head, uint16(length))
	default:
		head[1] |= 127
		head = binary.BigEndian.AppendUint64(head, uint64(length))
	}
	return string(head)
}

// ReadFrame reads a frame that isn't masked.
func ReadFrame(r *bufio.Reader) (first byte, payload []byte, err error) {
	var head [2]byte
	if _, err := io.ReadFull(r, head[:]); err != nil {
		return 0, nil, err
	}
	length := uint64(head[1])
	wide := map[byte]int{126: 2, 127: 8}[head[1]]
	if head[1] > 127 {
		return 0, nil, fmt.Errorf("frame %x of a server is masked", head)
	}
	if wide > 0 {
		var b [8]byte
		if _, err := io.ReadFull(r, b[8-wide:]); err != nil {
			return 0, nil, err
		}
		length = binary.BigEndian.Uint64(b[:])
	}
	if length > 1<<20 {
		return 0, nil, fmt.Errorf("frame of %d octets", length)
	}
	payload = make([]byte, length)
	_, err = io.ReadFull(r, payload)
	return head[0], payload, err
}
