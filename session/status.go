package session

import (
	"bytes"
	"encoding/json"
	"strconv"
	"strings"
)

// status reads what the server says on the error channel: from version 4 on a metav1.Status in JSON, before that text,
// of which none means success. Nothing says where either ends but the end of the channel, for which servers do not all
// wait; so JSON is tried whenever a message ends.
type status struct {
	json  bool
	said  []byte // the first maxStatus octets
	cut   bool   // there were more
	tries int
	known bool // the exit is known
}

const (
	maxStatus = 32 << 10
	maxTries  = 16 // bounds the work for a server that ends many messages
	maxText   = 4 << 10
)

// wireStatus is the part of a metav1.Status that matters here.
type wireStatus struct {
	Metadata struct{} `json:"metadata"`
	Status   string   `json:"status"`
	Message  string   `json:"message,omitempty"`
	Reason   string   `json:"reason,omitempty"`
	Details  *struct {
		Causes []struct {
			Type    string `json:"reason"` // its name in Go and on the wire differ
			Message string `json:"message"`
		} `json:"causes"`
	} `json:"details,omitempty"`
	Code int `json:"code,omitempty"`
}

// write takes octets of the error channel.
func (s *status) write(p []byte) {
	n := min(len(p), maxStatus-len(s.said))
	s.said = append(s.said, p[:n]...)
	s.cut = s.cut || n < len(p)
}

// try reports how the session ended, if that is said by now.
func (s *status) try() (code int, message string, ok bool) {
	if !s.json || s.known || s.cut || s.tries == maxTries || !bytes.HasSuffix(bytes.TrimRight(s.said, " \r\n\t"), brace) {
		return 0, "", false
	}
	s.tries++
	var w wireStatus
	if json.Unmarshal(s.said, &w) != nil {
		return 0, "", false
	}
	s.known = true
	return w.exitCode(), cutText(w.Message), true
}

var brace = []byte("}")

// end reports how the session ended, if try did not, now that nothing more is said. orderly says that the server ended
// the channel by itself.
func (s *status) end(orderly bool) (code int, message string, ok bool) {
	s.tries = 0
	if code, message, ok = s.try(); ok || s.known {
		return code, message, ok
	}
	switch {
	case len(s.said) > 0:
		code, message = textCode(s.said), cutText(string(s.said))
	case s.json || !orderly:
		return 0, "", false
	}
	s.known = true
	return code, message, true
}

// exitCode returns the exit code, or CodeUnknown.
func (w *wireStatus) exitCode() int {
	if w.Status == "Success" {
		return 0
	}
	if w.Reason != "NonZeroExitCode" || w.Details == nil {
		return CodeUnknown
	}
	for _, cause := range w.Details.Causes {
		if cause.Type != "ExitCode" {
			continue
		}
		if code, err := strconv.ParseUint(cause.Message, 10, 8); err == nil {
			return int(code)
		}
		break // as kubectl does
	}
	return CodeUnknown
}

// textCode returns the exit code that runtimes put at the end of their text, or CodeUnknown.
func textCode(said []byte) int {
	words := strings.Fields(string(said))
	if !strings.Contains(string(said), "exit code") {
		return CodeUnknown
	}
	code, err := strconv.ParseUint(words[len(words)-1], 10, 8)
	if err != nil {
		return CodeUnknown
	}
	return int(code)
}

func cutText(s string) string {
	if len(s) > maxText {
		s = strings.ToValidUTF8(s[:maxText], "")
	}
	return s
}

// failure returns the Status that says why the gateway ended a session.
func (f *Final) failure() []byte {
	w := wireStatus{Status: "Failure", Message: f.Message, Reason: f.Reason, Code: f.Code}
	b, err := json.Marshal(&w)
	if err != nil {
		panic("session: internal error: a status that is no JSON: " + err.Error())
	}
	return b
}
