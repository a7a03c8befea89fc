package audit

import (
	"io"
	"time"
	"unicode/utf8"

	"github.com/rs/zerolog"

	"github.com/spliceway/spliceway/trace"
)

// Longest text of each kind that is written, in octets.
const (
	maxID        = 128  // ids of the client, the API server and the issuer
	maxName      = 512  // names of users, groups, namespaces, objects
	maxPath      = 2048 // path of a request
	maxUserAgent = 256
	maxError     = 1024
)

// timeFormat has a fixed width, so that lines sort by their first field.
const timeFormat = "2006-01-02T15:04:05.000Z"

// Connection is who is at the other end of a connection, as events name it. Empty
// fields are left out.
type Connection struct {
	ID         string
	ClientID   string // chosen by the client, untrusted
	RemoteAddr string
	User       string
	Groups     []string
	Subject    string // stable id of the user or service at the issuer
	Service    bool
	Device     string
	Cluster    string // name of the cluster, empty before it is known
	Target     string // host:port of the CONNECT, untrusted before authentication
	Resource   string // id of the resource that the token names
	Expires    time.Time
}

// ConnectionEnd is how a connection ended.
type ConnectionEnd struct {
	Reason    string // one word or a short constant phrase
	Blame     string // one of the Blame constants, empty for an orderly end
	Err       error  // the cause in full, nil for an orderly end
	Requests  int64
	BytesUp   int64
	BytesDown int64
	Duration  time.Duration
}

// Request is one request and how it ended. Its slices are read during the call
// only.
type Request struct {
	Connection *Connection // required
	ID         []byte
	Trace      trace.Context // zero if requests are not traced
	Info       *RequestInfo  // nil if the head could not be read
	Method     []byte
	Path       []byte // as sent; a query is cut off. If empty, Info's Path is written
	Status     int    // sent to the client; 0 if none was
	Protocol   string // http1, websocket or spdy
	BytesUp    int64
	BytesDown  int64
	Duration   time.Duration
	Answered   time.Duration // from the head to the API server's; 0 if there was none. It is not written
	AuditID    []byte        // the API server's
	Blame      string        // one of the Blame constants, empty for an orderly end
	Reason     string
	Err        error
	UserAgent  []byte
}

// Log writes events. It is safe for concurrent use. Nothing is kept of what its
// methods are given.
type Log struct {
	queue    *queue
	root     zerolog.Logger // written at once
	requests zerolog.Logger // queued
	now      func() time.Time
}

// New returns a log that writes to w, each line at once and with one call of Write,
// one at a time. onError is called for each line that is lost, with the error of w,
// from the goroutine that wrote, and may be nil.
func New(w io.Writer, onError func(error)) *Log {
	return newLog(&queue{out: &output{w: w, onError: onError}})
}

// NewGathering is New, but that the lines of requests of one moment are one Write, of
// whole lines. Close writes what is left.
func NewGathering(w io.Writer, onError func(error)) *Log {
	return newLog(&queue{out: &output{w: w, onError: onError}, delay: requestDelay})
}

func newLog(q *queue) *Log {
	return &Log{queue: q, root: zerolog.New(urgent{q}), requests: zerolog.New(q), now: time.Now}
}

// ConnectionOpened tells that c was authenticated.
func (l *Log) ConnectionOpened(c *Connection) {
	ln := l.line(EventConnectionOpened)
	ln.connection(c)
	ln.send()
}

// ConnectionRefused tells that a connection was turned away in a phase: status is
// what was answered (0: nothing), reason the word the client saw, err the precise
// cause.
func (l *Log) ConnectionRefused(c *Connection, phase string, status int, reason string, err error) {
	ln := l.line(EventConnectionRefused)
	ln.connection(c)
	ln.str(FieldPhase, phase, maxName)
	if status != 0 {
		ln.e.Int(FieldStatus, status)
	}
	ln.str(FieldReason, reason, maxName)
	ln.err(err)
	ln.send()
}

// ConnectionClosed tells the end of a connection that was opened.
func (l *Log) ConnectionClosed(c *Connection, end *ConnectionEnd) {
	ln := l.line(EventConnectionClosed)
	ln.connection(c)
	ln.str(FieldReason, end.Reason, maxName)
	ln.str(FieldBlame, end.Blame, maxName)
	ln.err(end.Err)
	ln.e.Int64(FieldRequests, end.Requests)
	ln.sums(end.BytesUp, end.BytesDown, end.Duration)
	ln.send()
}

// Request tells one request. It does not allocate unless r.Err is set.
func (l *Log) Request(r *Request) {
	ln := l.lineTo(&l.requests, EventRequest)
	c := r.Connection
	ln.str(FieldConnID, c.ID, maxID)
	ln.bytes(FieldRequestID, r.ID, maxID)
	if r.Trace.Valid() {
		ln.e.Hex(FieldTraceID, r.Trace.TraceID[:])
	}
	ln.str(FieldRemoteAddr, c.RemoteAddr, maxName)
	ln.str(FieldUser, c.User, maxName)
	ln.str(FieldCluster, c.Cluster, maxName)
	ln.bytes(FieldMethod, r.Method, maxID)
	ln.path(r)
	if r.Info != nil {
		ln.info(r.Info)
	}
	ln.e.Int(FieldStatus, r.Status)
	ln.str(FieldProtocol, r.Protocol, maxName)
	ln.sums(r.BytesUp, r.BytesDown, r.Duration)
	ln.bytes(FieldAuditID, r.AuditID, maxID)
	ln.str(FieldReason, r.Reason, maxName)
	ln.str(FieldBlame, r.Blame, maxName)
	ln.err(r.Err)
	ln.bytes(FieldUserAgent, r.UserAgent, maxUserAgent)
	ln.send()
}

// line is one event being written.
type line struct {
	e         *zerolog.Event
	truncated bool
}

func (l *Log) line(event string) line { return l.lineTo(&l.root, event) }

func (l *Log) lineTo(to *zerolog.Logger, event string) line {
	var stamp [2 * len(timeFormat)]byte
	ln := line{e: to.Log()}
	ln.e.Bytes(FieldTime, appendTime(stamp[:0], l.now()))
	ln.e.Str(FieldEvent, event)
	return ln
}

// appendTime appends t in timeFormat. Package time is several times quicker with
// RFC3339, which has no milliseconds.
func appendTime(dst []byte, t time.Time) []byte {
	t = t.UTC()
	dst = t.AppendFormat(dst, time.RFC3339)
	ms := t.Nanosecond() / int(time.Millisecond)
	return append(dst[:len(dst)-1], '.', byte('0'+ms/100), byte('0'+ms/10%10), byte('0'+ms%10), 'Z')
}

func (ln *line) connection(c *Connection) {
	ln.str(FieldConnID, c.ID, maxID)
	ln.str(FieldClientID, c.ClientID, maxID)
	ln.str(FieldRemoteAddr, c.RemoteAddr, maxName)
	ln.str(FieldUser, c.User, maxName)
	ln.strs(FieldGroups, c.Groups)
	ln.str(FieldSubject, c.Subject, maxID)
	if c.Service {
		ln.e.Bool(FieldService, true)
	}
	ln.str(FieldDevice, c.Device, maxID)
	ln.str(FieldCluster, c.Cluster, maxName)
	ln.str(FieldTarget, c.Target, maxName)
	ln.str(FieldTokenRes, c.Resource, maxID)
	if !c.Expires.IsZero() {
		ln.e.Str(FieldExpires, c.Expires.UTC().Format(timeFormat))
	}
}

func (ln *line) path(r *Request) {
	path := r.Path
	if len(path) == 0 && r.Info != nil {
		path = r.Info.Path
	} else {
		path, _ = splitTarget(path)
	}
	ln.bytes(FieldPath, path, maxPath)
}

func (ln *line) info(i *RequestInfo) {
	ln.str(FieldVerb, i.Verb, maxID)
	if !i.IsResource {
		return
	}
	ln.e.Bytes(FieldAPIGroup, ln.cut(i.APIGroup, maxName)) // empty is the core group
	ln.bytes(FieldAPIVersion, i.APIVersion, maxName)
	ln.bytes(FieldNamespace, i.Namespace, maxName)
	ln.bytes(FieldResource, i.Resource, maxName)
	ln.bytes(FieldSubresource, i.Subresource, maxName)
	ln.bytes(FieldName, i.Name, maxName)
}

func (ln *line) sums(up, down int64, d time.Duration) {
	ln.e.Int64(FieldBytesUp, up)
	ln.e.Int64(FieldBytesDown, down)
	ln.e.Float64(FieldDuration, float64(d.Microseconds())/1000)
}

func (ln *line) err(err error) {
	if err != nil {
		ln.str(FieldError, err.Error(), maxError)
	}
}

func (ln *line) str(name, s string, limit int) {
	if s == "" {
		return
	}
	if len(s) > limit {
		s = string(ln.cut([]byte(s), limit))
	}
	ln.e.Str(name, s)
}

func (ln *line) strs(name string, list []string) {
	if len(list) == 0 {
		return
	}
	array := ln.e.CreateArray()
	for _, s := range list {
		if len(s) > maxName {
			s = string(ln.cut([]byte(s), maxName))
		}
		array.Str(s)
	}
	ln.e.Array(name, array)
}

func (ln *line) bytes(name string, b []byte, limit int) {
	if len(b) > 0 {
		ln.e.Bytes(name, ln.cut(b, limit))
	}
}

func (ln *line) cut(b []byte, limit int) []byte {
	if len(b) <= limit {
		return b
	}
	ln.truncated = true
	return b[:limit-partialRune(b[:limit])]
}

// partialRune returns how many octets at the end of b begin a rune that b does
// not complete.
func partialRune(b []byte) int {
	for n := 1; n < utf8.UTFMax && n <= len(b); n++ {
		if tail := b[len(b)-n:]; utf8.RuneStart(tail[0]) {
			if utf8.FullRune(tail) {
				return 0
			}
			return n
		}
	}
	return 0
}

func (ln *line) send() {
	if ln.truncated {
		ln.e.Bool(FieldTruncated, true)
	}
	ln.e.Send()
}
