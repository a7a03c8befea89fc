package replay

import "unicode/utf8"

// A kind is what a token of terminal output is.
type kind uint8

const (
	text     kind = iota // printable characters, valid UTF-8
	control              // one octet of C0
	escape               // ESC, intermediates, a final octet
	sequence             // CSI, parameters, intermediates, a final octet
)

// A token is a piece of terminal output. Its slices are valid until the splitter
// is fed again.
type token struct {
	kind   kind
	octets []byte // text: the characters; escape, sequence: all between the introducer and the final octet
	final  byte   // control: the octet itself
}

// maxSequence bounds what is kept of a sequence; a longer one is left out.
const maxSequence = 128

// A state of the splitter. It follows the parser of Paul Williams for VT500
// terminals, whose diagram xterm and the other emulators agree with, reduced to
// what is told apart here: strings are skipped.
type state uint8

const (
	ground    state = iota // left by ESC and C1
	inEscape               // behind ESC; left by a final octet
	inCSI                  // behind CSI; left by a final octet
	inString               // behind OSC, DCS, SOS, PM, APC; left by ST, CAN, SUB, ESC, of OSC also by BEL
	stringEsc              // behind ESC in a string
)

// A splitter cuts terminal output, in any pieces, into tokens. Strings (OSC, DCS,
// SOS, PM, APC) are none. The zero value is ready.
type splitter struct {
	state state
	osc   bool   // the string is an OSC
	kept  []byte // of the sequence
	long  bool   // the sequence has more than maxSequence octets

	carried [utf8.UTFMax]byte // of a character that is not complete
	carry   int
	text    []byte // printable characters that were not given yet
	do      func(*token)
}

// feed calls do for the tokens that end in p. Text does not wait for what may
// follow; a character or sequence that is not complete does.
func (s *splitter) feed(p []byte, do func(*token)) {
	s.do = do
	for s.carry > 0 && len(p) > 0 {
		s.carried[s.carry] = p[0]
		s.carry++
		p = p[1:]
		s.settle()
	}
	for len(p) > 0 {
		if n := s.run(p); n > 0 {
			p = p[n:]
			continue
		}
		if !utf8.FullRune(p) {
			s.carry = copy(s.carried[:], p)
			break
		}
		r, n := utf8.DecodeRune(p)
		s.take(r)
		p = p[n:]
	}
	s.flush()
}

// settle takes what was carried when it is complete.
func (s *splitter) settle() {
	for s.carry > 0 && utf8.FullRune(s.carried[:s.carry]) {
		r, n := utf8.DecodeRune(s.carried[:s.carry])
		s.take(r)
		s.carry = copy(s.carried[:], s.carried[n:s.carry])
	}
}

// run takes the ASCII text that p begins with and returns its length.
func (s *splitter) run(p []byte) int {
	if s.state != ground {
		return 0
	}
	n := 0
	for n < len(p) && p[n] >= ' ' && p[n] < 0x7f {
		n++
	}
	s.text = append(s.text, p[:n]...)
	return n
}

// flush gives the text.
func (s *splitter) flush() {
	if len(s.text) > 0 {
		s.do(&token{kind: text, octets: s.text})
		s.text = s.text[:0]
	}
}

func (s *splitter) give(t token) {
	s.flush()
	s.do(&t)
}

// Controls that are known by name here.
const (
	bel = 0x07
	can = 0x18
	sub = 0x1a
	esc = 0x1b
	del = 0x7f
	st  = 0x9c
)

// take takes one character. It is the only writer of the state.
func (s *splitter) take(r rune) {
	switch {
	case r == can || r == sub:
		s.state = ground
	case s.state == inString:
		if r == esc {
			s.state = stringEsc
		} else if r == st || r == bel && s.osc {
			s.state = ground
		}
	case s.state == stringEsc && r == '\\':
		s.state = ground
	case r == esc:
		s.begin(inEscape)
	case s.state == stringEsc:
		s.begin(inEscape) // the ESC ended the string and begins another thing
		s.take(r)
	case r < ' ':
		s.give(token{kind: control, final: byte(r)}) // also within a sequence
	case r == del:
	case 0x80 <= r && r < 0xa0:
		s.begin(inEscape) // ECMA-48, Section 5.3: C1 is ESC and an octet of 4/0 to 5/15
		s.take(r - 0x40)
	case s.state == ground:
		s.text = utf8.AppendRune(s.text, r)
	case r > del:
		s.state = ground // no part of a sequence
		s.text = utf8.AppendRune(s.text, r)
	default:
		s.extend(byte(r))
	}
}

func (s *splitter) begin(next state) {
	s.flush()
	s.state, s.kept, s.long = next, s.kept[:0], false
}

// extend takes an octet of a sequence, 0x20 to 0x7e.
func (s *splitter) extend(c byte) {
	final := c >= '@' || s.state == inEscape && c >= '0'
	switch {
	case !final && len(s.kept) >= maxSequence:
		s.long = true
	case !final:
		s.kept = append(s.kept, c)
	case s.state == inCSI:
		s.end(sequence, c)
	case len(s.kept) > 0:
		s.end(escape, c)
	case c == '[':
		s.begin(inCSI)
	case c == ']' || c == 'P' || c == 'X' || c == '^' || c == '_':
		s.state, s.osc = inString, c == ']'
	default:
		s.end(escape, c)
	}
}

func (s *splitter) end(k kind, final byte) {
	s.state = ground
	if !s.long {
		s.give(token{kind: k, octets: s.kept, final: final})
	}
}
