package status

import "time"

// Report is a gateway at one moment. Times are in UTC. Connections and streams are sorted by time, the
// oldest first.
type Report struct {
	Time    time.Time `json:"time"`
	PID     int       `json:"pid"`
	Version string    `json:"version"`
	Started time.Time `json:"started"`

	Draining bool     `json:"draining"`           // no new connections are taken
	Problems []string `json:"problems,omitempty"` // what keeps it from being of use, as /readyz has it

	Configuration Configuration `json:"configuration"`
	Limits        []Limit       `json:"limits"`
	Keys          Keys          `json:"signing_keys"`
	Certificates  []Certificate `json:"certificates"`
	Clusters      []Cluster     `json:"clusters"`
	Recordings    *Recordings   `json:"recordings,omitempty"` // nil if nothing is recorded

	Connections []Connection `json:"connections"`
	Streams     []Stream     `json:"streams"`
}

// Configuration is the one in force.
type Configuration struct {
	Loaded  time.Time `json:"loaded"`            // at the start, or by the last reload
	Refused string    `json:"refused,omitempty"` // why a later one was not taken
}

// Limit is how much is in use of what is limited. Of a limit for each source or user, it is what the one has that has
// most.
type Limit struct {
	Name    string `json:"limit"`             // as metrics have it
	Cluster string `json:"cluster,omitempty"` // that it is for; empty: all
	InUse   int    `json:"in_use"`
	Most    *int   `json:"most,omitempty"` // nil: no limit
}

// Keys are the issuer's signing keys.
type Keys struct {
	Source  string     `json:"source"`            // URL or file
	Fetched *time.Time `json:"fetched,omitempty"` // nil: never
}

// Certificate is one of the gateway's own.
type Certificate struct {
	File    string    `json:"file"`
	Expires time.Time `json:"expires"`
}

// Cluster is the way to an API server.
type Cluster struct {
	Name    string `json:"name"`
	Address string `json:"address"`         // host:port
	Error   string `json:"error,omitempty"` // of the last dial, if it failed
	Active  int    `json:"active"`          // connections that carry a request or a stream
	Idle    int    `json:"idle"`            // connections that are kept for the next
}

// Recordings is the store.
type Recordings struct {
	Active int    `json:"active"`          // recordings that are being written
	Used   int64  `json:"used_bytes"`      // of all recordings
	Quota  int64  `json:"quota_bytes"`     // 0: none
	Error  string `json:"error,omitempty"` // why no session can be recorded now
}

// Connection is an authenticated client.
type Connection struct {
	ID         string    `json:"conn_id"`
	User       string    `json:"user"`
	Groups     []string  `json:"groups"`
	Device     string    `json:"device,omitempty"`
	RemoteAddr string    `json:"remote_addr"`
	Cluster    string    `json:"cluster"`
	Since      time.Time `json:"since"`
	Expires    time.Time `json:"expires"` // of the token, with which it ends
	Idle       bool      `json:"idle"`    // waits for a request
	Requests   int64     `json:"requests"`
	BytesUp    int64     `json:"bytes_up"`
	BytesDown  int64     `json:"bytes_down"`
}

// Stream is an upgraded connection: an exec, an attach, a port-forward, or what an application does.
type Stream struct {
	RequestID string    `json:"request_id"`
	ConnID    string    `json:"conn_id"`
	SessionID string    `json:"session_id,omitempty"` // of the recording; empty: none
	User      string    `json:"user"`
	Cluster   string    `json:"cluster"`
	Kind      string    `json:"kind,omitempty"` // exec, attach, portforward, application; empty: not known, and not recorded
	Protocol  string    `json:"protocol"`
	Namespace string    `json:"namespace,omitempty"`
	Pod       string    `json:"pod,omitempty"`
	Container string    `json:"container,omitempty"`
	Node      string    `json:"node,omitempty"`
	Command   []string  `json:"command,omitempty"`
	TTY       bool      `json:"tty"`
	Mode      string    `json:"mode"`           // of recording: strict, best-effort, off
	Rule      string    `json:"rule,omitempty"` // that chose the mode
	Since     time.Time `json:"since"`
	BytesUp   int64     `json:"bytes_up"`
	BytesDown int64     `json:"bytes_down"`
}
