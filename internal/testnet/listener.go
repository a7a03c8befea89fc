package testnet

import (
	"net"
	"sync"
)

// A Listener is a net.Listener whose connections are pipes and whose accept
// errors are scripted. All methods may be called concurrently.
type Listener struct {
	mu       sync.Mutex
	cond     *sync.Cond // on mu
	script   []accepted // guarded by mu
	closed   bool       // guarded by mu
	accepts  int        // guarded by mu; calls of Accept that have begun
	accepted int        // guarded by mu; connections that Accept has returned
}

type accepted struct {
	conn *PipeConn
	err  error
}

var _ net.Listener = (*Listener)(nil)

// Listen returns a listener that has nothing to accept yet.
func Listen() *Listener {
	l := &Listener{}
	l.cond = sync.NewCond(&l.mu)
	return l
}

// Dial returns the client's end of a pipe whose other end is given to
// Accept. It does not wait for Accept. On a closed listener the other end is
// reset.
func (l *Listener) Dial() *PipeConn {
	client, server := Pipe()
	l.add(client, server)
	return client
}

// DialFrom is Dial with the client's address, for example "10.1.2.3:1234".
func (l *Listener) DialFrom(addr string) *PipeConn {
	from, err := net.ResolveTCPAddr("tcp", addr)
	if err != nil {
		panic("testnet: " + err.Error())
	}
	client, server := pipeFrom(from, l.Addr())
	l.add(client, server)
	return client
}

func (l *Listener) add(client, server *PipeConn) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		server.Reset()
		return
	}
	l.script = append(l.script, accepted{conn: server})
	l.cond.Broadcast()
}

// Fail makes Accept return each of errs once, after what was dialled before.
func (l *Listener) Fail(errs ...error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, err := range errs {
		l.script = append(l.script, accepted{err: err})
	}
	l.cond.Broadcast()
}

// Accept returns the next connection or scripted error, and net.ErrClosed
// after Close.
func (l *Listener) Accept() (net.Conn, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.accepts++
	for len(l.script) == 0 && !l.closed {
		l.cond.Wait()
	}
	if l.closed {
		return nil, &net.OpError{Op: "accept", Net: "pipe", Addr: l.Addr(), Err: net.ErrClosed}
	}
	next := l.script[0]
	l.script = l.script[1:]
	if next.err != nil {
		return nil, &net.OpError{Op: "accept", Net: "pipe", Addr: l.Addr(), Err: next.err}
	}
	l.accepted++
	return next.conn, nil
}

// Accepts returns how often Accept was called and how many connections it
// has returned.
func (l *Listener) Accepts() (calls, conns int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.accepts, l.accepted
}

// Close makes Accept fail and resets what was dialled and not accepted, as a
// kernel does with its backlog.
func (l *Listener) Close() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return net.ErrClosed
	}
	l.closed = true
	for _, a := range l.script {
		if a.conn != nil {
			a.conn.Reset()
		}
	}
	l.script = nil
	l.cond.Broadcast()
	return nil
}

// Addr returns 192.0.2.2:443, the address of the server's end of a [Pipe].
func (l *Listener) Addr() net.Addr {
	return &net.TCPAddr{IP: net.IPv4(192, 0, 2, 2), Port: 443}
}
