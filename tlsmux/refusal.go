package tlsmux

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"

	"github.com/spliceway/spliceway/httpparse"
)

// A Refusal is an error with the answer to the client.
type Refusal struct {
	// Status is 4xx or 5xx. Zero: the connection is closed without an answer.
	Status int

	// Reason is one line for the client's eyes. It must give no secret away.
	Reason string

	// Err is the cause for ours; may be nil.
	Err error
}

// Error implements the error interface.
func (r *Refusal) Error() string {
	text := fmt.Sprintf("tlsmux: refused with %d: %s", r.Status, r.Reason)
	if r.Err != nil {
		text += ": " + r.Err.Error()
	}
	return text
}

// Unwrap returns Err.
func (r *Refusal) Unwrap() error { return r.Err }

// refusalFor returns the answer that an error of PhaseConnect or PhaseAuthn
// is worth, or nil when there is nobody to answer or nothing to say.
func refusalFor(phase Phase, err error) *Refusal {
	var refusal *Refusal
	var parse *httpparse.Error
	switch {
	case errors.As(err, &refusal):
		if refusal.Status == 0 {
			return nil
		}
		return refusal
	case errors.As(err, &parse):
		// The handshake knows one status for a head that is no good; parse
		// has others for what is a request behind it.
		return &Refusal{Status: http.StatusBadRequest, Reason: parse.Reason, Err: err}
	case phase == PhaseAuthn:
		return &Refusal{Status: http.StatusBadRequest, Reason: "the gateway could not decide on the request", Err: err}
	}
	return nil
}

const (
	replyEstablished = "HTTP/1.1 200 OK\r\n\r\n"
	replyHealthy     = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
)

// writeTo sends the answer in one write, so that it is one TLS record.
func (r *Refusal) writeTo(w io.Writer) error {
	text := http.StatusText(r.Status)
	if text == "" {
		text = "Refused"
	}
	reply := make([]byte, 0, 512)
	reply = append(reply, "HTTP/1.1 "...)
	reply = strconv.AppendInt(reply, int64(r.Status), 10)
	reply = append(reply, ' ')
	reply = append(reply, text...)
	reply = append(reply, "\r\n"...)
	switch r.Status {
	case http.StatusMethodNotAllowed: // RFC 9110, Section 15.5.6: must name what is allowed.
		reply = append(reply, "Allow: CONNECT\r\n"...)
	case http.StatusProxyAuthRequired: // RFC 9110, Section 15.5.8: must name a scheme.
		reply = append(reply, "Proxy-Authenticate: Bearer\r\n"...)
	}
	reply = append(reply, "Content-Type: text/plain; charset=utf-8\r\nConnection: close\r\nContent-Length: "...)
	reply = strconv.AppendInt(reply, int64(len(r.Reason)+1), 10)
	reply = append(reply, "\r\n\r\n"...)
	reply = append(reply, r.Reason...)
	reply = append(reply, '\n')
	_, err := w.Write(reply)
	return err
}
