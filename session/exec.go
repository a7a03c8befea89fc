package session

// channel is one of the streams of an exec or attach. The numbers are those of the channel protocols.
type channel uint8

const (
	stdin channel = iota
	stdout
	stderr
	failures // the error channel
	resizes
	channels // how many there are
)

// exec is what the channels of an exec or attach mean, whatever carries them.
type exec struct {
	session *Session
	sizes   resizer
	status  status
	ended   bool // stdin was
}

func newExec(s *Session) exec {
	return exec{session: s, status: status{json: s.info.form.version >= 4}}
}

// up takes octets of the client on a channel, of which ones for a channel that it has not to write are harmless: no
// server reads them.
func (x *exec) up(c channel, p []byte) error {
	switch c {
	case stdin:
		return x.session.data(Stdin, client, p)
	case resizes:
		return x.sizes.write(p, func(cols, rows uint16) error {
			return x.session.emit(&Event{Type: Resize, Cols: cols, Rows: rows})
		})
	}
	return nil
}

// upEnd takes the end of a channel by the client.
func (x *exec) upEnd(c channel) error {
	if c != stdin || x.ended {
		return nil
	}
	x.ended = true
	return x.session.emit(&Event{Type: StdinClosed})
}

const errNotOutput = text("output of the server on a channel that has none")

// down takes octets of the server on a channel, with the word whether a message ends with them.
func (x *exec) down(c channel, p []byte, whole bool) error {
	switch c {
	case stdout:
		return x.session.data(Stdout, server, p)
	case stderr:
		return x.session.data(Stderr, server, p)
	case failures:
		x.status.write(p)
		if !whole {
			return nil
		}
		return x.exit(x.status.try())
	}
	if len(p) > 0 {
		return errNotOutput // a client that reads it would see what is not recorded
	}
	return nil
}

// downEnd takes the end of the error channel. orderly says that the server ended it by itself.
func (x *exec) downEnd(orderly bool) error { return x.exit(x.status.end(orderly)) }

// exit reports how the session ended, if that is known.
func (x *exec) exit(code int, message string, ok bool) error {
	if !ok {
		return nil
	}
	return x.session.emit(&Event{Type: Exit, Code: code, Text: message})
}

// place returns where the user sees words of ours: where a terminal is on stdout, else on stderr. Stdout without a
// terminal may go to a file, or be a tar.
func (x *exec) place() channel {
	switch i := x.session.info; {
	case i.TTY && i.Stdout:
		return stdout
	case !i.TTY && i.Stderr:
		return stderr
	}
	return channels
}

// maxFill is how much of a frame that was cut short is filled up: peers write 32 KiB at once.
const maxFill = 64 << 10

// event returns the type of the output on a channel, zero for channels without.
func (c channel) event() EventType {
	switch c {
	case stdout:
		return Stdout
	case stderr:
		return Stderr
	}
	return 0
}

// told is what the client has of the error channel.
type told struct {
	some  bool
	known bool // the exit
}

func (x *exec) told() told { return told{len(x.status.said) > 0, x.status.known} }

// cause returns what the error channel is told at the end, empty if it is not for us to say any more.
func (x *exec) cause(f *Final, t told) []byte {
	switch {
	case t.known || t.some:
		return nil
	case x.status.json:
		return f.failure()
	}
	return []byte(f.Message)
}
