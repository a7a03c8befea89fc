package session

// silent is the part of a wire on which words have no place before the end, and none in the middle of a frame.
type silent struct{}

func (silent) keep()                           {}
func (silent) mark()                           {}
func (silent) back()                           {}
func (silent) fill(dst []byte) ([]byte, bool)  { return dst, false }
func (silent) place() EventType                { return 0 }
func (silent) notice(dst, words []byte) []byte { return dst }
