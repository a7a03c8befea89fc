package record

import (
	"encoding/binary"
	"fmt"
	"math/bits"
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

// appendText appends p to the inside of a JSON string. An LF is written as
// newline, which is already escaped. It returns how much of p was used; what
// is left is the beginning of a character, at most three octets.
func appendText(dst, p []byte, newline string) ([]byte, int) {
	for i := 0; i < len(p); {
		run := textRun(p[i:])
		dst = append(dst, p[i:i+run]...)
		if i += run; i == len(p) {
			break
		}
		switch c := p[i]; {
		case c == '\n':
			dst = append(dst, newline...)
			i++
		case c < utf8.RuneSelf:
			dst = append(dst, escapes[c]...)
			i++
		case !utf8.FullRune(p[i:]):
			return dst, i
		default:
			_, size := utf8.DecodeRune(p[i:]) // 1, or that of what looks like an octet
			dst = appendRaw(dst, p[i:i+size])
			i += size
		}
	}
	return dst, len(p)
}

// textRun returns how many octets at the start of p are written as they are.
func textRun(p []byte) int {
	i := 0
	for {
		i += plainRun(p[i:])
		if i == len(p) || p[i] < utf8.RuneSelf {
			return i
		}
		for i < len(p) && p[i] >= utf8.RuneSelf {
			// RFC 3629, Section 4: UTF8-2, which is most of the letters that
			// need more than one octet.
			if c := p[i]; c >= 0xc2 && c <= 0xdf && i+1 < len(p) && p[i+1]&0xc0 == 0x80 {
				i += 2
				continue
			}
			r, size := utf8.DecodeRune(p[i:])
			if r == utf8.RuneError && size == 1 || rawFirst <= r && r <= rawLast {
				return i
			}
			i += size
		}
	}
}

// plainRun returns how many octets at the start of p are ASCII that a JSON
// string holds as it is. RFC 8259, Section 7: all but the quotation mark, the
// reverse solidus and U+0000 to U+001F.
func plainRun(p []byte) int {
	const (
		ones = 0x0101010101010101
		high = 0x8080808080808080
	)
	i := 0
	for ; i+8 <= len(p); i += 8 {
		w := binary.LittleEndian.Uint64(p[i:])
		quote, solidus := w^ones*'"', w^ones*'\\'
		// A borrow spoils only the octets above the lowest hit, and the
		// lowest is the one that is asked for.
		hit := (w | (w-ones*' ')&^w | (quote-ones)&^quote | (solidus-ones)&^solidus) & high
		if hit != 0 {
			return i + bits.TrailingZeros64(hit)/8
		}
	}
	for ; i < len(p); i++ {
		if c := p[i]; c < ' ' || c == '"' || c == '\\' || c >= utf8.RuneSelf {
			break
		}
	}
	return i
}

// escapes has how the octets are written that are not part of a character that
// is written as it is.
var escapes = func() (table [256]string) {
	for c := range ' ' {
		table[c] = fmt.Sprintf(`\u%04x`, c)
	}
	for c := rune(utf8.RuneSelf); c < 256; c++ {
		table[c] = string(rawBase + c)
	}
	for c, escape := range map[byte]string{
		'"': `\"`, '\\': `\\`, '\b': `\b`, '\f': `\f`, '\n': `\n`, '\r': `\r`, '\t': `\t`,
	} {
		table[c] = escape
	}
	return table
}()

// appendRaw appends octets of 0x80 and more so that they can be recovered.
func appendRaw(dst, p []byte) []byte {
	for _, c := range p {
		dst = append(dst, escapes[c]...)
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
