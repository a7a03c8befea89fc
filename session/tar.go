package session

import (
	"crypto/sha256"
	"hash"
	"io"
	"strings"
)

// tarReader reads a tar archive as it comes, in pieces of any size. It takes the formats that tar programs write: V7,
// ustar, GNU and PAX. When it meets something else, it gives up for good and in silence; it does not look for another
// beginning.
//
//	header -> content -> padding -> header -> ... -> two blocks of zeros
//
// A header may describe the next one instead of a file: its content is then a long name (GNU) or a list of records (PAX).
type tarReader struct {
	files  *Files
	upload bool
	state  tarState

	block [blockSize]byte
	have  int   // octets of block
	zeros int   // blocks of zeros in a row
	left  int64 // of the content
	pad   int64 // behind it

	entry File
	kept  io.Writer
	hash  hash.Hash // made for the first file

	meta byte   // the type of a header that describes the next, while its content is read
	text []byte // that content
	next overrides
}

// overrides is what was described of the next entry. A size below zero was not.
type overrides struct {
	name, link string
	size       int64
	sparse     bool
	sparseName string
	sparseSize int64
}

func (o *overrides) reset() { *o = overrides{size: -1, sparseSize: -1} }

type tarState uint8

const (
	tarHeader  tarState = iota // a header block, or zeros
	tarMeta                    // content that describes the next header
	tarSparse                  // further blocks of an old GNU sparse header
	tarContent                 // content of the entry
	tarPadding                 // zeros up to the next block
	tarDone                    // the end, or given up
)

const (
	blockSize = 512
	maxMeta   = 64 << 10 // of a description; names are shorter
)

// write takes octets of the archive.
func (t *tarReader) write(p []byte) {
	for len(p) > 0 && t.state != tarDone {
		switch t.state {
		case tarHeader, tarSparse:
			p = p[t.fill(p):]
		case tarMeta:
			n := min(int64(len(p)), t.left)
			t.text = append(t.text, p[:n]...)
			p = p[n:]
			t.consume(n)
		case tarContent:
			n := min(int64(len(p)), t.left)
			t.content(p[:n])
			p = p[n:]
			t.consume(n)
		case tarPadding:
			n := min(int64(len(p)), t.pad)
			p = p[n:]
			if t.pad -= n; t.pad == 0 {
				t.state = tarHeader
			}
		}
	}
}

// end tells that nothing more comes.
func (t *tarReader) end() {
	if t.state == tarContent && t.left > 0 {
		t.entry.Cut = true
		t.report()
	}
	t.state = tarDone
}

// fill takes octets of a block, and judges it when it is complete.
func (t *tarReader) fill(p []byte) int {
	n := copy(t.block[t.have:], p)
	if t.have += n; t.have < blockSize {
		return n
	}
	t.have = 0
	switch {
	case t.state == tarSparse:
		if t.block[504] == 0 { // no further one
			t.begin()
		}
	case t.block == [blockSize]byte{}:
		if t.zeros++; t.zeros == 2 {
			t.state = tarDone
		}
	case t.zeros > 0 || !t.header():
		t.state = tarDone
	}
	return n
}

// consume counts octets of content, and goes on behind the last one.
func (t *tarReader) consume(n int64) {
	if t.left -= n; t.left > 0 {
		return
	}
	ok := true
	if t.state == tarMeta {
		ok = t.described()
	} else {
		t.report()
	}
	switch {
	case !ok:
		t.state = tarDone
	case t.pad > 0:
		t.state = tarPadding
	default:
		t.state = tarHeader
	}
}

// header reads a header block (POSIX.1-1988, ustar Interchange Format; the comments name octets).
func (t *tarReader) header() bool {
	b := t.block[:]
	if !checksum(b) {
		return false
	}
	size, ok := tarNumber(b[124:136])
	if !ok {
		return false
	}
	kind := b[156]
	switch kind {
	case 'L', 'K', 'x', 'g', 'X':
		return t.describe(kind, size)
	}
	mode, ok := tarNumber(b[100:108])
	if !ok {
		return false
	}
	t.entry = File{Name: tarName(b), Mode: uint32(mode & 0o7777), Upload: t.upload}
	if kind == '1' || kind == '2' {
		t.entry.Link = tarString(b[157:257])
	}
	t.left = t.overrule(size)
	if t.entry.Name == "" {
		return false
	}
	t.pad = -t.left & (blockSize - 1)
	if kind == 'S' {
		return t.sparse(b)
	}
	t.enter(kind)
	return true
}

// enter goes on behind the header of an entry.
func (t *tarReader) enter(kind byte) {
	directory := kind == '5' || kind == 0 && strings.HasSuffix(t.entry.Name, "/")
	switch {
	case kind == '1' || kind == '2':
		t.entry.Size = 0
		t.files.Report(&t.entry)
	case kind >= '3' && kind <= '6' || directory:
		// Devices, directories and queues have no content, whatever size they say.
	default:
		t.begin()
		return
	}
	t.left, t.pad, t.state = 0, 0, tarHeader
}

// begin goes on with the content of a file.
func (t *tarReader) begin() {
	if t.hash == nil {
		t.hash = sha256.New()
	}
	t.hash.Reset()
	t.kept = nil
	if t.files.Content != nil && !t.entry.Sparse {
		t.kept = t.files.Content(&t.entry)
	}
	t.state = tarContent
	if t.left == 0 {
		t.consume(0)
	}
}

// content takes octets of a file.
func (t *tarReader) content(p []byte) {
	if t.entry.Sparse {
		return // they are not the file's
	}
	t.hash.Write(p)
	if t.kept != nil {
		if _, err := t.kept.Write(p); err != nil {
			t.kept = nil
		}
	}
}

// report reports the entry.
func (t *tarReader) report() {
	if !t.entry.Sparse && !t.entry.Cut {
		t.hash.Sum(t.entry.SHA256[:0])
		t.entry.Hashed = true
	}
	t.files.Report(&t.entry)
}

// describe begins a header that describes the next one.
func (t *tarReader) describe(kind byte, size int64) bool {
	if size == 0 || size > maxMeta {
		return false
	}
	t.meta, t.text, t.left, t.state = kind, t.text[:0], size, tarMeta
	t.pad = -size & (blockSize - 1)
	return true
}

// described takes what a header that describes the next one says.
func (t *tarReader) described() bool {
	switch t.meta {
	case 'L':
		t.next.name = tarString(t.text)
	case 'K':
		t.next.link = tarString(t.text)
	case 'x', 'X':
		return t.records()
	}
	return true // what is global says nothing about a file
}

// overrule puts what was described in the place of what the header says. It returns the size of the content in the
// archive.
func (t *tarReader) overrule(size int64) (stored int64) {
	o := &t.next
	if o.name != "" {
		t.entry.Name = o.name
	}
	if o.link != "" && t.entry.Link != "" {
		t.entry.Link = o.link
	}
	if o.size >= 0 {
		size = o.size
	}
	t.entry.Size = size
	if o.sparse {
		t.entry.Sparse = true
		if o.sparseName != "" {
			t.entry.Name = o.sparseName // its own is one that extractors without sparse files give it
		}
		if o.sparseSize >= 0 {
			t.entry.Size = o.sparseSize
		}
	}
	o.reset()
	return size
}

// sparse takes an old GNU sparse header: what it holds is the parts of the file that are no holes, and a list of those
// parts that goes on in further blocks.
func (t *tarReader) sparse(b []byte) bool {
	size, ok := tarNumber(b[483:495])
	if !ok {
		return false
	}
	t.entry.Sparse, t.entry.Size = true, size
	if t.state = tarSparse; b[482] == 0 {
		t.begin()
	}
	return true
}
