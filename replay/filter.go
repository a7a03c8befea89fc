package replay

import (
	"bytes"
	"slices"
	"strconv"
)

// A filter lets pass what draws and nothing else; the package says what that is.
// It remembers what has to be undone. The zero value is ready.
type filter struct {
	alternate bool // the alternate screen is shown
	origin    bool // the origin is that of the margins
}

// appendToken appends what passes of a token.
func (f *filter) appendToken(dst []byte, t *token) []byte {
	switch t.kind {
	case text:
		return append(dst, t.octets...)
	case control:
		if '\a' <= t.final && t.final <= 0x0f {
			dst = append(dst, t.final)
		}
		return dst
	case escape:
		return f.appendEscape(dst, t)
	}
	return f.appendSequence(dst, t)
}

// softReset is what becomes of a full reset, which would also forget what was
// scrolled away.
const softReset = "\x1b[?1049l\x1b[0m\x1b(B\x0f\x1b[?5l\x1b[?6l\x1b[?7h\x1b[?25h\x1b[4l\x1b[20l\x1b[r\x1b[H\x1b[2J"

func (f *filter) appendEscape(dst []byte, t *token) []byte {
	switch string(t.octets) {
	case "":
		if t.final == 'c' {
			*f = filter{}
			return append(dst, softReset...)
		}
		// DECSC, DECRC, IND, NEL, HTS, RI, SS2, SS3, LS2, LS3.
		if bytes.IndexByte([]byte("78DEHMNOno"), t.final) < 0 {
			return dst
		}
	case "(", ")", "*", "+": // ASCII, British, line drawing
		if bytes.IndexByte([]byte("AB0"), t.final) < 0 {
			return dst
		}
	case "#": // DECALN
		if t.final != '8' {
			return dst
		}
	default:
		return dst
	}
	dst = append(dst, esc)
	return append(append(dst, t.octets...), t.final)
}

const (
	// drawing are the final octets of sequences without private octet that
	// pass: ICH, cursor movement, ED, EL, IL, DL, DCH, SU, SD, ECH, CBT,
	// positions, REP, VPA, TBC, SGR, margins, saving of the cursor.
	drawing = "@ABCDEFGHIJKLMPSTXZ`abdefgmrsu"

	maxParameters = 32
	maxParameter  = 9999
	maxRepeat     = 500 // REP: more than a line is not seen anyway, and costs time
)

// drawingModes are the private modes that pass: reverse video, origin, wrap,
// blinking and visible cursor, and the ways to the alternate screen.
var drawingModes = []int{5, 6, 7, 12, 25, 47, 1047, 1048, 1049}

// publicModes are the others: insert and newline.
var publicModes = []int{4, 20}

func (f *filter) appendSequence(dst []byte, t *token) []byte {
	params, middle := cutParameters(t.octets)
	private := len(params) > 0 && params[0] >= '<'
	switch {
	case string(middle) == " " && t.final == 'q' && !private, // DECSCUSR
		string(middle) == "!" && t.final == 'p' && len(params) == 0: // DECSTR
		return appendCSI(dst, "", parameters(params), string(middle), t.final)
	case len(middle) > 0:
		return dst
	case (t.final == 'h' || t.final == 'l') && private && params[0] == '?':
		return f.appendModes(dst, parameters(params[1:]), t.final)
	case private:
		return dst
	case t.final == 'h' || t.final == 'l':
		return appendCSI(dst, "", slices.DeleteFunc(parameters(params), isNot(publicModes)), "", t.final)
	case t.final == 'm':
		return appendSGR(dst, params)
	case bytes.IndexByte([]byte(drawing), t.final) < 0:
		return dst
	}
	return appendDrawing(dst, parameters(params), t.final)
}

func appendDrawing(dst []byte, values []int, final byte) []byte {
	switch {
	case final == 'J' && len(values) > 0 && values[0] > 2: // 3: what was scrolled away
		return dst
	case final == 'T' && len(values) > 1: // tracking of the mouse
		return dst
	case final == 'b' && len(values) > 0:
		values[0] = min(values[0], maxRepeat)
	case final == 's' && len(values) > 0: // margins left and right
		return dst
	}
	if len(values) == 0 {
		return append(dst, esc, '[', final)
	}
	return appendCSI(dst, "", values, "", final)
}

// appendModes appends one sequence for each mode that passes.
func (f *filter) appendModes(dst []byte, modes []int, final byte) []byte {
	set := final == 'h'
	for _, mode := range modes {
		if !slices.Contains(drawingModes, mode) {
			continue
		}
		switch mode {
		case 6:
			f.origin = set
		case 47, 1047, 1049:
			f.alternate = set
		}
		dst = appendCSI(dst, "?", []int{mode}, "", final)
	}
	return dst
}

func isNot(allowed []int) func(int) bool {
	return func(mode int) bool { return !slices.Contains(allowed, mode) }
}

// appendSGR appends colours and attributes, in which colons are allowed.
func appendSGR(dst, params []byte) []byte {
	digits := 0
	for _, c := range params {
		switch {
		case c == ';' || c == ':':
			digits = 0
		case c < '0' || c > '9' || digits == 4:
			return dst
		default:
			digits++
		}
	}
	return append(append(append(dst, esc, '['), params...), 'm')
}

// appendCSI appends a sequence with parameters, and nothing if it has none but
// needs some.
func appendCSI(dst []byte, private string, values []int, middle string, final byte) []byte {
	if len(values) == 0 && middle == "" {
		return dst
	}
	dst = append(append(dst, esc, '['), private...)
	for i, value := range values {
		if i > 0 {
			dst = append(dst, ';')
		}
		dst = strconv.AppendInt(dst, int64(value), 10)
	}
	return append(append(dst, middle...), final)
}

// cutParameters separates parameters, 0x30 to 0x3f, from intermediates.
func cutParameters(p []byte) (params, middle []byte) {
	i := 0
	for i < len(p) && p[i] >= '0' {
		i++
	}
	return p[:i], p[i:]
}

// parameters returns numbers, of which one that is missing is 0. What can't be
// one ends them.
func parameters(p []byte) []int {
	if len(p) == 0 {
		return nil
	}
	values := []int{0}
	for _, c := range p {
		last := &values[len(values)-1]
		switch {
		case '0' <= c && c <= '9':
			*last = min(*last*10+int(c-'0'), maxParameter)
		case c == ';' && len(values) < maxParameters:
			values = append(values, 0)
		default:
			return values
		}
	}
	return values
}

// appendEnd appends what brings a terminal back to how it was found, as far as
// the filter let it be changed. The cursor stays where it is, unless the origin
// was moved.
func (f *filter) appendEnd(dst []byte) []byte {
	if f.alternate {
		dst = append(dst, "\x1b[?1049l"...)
	}
	if f.origin {
		dst = append(dst, "\x1b[?6l\x1b[999;1H"...)
	}
	*f = filter{}
	// Setting margins moves the cursor.
	return append(dst, "\x1b7\x1b[r\x1b8\x1b[0m\x1b(B\x1b)B\x0f\x1b[?5l\x1b[?7h\x1b[?12l\x1b[?25h\x1b[4l\x1b[20l\x1b[0 q"...)
}
