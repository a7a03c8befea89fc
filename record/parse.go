package record

import (
	"errors"
	"math"
	"strconv"
	"unicode/utf16"
	"unicode/utf8"
)

// A parsedEvent is a line of an asciicast. If it is torn, text is what there is
// of the text without a character or escape that was cut.
type parsedEvent struct {
	micros  int64
	code    byte
	text    []byte
	torn    bool
	textEnd int // in the line, behind what text was made of; not behind the quotation mark
}

var (
	errNoEvent = errors.New("no event")
	errCut     = errors.New("cut before the text")
)

// parseEvent parses a line: a JSON array of a number and two strings.
func parseEvent(line []byte) (parsedEvent, error) {
	var e parsedEvent
	i, err := expect(line, 0, '[')
	if err != nil {
		return e, err
	}
	if e.micros, i, err = parseSeconds(line, i); err != nil {
		return e, err
	}
	if i, err = expect(line, i, ','); err == nil {
		i, err = expect(line, i, '"')
	}
	if err != nil {
		return e, err
	}
	code, n, closed, err := unquote(line[i:])
	switch {
	case err != nil:
		return e, err
	case !closed:
		return e, errCut
	case len(code) == 0:
		return e, errNoEvent
	}
	e.code = code[0]
	if i, err = expect(line, i+n, ','); err == nil {
		i, err = expect(line, i, '"')
	}
	if err != nil {
		return e, err
	}
	e.text, n, closed, err = unquote(line[i:])
	if err != nil {
		return e, err
	}
	e.textEnd = i + n
	if !closed {
		e.torn = true
		return e, nil
	}
	e.textEnd-- // the quotation mark
	switch _, err = expect(line, i+n, ']'); err {
	case errCut:
		e.torn = true
	case errNoEvent:
		return e, err
	}
	return e, nil
}

// expect returns the offset behind c, before which there may be white space.
func expect(line []byte, i int, c byte) (int, error) {
	for ; i < len(line); i++ {
		switch line[i] {
		case ' ', '\t', '\r', '\n':
		case c:
			return i + 1, nil
		default:
			return i, errNoEvent
		}
	}
	return i, errCut
}

func parseSeconds(line []byte, i int) (int64, int, error) {
	for i < len(line) && line[i] == ' ' {
		i++
	}
	start := i
	for i < len(line) && line[i] != ',' && line[i] != ' ' {
		i++
	}
	if i == len(line) {
		return 0, i, errCut
	}
	seconds, err := strconv.ParseFloat(string(line[start:i]), 64)
	if err != nil || !(seconds >= 0 && seconds < 1e12) {
		return 0, i, errNoEvent
	}
	return int64(math.Round(seconds * 1e6)), i, nil
}

// unquote parses a JSON string behind its opening quotation mark. It returns
// how much of p was used, and whether the closing mark was among it.
func unquote(p []byte) (text []byte, n int, closed bool, err error) {
	text = make([]byte, 0, len(p))
	for n < len(p) {
		run := plainRun(p[n:])
		text = append(text, p[n:n+run]...)
		if n += run; n == len(p) {
			break
		}
		switch c := p[n]; {
		case c == '"':
			return text, n + 1, true, nil
		case c == '\\':
			r, size, err := unescape(p[n:])
			if err != nil {
				return nil, n, false, err
			}
			if size == 0 {
				return text, n, false, nil // cut
			}
			text = utf8.AppendRune(text, r)
			n += size
		case c >= utf8.RuneSelf:
			if !utf8.FullRune(p[n:]) {
				return text, n, false, nil // cut
			}
			r, size := utf8.DecodeRune(p[n:])
			text = utf8.AppendRune(text, r)
			n += size
		default:
			return nil, n, false, errNoEvent // a control character
		}
	}
	return text, n, false, nil
}

// unescape parses an escape and returns its length, zero if it was cut. Half of
// a surrogate pair is U+FFFD.
func unescape(p []byte) (rune, int, error) {
	if len(p) < 2 {
		return 0, 0, nil
	}
	switch p[1] {
	case '"', '\\', '/':
		return rune(p[1]), 2, nil
	case 'b':
		return '\b', 2, nil
	case 'f':
		return '\f', 2, nil
	case 'n':
		return '\n', 2, nil
	case 'r':
		return '\r', 2, nil
	case 't':
		return '\t', 2, nil
	case 'u':
	default:
		return 0, 0, errNoEvent
	}
	const length = len(`\u0000`)
	if len(p) < length {
		return 0, 0, nil
	}
	r, err := strconv.ParseUint(string(p[2:length]), 16, 16)
	if err != nil {
		return 0, 0, errNoEvent
	}
	if !utf16.IsSurrogate(rune(r)) {
		return rune(r), length, nil
	}
	if rest := p[length:]; len(rest) < length {
		if len(rest) == 0 || rest[0] == '\\' && (len(rest) == 1 || rest[1] == 'u') {
			return 0, 0, nil
		}
		return utf8.RuneError, length, nil
	}
	low, err := strconv.ParseUint(string(p[length+2:2*length]), 16, 16)
	if err != nil || p[length] != '\\' || p[length+1] != 'u' {
		return utf8.RuneError, length, nil
	}
	if pair := utf16.DecodeRune(rune(r), rune(low)); pair != utf8.RuneError {
		return pair, 2 * length, nil
	}
	return utf8.RuneError, length, nil
}
