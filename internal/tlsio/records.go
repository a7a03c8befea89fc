package tlsio

import "encoding/binary"

const (
	recordHead      = 5  // octets. RFC 8446, Section 5.1
	recordOverhead  = 17 // least that is no content of a record: its type, its tag. RFC 8446, Section 5.2
	applicationData = 23 // type of all records that may have content for the reader
)

// records follows the records that a layer of TLS 1.3 reads, and what it makes of
// them, so that it is known without asking whether it holds anything. It errs on one
// side: what is padding or part of a handshake counts as held until settle.
type records struct {
	head [recordHead]byte // of the record that is coming
	have int              // octets of head
	left int              // octets to come of the record behind its head
	held int              // content of whole records that the layer has not returned
}

// arrive notes octets that the layer is given.
func (r *records) arrive(p []byte) {
	for len(p) > 0 {
		if r.have < recordHead {
			n := copy(r.head[r.have:], p)
			r.have, p = r.have+n, p[n:]
			if r.have < recordHead {
				return
			}
			r.left = int(binary.BigEndian.Uint16(r.head[3:]))
		}
		n := min(r.left, len(p))
		r.left, p = r.left-n, p[n:]
		if r.left == 0 {
			r.end()
		}
	}
}

// end notes the end of a record.
func (r *records) end() {
	r.have = 0
	if length := int(binary.BigEndian.Uint16(r.head[3:])); r.head[0] == applicationData && length > recordOverhead {
		r.held += length - recordOverhead
	}
}

// leave notes content that the layer has returned.
func (r *records) leave(n int) { r.held -= n }

// settle notes that the layer has found no whole record.
func (r *records) settle() { r.held = 0 }

// between reports whether the layer has been given nothing of a record to come.
func (r *records) between() bool { return r.have == 0 }
