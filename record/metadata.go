package record

import (
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/json"
	"slices"
	"strings"
	"time"
)

// A Session is what is known of a session when it starts. It does not change
// afterwards; the first signed line of the seal covers it.
type Session struct {
	ID      string    `json:"id"`      // time-ordered; if empty, Start makes one ([NewID])
	Started time.Time `json:"started"` // if zero, when Start is called

	Kind     string `json:"kind"`               // exec, attach
	Protocol string `json:"protocol,omitempty"` // spdy, websocket

	User       string   `json:"user"`
	Groups     []string `json:"groups,omitempty"`
	Subject    string   `json:"subject,omitempty"` // of the token
	Service    bool     `json:"service,omitempty"` // the user is a program
	Device     string   `json:"device,omitempty"`
	RemoteAddr string   `json:"remote_addr,omitempty"`
	ConnID     string   `json:"conn_id,omitempty"`
	RequestID  string   `json:"request_id,omitempty"`

	Cluster   string   `json:"cluster"`
	Namespace string   `json:"namespace,omitempty"`
	Pod       string   `json:"pod,omitempty"`
	Container string   `json:"container,omitempty"`
	Node      string   `json:"node,omitempty"`
	Path      string   `json:"path,omitempty"` // of the request, without its query
	Command   []string `json:"command,omitempty"`
	TTY       bool     `json:"tty"`
	Stdin     bool     `json:"stdin"`
	Cols      uint16   `json:"cols"` // if zero, 80
	Rows      uint16   `json:"rows"` // if zero, 24

	Mode Mode   `json:"mode"`           // Strict or BestEffort
	Rule string `json:"rule,omitempty"` // of the policy that chose the mode
}

// A State is how far a recording is.
type State string

// The states of a recording. StateOpen is left by the end of the session or by
// the next start after a crash, StateDeleted by nothing.
const (
	StateOpen      State = "recording" // still written, or left so by a crash
	StateComplete  State = "complete"  // ended by Close
	StateRecovered State = "recovered" // ended by a start after a crash
	StateDeleted   State = "deleted"   // only the metadata is left
)

// Metadata is the content of a .json file.
type Metadata struct {
	Version int    `json:"version"` // 1
	State   State  `json:"state"`
	Format  Format `json:"format"` // of asciicast
	Session

	Subprotocol string `json:"subprotocol,omitempty"` // as negotiated

	Ended    *time.Time `json:"ended,omitempty"`
	Duration float64    `json:"duration"`        // seconds, as of the last event
	Exit     *int       `json:"exit,omitempty"`  // if the command told it
	Cause    string     `json:"cause,omitempty"` // of the end

	Size        int64 `json:"size"`         // octets of the .cast
	Output      int64 `json:"output"`       // octets that came, on stdout or the terminal
	ErrorOutput int64 `json:"error_output"` // the same, on stderr
	Input       int64 `json:"input"`        // octets that were typed, recorded or not

	Keys []string `json:"keys,omitempty"` // KeyID of those that seal it, in turn

	Truncated *Truncation `json:"truncated,omitempty"`
	Recovery  *Recovery   `json:"recovery,omitempty"`
	Transfers []Transfer  `json:"transfers,omitempty"`
	Forwards  []Forward   `json:"forwards,omitempty"`
	Deletion  *Deletion   `json:"deletion,omitempty"`

	// Hold is read from the .hold file and is never part of the .json.
	Hold *Hold `json:"hold,omitempty"`
}

// A Truncation says that the recording ends before the session did.
type Truncation struct {
	Reason string    `json:"reason"` // a sentence
	Time   time.Time `json:"time"`
	Offset int64     `json:"offset"` // size of the .cast without the words about the end
	Lost   int64     `json:"lost"`   // octets of output that went on unrecorded; strict sessions lose none
}

// A Recovery says what a start after a crash found.
type Recovery struct {
	Time   time.Time `json:"time"`
	Proven int64     `json:"proven"` // octets of the .cast that were sealed as they were written
	Torn   int64     `json:"torn"`   // octets of a line that was not completed, removed
	Fault  string    `json:"fault,omitempty"`
}

// A Transfer is a file that was copied through the session.
type Transfer struct {
	Name      string `json:"name"`
	Direction string `json:"direction"` // upload, download
	Size      int64  `json:"size"`
	Mode      uint32 `json:"mode"`
	SHA256    string `json:"sha256,omitempty"` // hexadecimal
	Offset    *int64 `json:"offset,omitempty"` // of the content in the .upload or .download file; nil if it was not kept
}

// A Forward is a port that was forwarded.
type Forward struct {
	Port        uint16 `json:"port"`
	Connections int64  `json:"connections"`
	BytesUp     int64  `json:"bytes_up"`
	BytesDown   int64  `json:"bytes_down"`
}

// A Deletion says why a .cast is gone. It is signed with the key of the seal.
type Deletion struct {
	Time      time.Time `json:"time"`
	Reason    string    `json:"reason"`
	Size      int64     `json:"size"` // octets of the .cast that was deleted
	Signature []byte    `json:"signature"`
}

// A Hold keeps a recording from being deleted. It is a file that an operator
// writes beside the recording; all that is in it may be left out.
type Hold struct {
	By     string    `json:"by"`
	Reason string    `json:"reason"`
	Since  time.Time `json:"since"` // if absent, when the file was written
}

const maxHold = 64 << 10 // octets of a .hold file that are looked at

// complete fills in the defaults.
func (s *Session) complete(now time.Time) {
	if s.Started.IsZero() {
		s.Started = now
	}
	// The form in which it is read again, for the sake of the digest.
	s.Started = s.Started.UTC().Round(0)
	if s.ID == "" {
		s.ID = NewID(s.Started)
	}
	if s.Cols == 0 || s.Rows == 0 {
		s.Cols, s.Rows = defaultCols, defaultRows
	}
}

// sealedWith notes a key that seals the recording.
func (m *Metadata) sealedWith(key ed25519.PrivateKey) {
	if id := KeyID(key.Public().(ed25519.PublicKey)); !slices.Contains(m.Keys, id) {
		m.Keys = append(m.Keys, id)
	}
}

// commandLine returns the command as it would be typed.
func (s *Session) commandLine() string {
	words := make([]string, len(s.Command))
	for i, word := range s.Command {
		if word == "" || strings.ContainsAny(word, " \t\n'\"\\$`;&|<>()*?[]#~!{}") {
			word = "'" + strings.ReplaceAll(word, "'", `'\''`) + "'"
		}
		words[i] = word
	}
	return strings.Join(words, " ")
}

// title says who did what and where.
func (s *Session) title() string {
	var where []string
	for _, part := range []string{s.Cluster, s.Namespace, s.Pod, s.Container} {
		if part != "" {
			where = append(where, part)
		}
	}
	return strings.TrimSpace(s.User + " " + s.Kind + " " + strings.Join(where, "/"))
}

// digest is what the seal says of the start.
func (s *Session) digest() ([]byte, error) { return digestJSON(s) }

// digest is what the seal says of the end. What happens to a recording
// afterwards is not part of it.
func (m *Metadata) digest() ([]byte, error) {
	ended := *m
	ended.Deletion, ended.Hold = nil, nil
	return digestJSON(&ended)
}

// digestJSON returns the digest of v as it is printed after it was read: what
// is not UTF-8 comes back from a file as something else.
func digestJSON[T any](v *T) ([]byte, error) {
	text, err := json.Marshal(v)
	if err != nil {
		return nil, err
	}
	var read T
	if err := json.Unmarshal(text, &read); err != nil {
		return nil, err
	}
	if text, err = json.Marshal(&read); err != nil {
		return nil, err
	}
	sum := sha256.Sum256(text)
	return sum[:], nil
}
