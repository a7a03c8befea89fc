package replay

import (
	"io"

	"github.com/spliceway/spliceway/record"
)

// A terminal is where recordings are played: a filter before a writer.
type terminal struct {
	w          io.Writer
	unfiltered bool
	splitter   splitter
	filter     filter
	octets     []byte
	passed     []byte
}

// output writes what passes of the text of an event.
func (t *terminal) output(text []byte) error {
	t.octets = record.AppendOctets(t.octets[:0], text, false)
	t.passed = t.passed[:0]
	t.splitter.feed(t.octets, func(token *token) {
		t.passed = t.filter.appendToken(t.passed, token)
	})
	if t.unfiltered {
		return t.write(t.octets)
	}
	return t.write(t.passed)
}

func (t *terminal) write(p []byte) error {
	if len(p) == 0 {
		return nil
	}
	_, err := t.w.Write(p)
	return err
}

// inputModes are what an unfiltered recording may have set that changes what the
// auditor types: cursor keys, keypad, mouse, focus, paste.
const inputModes = "\x18\x1b[?1l\x1b>\x1b[?9l\x1b[?1000l\x1b[?1002l\x1b[?1003l\x1b[?1004l\x1b[?1005l\x1b[?1006l\x1b[?1015l\x1b[?2004l"

// end brings the terminal back to how it was found.
func (t *terminal) end() error {
	t.passed = t.passed[:0]
	if t.unfiltered {
		t.passed = append(t.passed, inputModes...)
	}
	t.passed = t.filter.appendEnd(t.passed)
	t.splitter = splitter{}
	return t.write(t.passed)
}

// restart ends and clears the screen.
func (t *terminal) restart() error {
	if err := t.end(); err != nil {
		return err
	}
	return t.write([]byte("\x1b[H\x1b[2J"))
}
