package session

import "encoding/json"

// resizer reads the sizes of the client's terminal: a stream of JSON objects that is cut anywhere. The server reads it
// with encoding/json, so that is what decides here what an object says.
type resizer struct {
	object []byte // as far as it came
	depth  int    // of braces; brackets have no place in a size
	quoted bool   // inside a string
	escape bool   // behind a backslash
}

// longestResize is more than a size in any notation.
const longestResize = 512

const errResize = text("a resize that is no size")

// write takes octets and calls each for every size among them that has neither side zero.
func (r *resizer) write(p []byte, each func(cols, rows uint16) error) error {
	for _, c := range p {
		if r.depth == 0 {
			switch c {
			case ' ', '\t', '\r', '\n':
				continue
			case '{':
			default:
				return errResize
			}
		}
		if len(r.object) == longestResize {
			return errResize
		}
		r.object = append(r.object, c)
		if r.scan(c); r.depth > 0 {
			continue
		}
		var size struct{ Width, Height uint16 }
		if json.Unmarshal(r.object, &size) != nil {
			return errResize
		}
		r.object = r.object[:0]
		if size.Width == 0 || size.Height == 0 {
			continue // nothing can be drawn on it
		}
		if err := each(size.Width, size.Height); err != nil {
			return err
		}
	}
	return nil
}

// scan follows the braces.
func (r *resizer) scan(c byte) {
	switch {
	case r.escape:
		r.escape = false
	case r.quoted:
		r.escape, r.quoted = c == '\\', c != '"'
	case c == '"':
		r.quoted = true
	case c == '{':
		r.depth++
	case c == '}':
		r.depth--
	}
}
