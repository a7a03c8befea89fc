package session

import (
	"bytes"
	"crypto/sha256"
	"hash"
	"io"
	"strconv"
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

// records reads PAX records (POSIX.1-2001, pax Extended Header): each is its length in decimal with all that follows, a
// blank, a key, an equals sign, a value and a line feed.
func (t *tarReader) records() bool {
	for rest := t.text; len(rest) > 0; {
		digits, _, ok := bytes.Cut(rest, []byte(" "))
		n, err := strconv.ParseUint(string(digits), 10, 31)
		if !ok || err != nil || int(n) < len(digits)+2 || int(n) > len(rest) || rest[n-1] != '\n' {
			return false
		}
		key, value, ok := strings.Cut(string(rest[len(digits)+1:n-1]), "=")
		if !ok || !t.record(key, value) {
			return false
		}
		rest = rest[n:]
	}
	return true
}

// record takes one of them.
func (t *tarReader) record(key, value string) (ok bool) {
	o := &t.next
	o.sparse = o.sparse || strings.HasPrefix(key, "GNU.sparse.")
	switch key {
	case "path":
		o.name = value
	case "linkpath":
		o.link = value
	case "size":
		o.size, ok = recordSize(value)
		return ok
	case "GNU.sparse.name":
		o.sparseName = value
	case "GNU.sparse.realsize", "GNU.sparse.size":
		o.sparseSize, ok = recordSize(value)
		return ok
	}
	return true
}

func recordSize(value string) (size int64, ok bool) {
	size, err := strconv.ParseInt(value, 10, 64)
	return size, err == nil && size >= 0 && size <= maxTarSize
}

// maxTarSize keeps sums within an int64.
const maxTarSize = 1 << 62

// checksum reports whether the block is a header: the sum of its octets, those of the sum itself taken for blanks. Old
// programs took octets for signed.
func checksum(b []byte) bool {
	want, ok := tarNumber(b[148:156])
	if !ok {
		return false
	}
	var unsigned, signed int64
	for i, c := range b {
		if i >= 148 && i < 156 {
			c = ' '
		}
		unsigned += int64(c)
		signed += int64(int8(c))
	}
	return want == unsigned || want == signed
}

// tarNumber reads a number: octal digits with blanks and NULs around them, or, with the top bit set, a binary number.
func tarNumber(field []byte) (n int64, ok bool) {
	if field[0]&0x80 != 0 {
		n = int64(field[0] & 0x7f) // a negative one is too large
		for _, c := range field[1:] {
			if n > maxTarSize>>8 {
				return 0, false
			}
			n = n<<8 | int64(c)
		}
		return n, n <= maxTarSize
	}
	digits := bytes.Trim(field, " \x00")
	for _, c := range digits {
		if c < '0' || c > '7' {
			return 0, false
		}
		n = n<<3 | int64(c-'0')
	}
	return n, true
}

// tarName returns the name in a header. Only ustar of POSIX has a prefix; GNU has other things there.
func tarName(b []byte) string {
	name := tarString(b[:100])
	if string(b[257:263]) == "ustar\x00" {
		if prefix := tarString(b[345:500]); prefix != "" {
			return prefix + "/" + name
		}
	}
	return name
}

// tarString returns what is in front of a NUL.
func tarString(field []byte) string {
	if i := bytes.IndexByte(field, 0); i >= 0 {
		field = field[:i]
	}
	return string(field)
}
