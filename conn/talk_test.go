package conn

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/spliceway/spliceway/audit"
	"github.com/spliceway/spliceway/internal/testnet"
)

// A conversation is a script for one or more clients and the API server's side
// of the connections that the gateway opens for them. It runs in a bubble, where
// time passes only when everybody waits, so "hears" is everything that has
// arrived and "hearsNothing" is certain.
//
//	c.says("GET /version HTTP/1.1\r\n…")
//	up := s.accepts()
//	up.hears(forwarded(1, "GET /version"))
//	up.says("HTTP/1.1 204 No Content\r\n\r\n")
//	c.hears("HTTP/1.1 204 No Content\r\n\r\n")

// site is a cluster as the gateway sees it: configuration, pool, credential.
type site struct {
	t      *testing.T
	config Config
	token  *token
	pool   *Pool

	mu      sync.Mutex
	dialed  []*peer             // guarded by mu; connections that accepts has not returned yet
	server  func(net.Conn)      // if not nil, a goroutine that has what accepts would return; ends with it
	dialErr error               // guarded by mu; what a dial answers
	pause   time.Duration       // guarded by mu; how long a dial takes
	begun   int                 // guarded by mu; calls of Begun
	ended   int                 // guarded by mu; calls of Done
	done    []told              // guarded by mu; what Done was told since a test has looked
	retries []string            // guarded by mu
	peers   []*testnet.PipeConn // guarded by mu; to be closed at the end

	clients    []*client      // started by connect
	background sync.WaitGroup // goroutines that end when all connections have
}

// told is what Done was told of one request, as far as tests look at it.
type told struct {
	id, method, path, protocol string
	status                     int
	up, down                   int64
	blame, reason              string
	auditID                    string
	err                        error
	took                       time.Duration
}

// token is the gateway's credential.
type token struct {
	mu        sync.Mutex
	current   string // guarded by mu
	next      string // guarded by mu; what Refresh finds, if not empty
	err       error  // guarded by mu; what Refresh returns
	refreshes int    // guarded by mu
}

func (k *token) Authorization() []byte {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.current == "" {
		return nil
	}
	return []byte("Authorization: Bearer " + k.current + "\r\n")
}

func (k *token) Refresh() (changed bool, err error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.refreshes++
	if k.err != nil || k.next == "" {
		return false, k.err
	}
	k.current, k.next = k.next, ""
	return true, nil
}

// conversation runs a script in a bubble, and wants everything to be given back
// at its end.
func conversation(t *testing.T, script func(s *site)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		s := newSite(t)
		defer s.hangUp()
		script(s)
		s.hangUp()
		s.wantNothingLeft()
	})
}

func newSite(t *testing.T) *site {
	s := &site{t: t, token: &token{current: "gateway"}}
	s.pool = NewPool(PoolConfig{Dial: s.dial})
	s.config = Config{
		Pool: s.pool, Credential: s.token, Host: []byte("api.test:6443"),
		Begun: s.begin, Done: s.tell, Retried: func(reason string) {
			s.mu.Lock()
			defer s.mu.Unlock()
			s.retries = append(s.retries, reason)
		},
	}
	return s
}

// dial is the Dialer of a cluster without TLS.
func (s *site) dial(ctx context.Context, wrap func(net.Conn) net.Conn) (net.Conn, error) {
	s.mu.Lock()
	pause, err := s.pause, s.dialErr
	s.mu.Unlock()
	select {
	case <-ctx.Done():
		return nil, ctx.Err()
	case <-time.After(pause):
	}
	if err != nil {
		return nil, err
	}
	ours, theirs := testnet.Pipe()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.peers = append(s.peers, theirs)
	if s.server != nil {
		s.background.Go(func() { s.server(theirs) })
	} else {
		s.dialed = append(s.dialed, &peer{t: s.t, name: "API server", PipeConn: theirs})
	}
	return wrap(ours), nil
}

// dialing makes every later dial take so long.
func (s *site) dialing(d time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.pause = d
}

func (s *site) begin() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.begun++
}

func (s *site) tell(r *audit.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.ended++
	s.done = append(s.done, told{
		id: string(r.ID), method: string(r.Method), path: string(r.Info.Path), protocol: r.Protocol,
		status: r.Status, up: r.BytesUp, down: r.BytesDown, blame: r.Blame, reason: r.Reason,
		auditID: string(r.AuditID), err: r.Err, took: r.Duration,
	})
}

// accepts returns the API server's end of the next connection that the gateway
// has opened.
func (s *site) accepts() *peer {
	s.t.Helper()
	synctest.Wait()
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.dialed) == 0 {
		s.t.Fatal("the gateway has opened no connection to the API server")
	}
	next := s.dialed[0]
	s.dialed = s.dialed[1:]
	return next
}

// acceptsNone wants the gateway to have opened no further connection.
func (s *site) acceptsNone() {
	s.t.Helper()
	synctest.Wait()
	s.mu.Lock()
	defer s.mu.Unlock()
	if n := len(s.dialed); n > 0 {
		s.t.Fatalf("the gateway has opened %d more connections to the API server, want none", n)
	}
}

// wantTold wants Done to have been told of these requests and no other since
// the last call. Durations and causes are not compared.
func (s *site) wantTold(want ...told) {
	s.t.Helper()
	synctest.Wait()
	s.mu.Lock()
	defer s.mu.Unlock()
	got := s.done
	s.done = nil
	for i := range got {
		got[i].err, got[i].took = nil, 0
	}
	if fmt.Sprintf("%+v", got) != fmt.Sprintf("%+v", want) {
		s.t.Errorf("Done was told\n%+v\nwant\n%+v", got, want)
	}
}

// wantReasons wants the requests told of since the last call to have ended so.
func (s *site) wantReasons(want ...string) {
	s.t.Helper()
	synctest.Wait()
	s.mu.Lock()
	defer s.mu.Unlock()
	var got []string
	for _, r := range s.done {
		got = append(got, strings.TrimSpace(r.blame+" "+r.reason))
	}
	s.done = nil
	if strings.Join(got, ", ") != strings.Join(want, ", ") {
		s.t.Errorf("requests ended with %q, want %q", got, want)
	}
}

// wantPool wants so many connections in the pool.
func (s *site) wantPool(idle, active int) {
	s.t.Helper()
	synctest.Wait()
	if got, want := s.pool.Stats(), (PoolStats{Idle: idle, Active: active}); got != want {
		s.t.Errorf("pool has %+v, want %+v", got, want)
	}
}

// hangUp ends what is left.
func (s *site) hangUp() {
	for _, c := range s.clients {
		c.Close()
		c.cancel(ErrShutdown)
		<-c.ended
	}
	s.pool.Close()
	for _, p := range s.peers {
		p.Close()
	}
	s.background.Wait()
}

// wantNothingLeft wants everything to have been given back, and every request to
// have been told of once at its beginning and once at its end.
func (s *site) wantNothingLeft() {
	s.t.Helper()
	for _, c := range s.clients {
		if c := c.conn; c.in.pooled != nil || c.down.pooled != nil || c.uplink.buf.pooled != nil || c.x.pooled != nil {
			s.t.Errorf("buffers were not given back: in %v, down %v, uplink %v, sent %v",
				c.in.pooled != nil, c.down.pooled != nil, c.uplink.buf.pooled != nil, c.x.pooled != nil)
		}
		if c.conn.current != nil || c.conn.x.upstream != nil {
			s.t.Error("an upstream connection is still the exchange's")
		}
	}
	served := 0
	for _, c := range s.clients {
		served += int(c.end.Requests)
	}
	if s.begun != served || s.ended != served {
		s.t.Errorf("of %d requests %d have begun and %d have ended", served, s.begun, s.ended)
	}
	if active := s.pool.Stats().Active; active != 0 {
		s.t.Errorf("%d connections are missing in the pool", active)
	}
}

// client is a client connection that is being served.
type client struct {
	*peer
	conn   *Conn
	cancel context.CancelCauseFunc
	end    *audit.ConnectionEnd // closed ended before
	ended  chan struct{}        // closed when Serve has returned
}

// identity is what every request of a conversation's clients has to carry.
const identity = "Impersonate-User: ann@example.com\r\nImpersonate-Group: dev\r\nImpersonate-Group: on call\r\n"

// connect starts to serve another client. The first one is called c1.
func (s *site) connect() *client {
	theirs, ours := testnet.Pipe()
	return s.serve(ours, &peer{t: s.t, name: "client", PipeConn: theirs})
}

// serve starts to serve the connection ours, of which p is the client's end.
func (s *site) serve(ours net.Conn, p *peer) *client {
	s.t.Helper()
	lines, err := Impersonate("ann@example.com", []string{"dev", "on call"})
	if err != nil {
		s.t.Fatal(err)
	}
	ctx, cancel := context.WithCancelCause(context.Background())
	caller := &Caller{Connection: &audit.Connection{ID: fmt.Sprintf("c%d", len(s.clients)+1)}, Lines: lines}
	c := &client{peer: p, conn: New(ours, caller, &s.config), cancel: cancel, ended: make(chan struct{})}
	s.clients = append(s.clients, c)
	go c.serve(ctx, ours)
	return c
}

// serve is a goroutine. It ends with the client connection.
func (c *client) serve(ctx context.Context, ours net.Conn) {
	defer close(c.ended)
	c.end = c.conn.Serve(ctx)
	ours.Close()
}

// wantEnd wants Serve to have returned.
func (c *client) wantEnd(reason, blame string) {
	c.t.Helper()
	synctest.Wait()
	select {
	case <-c.ended:
	default:
		c.t.Fatal("the connection is still being served")
	}
	if c.end.Reason != reason || c.end.Blame != blame {
		c.t.Errorf("the connection ended with %q, blame %q (%v), want %q, blame %q",
			c.end.Reason, c.end.Blame, c.end.Err, reason, blame)
	}
}

// wantServed wants Serve to be running still.
func (c *client) wantServed() {
	c.t.Helper()
	synctest.Wait()
	select {
	case <-c.ended:
		c.t.Fatalf("the connection has ended: %+v", c.end)
	default:
	}
}

// peer is somebody whom the gateway talks to.
type peer struct {
	t    *testing.T
	name string
	*testnet.PipeConn
}

// says sends each part as a segment of its own.
func (p *peer) says(parts ...string) {
	p.t.Helper()
	for _, part := range parts {
		if _, err := p.Write([]byte(part)); err != nil {
			p.t.Fatalf("the %s can't say %.100q: %v", p.name, part, err)
		}
		synctest.Wait()
	}
}

// heard returns what has arrived.
func (p *peer) heard() string {
	p.t.Helper()
	var b strings.Builder
	buf := make([]byte, 64<<10)
	for synctest.Wait(); p.Buffered() > 0; synctest.Wait() {
		n, err := p.Read(buf)
		if err != nil {
			p.t.Fatalf("the %s hears %q and then %v", p.name, b.String(), err)
		}
		b.Write(buf[:n])
	}
	return b.String()
}

// hears wants exactly this to have arrived.
func (p *peer) hears(want ...string) {
	p.t.Helper()
	if got, want := p.heard(), strings.Join(want, ""); got != want {
		p.t.Fatalf("the %s hears %d octets\n%s\nwant %d\n%s", p.name, len(got), shown(got), len(want), shown(want))
	}
}

// hearsNothing wants nothing to have arrived, and the connection to be open.
func (p *peer) hearsNothing() {
	p.t.Helper()
	p.hears("")
	if err := p.readError(); !errors.Is(err, os.ErrDeadlineExceeded) {
		p.t.Fatalf("the %s hears the end (%v), want nothing", p.name, err)
	}
}

// hearsEnd wants nothing more to have arrived but the end.
func (p *peer) hearsEnd() {
	p.t.Helper()
	p.hears("")
	if err := p.readError(); err != io.EOF {
		p.t.Fatalf("the %s hears %v, want the end", p.name, err)
	}
}

// readError returns what a Read says for which nothing has arrived.
func (p *peer) readError() error {
	p.SetReadDeadline(time.Now().Add(time.Microsecond))
	defer p.SetReadDeadline(time.Time{})
	_, err := p.Read(make([]byte, 1))
	return err
}

// shown prints octets for a message, a line a line.
func shown(s string) string {
	const most = 2000
	if len(s) > most {
		s = s[:most/2] + "…" + s[len(s)-most/2:]
	}
	return "\t" + strings.ReplaceAll(fmt.Sprintf("%q", s), `\r\n`, "\\r\\n\n\t")
}

// after lets time pass.
func after(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}

// request returns a request without a body: "GET /version" and more lines.
func request(line string, fields ...string) string {
	return line + " HTTP/1.1\r\nHost: k8s.example\r\n" + joinLines(fields) + "\r\n"
}

// forwarded returns the head that the API server hears of the nth request of the
// first client, with the fields that are behind the gateway's lines last.
func forwarded(n int, line string, fields ...string) string {
	return forwardedFor("c1", n, line, fields...)
}

func forwardedFor(conn string, n int, line string, fields ...string) string {
	return line + " HTTP/1.1\r\nHost: api.test:6443\r\n" + joinLines(fields) + identity +
		"Authorization: Bearer gateway\r\n" + fmt.Sprintf("Audit-ID: %s-%d\r\n\r\n", conn, n)
}

func joinLines(fields []string) string {
	var b strings.Builder
	for _, f := range fields {
		b.WriteString(f + "\r\n")
	}
	return b.String()
}

// response returns a response with a body of the given length.
func response(status, body string, fields ...string) string {
	return fmt.Sprintf("HTTP/1.1 %s\r\n%sContent-Length: %d\r\n\r\n%s", status, joinLines(fields), len(body), body)
}

// refusal returns the Status that the gateway sends instead of a response.
func refusal(status string, reason, message string, fields ...string) string {
	code := status[:3]
	body := `{"kind":"Status","apiVersion":"v1","metadata":{},"status":"Failure","message":"gateway: ` + message +
		`","reason":"` + reason + `","code":` + code + `}`
	return fmt.Sprintf("HTTP/1.1 %s\r\nContent-Type: application/json\r\nContent-Length: %d\r\n%s\r\n%s",
		status, len(body), joinLines(fields), body)
}
