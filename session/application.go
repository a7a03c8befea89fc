package session

// application is a stream that is not decoded. Nothing can be said in it, for where its frames end is not known; so any
// point is as good as any other to end it.
type application struct {
	silent
	session *Session
}

func (a *application) up(p []byte) (int, error) {
	a.session.content[client] += int64(len(p))
	return len(p), nil
}

func (a *application) down(p []byte) (int, error) {
	a.session.content[server] += int64(len(p))
	return len(p), nil
}

func (a *application) border() bool                     { return true }
func (a *application) last(dst []byte, f *Final) []byte { return dst }
func (a *application) close() error                     { return nil }
