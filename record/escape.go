package record

import (
	"encoding/binary"
	"fmt"
	"math/bits"
	"slices"
	"unicode/utf8"
)

// An octet 0x80 to 0xff that is not part of valid UTF-8 is written as the
// character rawBase plus the octet. They are characters of the private use
// area that fonts for terminals (Powerline, Nerd Fonts) leave free and that
// need three octets. asciinema writes U+FFFD instead, which cannot be undone.
const (
	rawBase  = 0xec00
	rawFirst = rawBase + 0x80
	rawLast  = rawBase + 0xff
)

// appendText appends p to the inside of a JSON string. It returns how much of p was
// used; what is left is the beginning of a character, at most three octets.
func appendText(dst, p []byte, a *alphabet) ([]byte, int) {
	const piece = 1 << 10 // bounds the room for escapes that may not come
	for used := 0; ; {
		part := p[used:min(len(p), used+piece)]
		dst = slices.Grow(dst, len(part)*longestEscape+word)
		written, n := putText(dst[len(dst):cap(dst)], part, a)
		dst = dst[:len(dst)+written]
		if used += n; n == 0 || used == len(p) {
			return dst, used
		}
	}
}

// word is how many octets are looked at, and written, at once. What is written
// too much is overwritten by what follows.
const word = 8

// putText writes p to the beginning of to, which has room for the worst and a
// word. It returns how much it wrote of how much of p.
func putText(to, p []byte, a *alphabet) (n, i int) {
	for i+word <= len(p) {
		w := binary.LittleEndian.Uint64(p[i : i+word])
		binary.LittleEndian.PutUint64(to[n:n+word], w)
		hits := notPlain(w)
		if hits == 0 {
			n, i = n+word, i+word
			continue
		}
		plain := bits.TrailingZeros64(hits) / 8
		n, i = n+plain, i+plain
		if p[i] >= utf8.RuneSelf {
			written, used := putMixed(to[n:], p[i:], a)
			if n, i = n+written, i+used; used == 0 {
				return n, i
			}
			continue
		}
		for escaped := true; escaped; escaped = i < len(p) && p[i] < ' ' {
			n += a[p[i]].put(to[n : n+word])
			i++
		}
	}
	written, used := putMixed(to[n:], p[i:], a)
	return n + written, i + used
}

// putMixed writes octets of any kind, up to the end of p or so many that it is
// worth to look for plain ones again. It returns how much it wrote of how much of p.
//
// In what is no text at all, every second octet is an escape. To tell them apart
// would make a processor guess wrong most of the time, so all go the same way, but
// for those that begin a character.
func putMixed(to, p []byte, a *alphabet) (n, i int) {
	const many = 128
	for end := min(len(p)-3, many); i < end; {
		w := binary.LittleEndian.Uint32(p[i : i+4])
		switch {
		case w&0xc0c0 != 0x80c0:
			n += a[byte(w)].put(to[n : n+word])
			i++
		case w&0xe0 == 0xc0 && w&0x1e != 0:
			// RFC 3629, Section 4: UTF8-2, which is most of the letters that
			// need more than one octet.
			binary.LittleEndian.PutUint16(to[n:], uint16(w))
			n, i = n+2, i+2
		default:
			written, size := putCharacter(to[n:], p[i:])
			n, i = n+written, i+size
		}
	}
	if i+3 < len(p) {
		return n, i
	}
	for i < len(p) && utf8.FullRune(p[i:]) {
		if p[i] < utf8.RuneSelf {
			n += a[p[i]].put(to[n : n+word])
			i++
			continue
		}
		written, size := putCharacter(to[n:], p[i:])
		n, i = n+written, i+size
	}
	return n, i
}

// putCharacter writes the character at the beginning of p, which is complete, or
// the octet if there is none.
func putCharacter(to, p []byte) (n, size int) {
	r, size := utf8.DecodeRune(p)
	if size > 1 && (r < rawFirst || r > rawLast) {
		return copy(to, p[:size]), size
	}
	for _, c := range p[:size] {
		n += escapes[c].put(to[n : n+word])
	}
	return n, size
}

// plainRun returns how many octets at the start of p are plain.
func plainRun(p []byte) int {
	i := 0
	for ; i+word <= len(p); i += word {
		if hits := notPlain(binary.LittleEndian.Uint64(p[i:])); hits != 0 {
			return i + bits.TrailingZeros64(hits)/8
		}
	}
	for ; i < len(p); i++ {
		if c := p[i]; c < ' ' || c == '"' || c == '\\' || c >= utf8.RuneSelf {
			break
		}
	}
	return i
}

// notPlain tells which is the first octet of a word, little end first, that is not
// plain: its highest bit is the lowest that is set. Plain is ASCII that a JSON string
// holds as it is. RFC 8259, Section 7: all but the quotation mark, the reverse solidus
// and U+0000 to U+001F.
func notPlain(w uint64) (hits uint64) {
	const (
		ones = 0x0101010101010101
		high = 0x8080808080808080
	)
	// Of ASCII, a difference has the highest bit if it is below zero. A borrow spoils
	// only the octets above the lowest hit.
	return (w | (w - ones*' ') | (w ^ ones*'"' - ones) | (w ^ ones*'\\' - ones)) & high
}

// An escape is how an octet is written: little end first, and in the highest octet
// how many there are.
type escape uint64

// longestEscape is how many octets an escape has at most.
const longestEscape = 6

func newEscape(text string) escape {
	var octets [word]byte
	octets[word-1] = byte(copy(octets[:longestEscape], text))
	return escape(binary.LittleEndian.Uint64(octets[:]))
}

// put writes a word that begins with the escape, and returns how much of it is.
func (e escape) put(to []byte) int {
	binary.LittleEndian.PutUint64(to, uint64(e))
	return int(e >> 56)
}

func (e escape) appendTo(dst []byte) []byte {
	var octets [word]byte
	return append(dst, octets[:e.put(octets[:])]...)
}

// An alphabet has how each octet is written that is not part of a character of
// several octets.
type alphabet [256]escape

// Of sessions with a terminal, which puts a CR before every LF itself, and of others.
var (
	escapes = newAlphabet(`\n`)
	addedCR = newAlphabet(`\r\n`)
)

func newAlphabet(newline string) (a alphabet) {
	for c := range rune(utf8.RuneSelf) {
		if a[c] = newEscape(string(c)); c < ' ' {
			a[c] = newEscape(fmt.Sprintf(`\u%04x`, c))
		}
	}
	for c := rune(utf8.RuneSelf); c < 256; c++ {
		a[c] = newEscape(string(rawBase + c))
	}
	for c, text := range map[byte]string{
		'"': `\"`, '\\': `\\`, '\b': `\b`, '\f': `\f`, '\n': newline, '\r': `\r`, '\t': `\t`,
	} {
		a[c] = newEscape(text)
	}
	return a
}

// appendRaw appends octets of 0x80 and more so that they can be recovered.
func appendRaw(dst, p []byte) []byte {
	for _, c := range p {
		dst = escapes[c].appendTo(dst)
	}
	return dst
}

// AppendOctets appends the octets that text, the text of an event, was made of.
// With added, those of a session without terminal ([Header.CRAdded]), the CR
// that was put before every LF is left out.
func AppendOctets(dst, text []byte, added bool) []byte {
	const lead = 0xee // of all characters from rawFirst to rawLast
	for i := 0; i < len(text); {
		switch c := text[i]; {
		case c == '\r' && added && i+1 < len(text) && text[i+1] == '\n':
			i++
		case c == lead:
			r, size := utf8.DecodeRune(text[i:])
			if rawFirst <= r && r <= rawLast {
				dst = append(dst, byte(r-rawBase))
			} else {
				dst = append(dst, text[i:i+size]...)
			}
			i += size
		default:
			dst = append(dst, c)
			i++
		}
	}
	return dst
}
