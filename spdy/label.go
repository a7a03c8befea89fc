package spdy

// Mode is what a connection is for. It follows from the request that was upgraded.
type Mode uint8

const (
	Exec        Mode = iota // exec and attach
	PortForward             // port-forward, also through a WebSocket
)

// Label is what a client says that a stream is, in the header field streamtype.
type Label uint8

const (
	// NoLabel is the label of a stream that is closed and forgotten, see Event. It is the zero value.
	NoLabel Label = iota

	LabelError  // from the server: how the session ended; of a port-forward, why it failed
	LabelStdin  // from the client
	LabelStdout // from the server
	LabelStderr // from the server
	LabelResize // from the client: JSON objects with the size of its terminal
	LabelData   // both ways: one forwarded connection
)

// String returns the label as it is on the wire, "none" for NoLabel.
func (l Label) String() string { return labelNames[l] }

var labelNames = [...]string{
	NoLabel: "none", LabelError: "error", LabelStdin: "stdin", LabelStdout: "stdout", LabelStderr: "stderr",
	LabelResize: "resize", LabelData: "data",
}

// parseLabel returns the label that the mode has under the name, NoLabel if there is none.
func parseLabel(mode Mode, name []byte) Label {
	switch string(name) {
	case "error":
		return LabelError
	case "data":
		if mode == PortForward {
			return LabelData
		}
		return NoLabel
	}
	if mode == PortForward {
		return NoLabel
	}
	switch string(name) {
	case "stdin":
		return LabelStdin
	case "stdout":
		return LabelStdout
	case "stderr":
		return LabelStderr
	case "resize":
		return LabelResize
	}
	return NoLabel
}

// parsePort reads a port, in decimal and without leading zeros. It returns 0 for anything else.
func parsePort(s []byte) uint16 {
	if len(s) == 0 || len(s) > len("65535") || s[0] == '0' {
		return 0
	}
	port := 0
	for _, c := range s {
		if c < '0' || c > '9' {
			return 0
		}
		port = port*10 + int(c-'0')
	}
	if port > 65535 {
		return 0
	}
	return uint16(port)
}
