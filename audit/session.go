package audit

import "time"

// Values of FieldEvent for what happens on an upgraded stream.
const (
	EventSessionStarted    = "session.started"
	EventSessionEnded      = "session.ended"
	EventPortForwardOpened = "portforward.opened"
	EventPortForwardClosed = "portforward.closed"
	EventFileTransferred   = "file.transferred"
)

// Session is an upgraded stream, as its events name it. Empty fields are left
// out. Its slices are read during the call only.
type Session struct {
	Connection  *Connection // required
	RequestID   []byte
	ID          string // of the recording; empty if there is none
	Kind        string // exec, attach, portforward, application
	Protocol    string // spdy, websocket
	Subprotocol string
	Namespace   string
	Pod         string
	Container   string
	Node        string
	Command     []string
	TTY         bool
	Mode        string // strict, best-effort, off
	Rule        string // of the policy that chose the mode
}

// SessionEnd is how a session ended.
type SessionEnd struct {
	Recording string // recorded, exempt, failed
	Exit      *int   // nil if the command told no exit code
	Reason    string // one word; empty for an orderly end
	Err       error  // the cause in full
	BytesUp   int64
	BytesDown int64
	Duration  time.Duration
}

// PortForward is one forwarded connection. What is known at its end only is zero
// before.
type PortForward struct {
	Port      uint16
	Number    uint32 // of the connection within its session, from 1
	BytesUp   int64
	BytesDown int64
	Text      string // what the API server said about a failure
}

// File is a file that was copied through a session.
type File struct {
	Name      string
	Direction string // upload, download
	Size      int64
	Mode      uint32
	SHA256    string // hexadecimal; empty if it was not read to its end
}

// SessionStarted tells of a stream whose 101 is about to go to the client.
func (l *Log) SessionStarted(s *Session) {
	ln := l.line(EventSessionStarted)
	ln.session(s)
	ln.str(FieldUser, s.Connection.User, maxName)
	ln.strs(FieldGroups, s.Connection.Groups)
	ln.str(FieldRemoteAddr, s.Connection.RemoteAddr, maxName)
	ln.str(FieldSubprotocol, s.Subprotocol, maxName)
	ln.str(FieldContainer, s.Container, maxName)
	ln.str(FieldNode, s.Node, maxName)
	ln.strs(FieldCommand, s.Command)
	ln.e.Bool(FieldTTY, s.TTY)
	ln.str(FieldMode, s.Mode, maxName)
	ln.str(FieldRule, s.Rule, maxName)
	ln.send()
}

// SessionEnded tells the end of a session that was started.
func (l *Log) SessionEnded(s *Session, end *SessionEnd) {
	ln := l.line(EventSessionEnded)
	ln.session(s)
	ln.str(FieldUser, s.Connection.User, maxName)
	ln.str(FieldRecording, end.Recording, maxName)
	if end.Exit != nil {
		ln.e.Int(FieldExit, *end.Exit)
	}
	ln.str(FieldReason, end.Reason, maxName)
	ln.err(end.Err)
	ln.sums(end.BytesUp, end.BytesDown, end.Duration)
	ln.send()
}

// PortForwardOpened tells of a connection into a pod.
func (l *Log) PortForwardOpened(s *Session, f *PortForward) {
	ln := l.line(EventPortForwardOpened)
	ln.forward(s, f)
	ln.send()
}

// PortForwardClosed tells the end of a connection into a pod.
func (l *Log) PortForwardClosed(s *Session, f *PortForward) {
	ln := l.line(EventPortForwardClosed)
	ln.forward(s, f)
	ln.e.Int64(FieldBytesUp, f.BytesUp)
	ln.e.Int64(FieldBytesDown, f.BytesDown)
	ln.str(FieldError, f.Text, maxError)
	ln.send()
}

// FileTransferred tells of a file that was copied into or out of a container.
func (l *Log) FileTransferred(s *Session, f *File) {
	ln := l.line(EventFileTransferred)
	ln.session(s)
	ln.str(FieldUser, s.Connection.User, maxName)
	ln.str(FieldFile, f.Name, maxPath)
	ln.str(FieldDirection, f.Direction, maxName)
	ln.e.Int64(FieldSize, f.Size)
	ln.e.Uint32(FieldFileMode, f.Mode)
	ln.str(FieldSHA256, f.SHA256, maxName)
	ln.send()
}

// session writes what tells one session from all others.
func (ln *line) session(s *Session) {
	ln.str(FieldConnID, s.Connection.ID, maxID)
	ln.bytes(FieldRequestID, s.RequestID, maxID)
	ln.str(FieldSessionID, s.ID, maxID)
	ln.str(FieldKind, s.Kind, maxName)
	ln.str(FieldProtocol, s.Protocol, maxName)
	ln.str(FieldCluster, s.Connection.Cluster, maxName)
	ln.str(FieldNamespace, s.Namespace, maxName)
	ln.str(FieldPod, s.Pod, maxName)
}

func (ln *line) forward(s *Session, f *PortForward) {
	ln.session(s)
	ln.str(FieldUser, s.Connection.User, maxName)
	ln.e.Uint16(FieldPort, f.Port)
	ln.e.Uint32(FieldNumber, f.Number)
}
