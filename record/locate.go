package record

import (
	"bytes"
	"crypto/sha256"
)

// A search finds what one changed octet, one missing octet or one run of
// inserted ones made of a block, by trying all that it can have been until its
// digest is right. What it finds is proven; more changes than one are not
// found.
type search struct {
	joined []byte // the digest before and a candidate of the block
	block  []byte // the candidate
	want   []byte
	file   []byte // what is there instead of the block, and some octets more
}

// locate returns the offset in file of the first octet that is not what it was
// in the block, and whether the block was found. length is the block's. grown is
// how many octets longer the whole .cast is than it was, if known.
func locate(d *damage, file []byte, grown int64, known bool) (int64, bool) {
	length := int(d.until - d.offset)
	s := &search{want: d.want, file: file, joined: make([]byte, sha256.Size+length)}
	copy(s.joined, d.sum[:])
	s.block = s.joined[sha256.Size:]
	found := false
	switch {
	case !known:
		found = s.changed() || s.missing() || s.inserted(1)
	case grown == 0:
		found = s.changed()
	case grown == -1:
		found = s.missing()
	case grown > 0 && grown < int64(len(file)):
		found = s.inserted(int(grown))
	}
	if !found {
		return 0, false
	}
	n := 0
	for n < len(s.block) && n < len(file) && s.block[n] == file[n] {
		n++
	}
	return int64(n), true
}

func (s *search) right() bool {
	sum := sha256.Sum256(s.joined)
	return bytes.Equal(sum[:digestSize], s.want)
}

// changed tries every other value of every octet.
func (s *search) changed() bool {
	if len(s.file) < len(s.block) {
		return false
	}
	copy(s.block, s.file)
	for i := range s.block {
		if s.anyAt(i) {
			return true
		}
		s.block[i] = s.file[i]
	}
	return false
}

// missing tries every octet in every place.
func (s *search) missing() bool {
	if len(s.file) < len(s.block)-1 {
		return false
	}
	copy(s.block[1:], s.file)
	for i := range s.block {
		if s.anyAt(i) {
			return true
		}
		if i < len(s.file) {
			s.block[i] = s.file[i]
		}
	}
	return false
}

// anyAt tries every value of one octet.
func (s *search) anyAt(i int) bool {
	for value := range 256 {
		s.block[i] = byte(value)
		if s.right() {
			return true
		}
	}
	return false
}

// inserted tries to leave out n octets in every place.
func (s *search) inserted(n int) bool {
	if len(s.file) < len(s.block)+n {
		return false
	}
	copy(s.block, s.file[n:])
	for i := range s.block {
		if s.right() {
			return true
		}
		s.block[i] = s.file[i]
	}
	return s.right()
}
