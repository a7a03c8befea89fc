package record

import (
	"crypto/sha256"
	"encoding/hex"
	"io"
	"strconv"
	"unicode/utf8"
)

// What a line of a recording begins with, in a log that has others too.
const lineStart = `{"event":"recording.chunk","session_id":"`

// maxChunk is how many octets of a file a line carries. Escaping at most
// doubles them, so that a line stays below 8 KiB, where log shippers cut.
const maxChunk = 3800

// A lineWriter writes what is written to the files of a recording as lines:
//
//	{"event":"recording.chunk","session_id":"01jp…","seq":7,"file":"cast","offset":3800,"data":"…","chain":"…"}
//
// seq counts the lines of the recording from 0. A chunk of the json at offset
// 0 begins that file anew; one of another file takes the place of all of it from
// its offset on, of which not everything could be written. chain is hexadecimal, the first 16 octets of the
// SHA-256 of: those of the line before (of the first, zeros), the file, a blank,
// the offset in decimal, LF, and the data.
type lineWriter struct {
	w   io.Writer
	id  string
	seq int64
	sum [digestSize]byte
	buf []byte
}

// write writes p, which is UTF-8 and is at offset in the file.
func (l *lineWriter) write(name string, offset int64, p []byte) error {
	for len(p) > 0 {
		n := min(len(p), maxChunk)
		for n < len(p) && !utf8.RuneStart(p[n]) {
			n--
		}
		sum := chainLine(l.sum, name, offset, p[:n])
		l.print(name, offset, p[:n], sum)
		if _, err := l.w.Write(l.buf); err != nil {
			return err
		}
		l.sum = sum
		l.seq++
		offset += int64(n)
		p = p[n:]
	}
	return nil
}

func (l *lineWriter) print(name string, offset int64, p []byte, sum [digestSize]byte) {
	b := append(l.buf[:0], lineStart...)
	b = append(b, l.id...)
	b = append(b, `","seq":`...)
	b = strconv.AppendInt(b, l.seq, 10)
	b = append(b, `,"file":"`...)
	b = append(b, name...)
	b = append(b, `","offset":`...)
	b = strconv.AppendInt(b, offset, 10)
	b = append(b, `,"data":"`...)
	b = appendJSON(b, p)
	b = append(b, `","chain":"`...)
	b = hex.AppendEncode(b, sum[:])
	l.buf = append(b, '"', '}', '\n')
}

// appendJSON appends UTF-8 to the inside of a JSON string.
func appendJSON(dst, p []byte) []byte {
	for i := 0; i < len(p); i++ {
		run := plainRun(p[i:])
		dst = append(dst, p[i:i+run]...)
		if i += run; i == len(p) {
			break
		}
		if p[i] >= utf8.RuneSelf {
			dst = append(dst, p[i])
		} else {
			dst = escapes[p[i]].appendTo(dst)
		}
	}
	return dst
}

// chainLine returns the digest of a line.
func chainLine(sum [digestSize]byte, name string, offset int64, data []byte) [digestSize]byte {
	var head [64]byte
	h := sha256.New()
	h.Write(sum[:])
	h.Write(append(strconv.AppendInt(append(append(head[:0], name...), ' '), offset, 10), '\n'))
	h.Write(data)
	return [digestSize]byte(h.Sum(head[:0]))
}
