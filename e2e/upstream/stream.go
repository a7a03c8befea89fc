package upstream

import "encoding/binary"

// Fields is a header block of SPDY, not compressed, of fields by name and value.
func Fields(namesAndValues ...string) string {
	block := binary.BigEndian.AppendUint32(nil, uint32(len(namesAndValues)/2))
	for _, s := range namesAndValues {
		block = append(binary.BigEndian.AppendUint32(block, uint32(len(s))), s...)
	}
	return string(block)
}

// SynStream is the frame by which a client opens a stream, the first of its
// connection: its block begins the compression.
func SynStream(id uint32, block string) string {
	head := binary.BigEndian.AppendUint32(nil, id)
	head = append(head, 0, 0, 0, 0, 0, 0)
	return control(1, string(head)+begun(block))
}

// SynReply is the frame by which a server agrees to a stream, the first of its
// connection.
func SynReply(id uint32, block string) string {
	return control(2, string(binary.BigEndian.AppendUint32(nil, id))+begun(block))
}

// StreamData is a data frame without flags.
func StreamData(id uint32, data string) string {
	frame := binary.BigEndian.AppendUint32(nil, id)
	return string(binary.BigEndian.AppendUint32(frame, uint32(len(data)))) + data
}

func control(kind byte, payload string) string {
	return string(binary.BigEndian.AppendUint32([]byte{0x80, 3, 0, kind}, uint32(len(payload)))) + payload
}

// begun is a block at the beginning of a direction: the head of zlib, with the check
// of SPDY's dictionary, a stored block and a flush (RFC 1950, RFC 1951).
func begun(block string) string {
	const head, flush = "\x78\xbb\xe3\xc6\xa7\xc2", "\x00\x00\x00\xff\xff"
	n := uint16(len(block))
	stored := binary.LittleEndian.AppendUint16([]byte{0}, n)
	return head + string(binary.LittleEndian.AppendUint16(stored, ^n)) + block + flush
}
