package conn

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"strconv"

	"github.com/spliceway/spliceway/audit"
	"github.com/spliceway/spliceway/httpparse"
)

// Reason words that are used in several places.
const (
	reasonClientClosed    = "client-closed"
	reasonUpstreamClosed  = "upstream-closed"
	reasonUpstreamTimeout = "upstream-timeout"
	reasonCredential      = "credential-refused"
	reasonExhausted       = "gateway-exhausted"
)

// ReasonHeadTooLarge is the reason of a request whose head is beyond a limit.
const ReasonHeadTooLarge = "head-too-large"

// malformed blames the client for octets that the parser refused.
func malformed(err error) *Error {
	e := &Error{Blame: audit.BlameClient, Status: http.StatusBadRequest, Reason: "malformed", Err: err,
		Say: "the request is not valid HTTP/1.1"}
	var p *httpparse.Error
	if errors.As(err, &p) {
		e.Status = p.Status
		if p.Status == http.StatusRequestHeaderFieldsTooLarge || p.Status == http.StatusRequestURITooLong {
			e.Reason = ReasonHeadTooLarge
		}
		e.Say += ": " + p.Reason
	}
	return e
}

// badResponse blames the API server for octets that the parser refused.
func badResponse(err error) *Error {
	return &Error{Blame: audit.BlameUpstream, Status: http.StatusBadGateway, Reason: "bad-response", Err: err,
		Say: "the API server's response is not valid HTTP/1.1"}
}

// unreachable is a failed dial. An error of the dialer that knows what to tell the
// user, and whether the gateway itself has run out of something, speaks for itself.
func unreachable(err error) *Error {
	e := &Error{Blame: audit.BlameUpstream, Status: http.StatusBadGateway, Reason: "upstream-unreachable", Err: err,
		Say: "the API server can't be reached"}
	var speaker interface {
		Sentence() string
		Exhausted() bool
	}
	if !errors.As(err, &speaker) {
		return e
	}
	e.Say = speaker.Sentence()
	if speaker.Exhausted() {
		e.Blame, e.Status, e.Reason = audit.BlameGateway, http.StatusServiceUnavailable, reasonExhausted
	}
	return e
}

// credentialError is the API server's refusal of the gateway itself.
func credentialError(err error) *Error {
	return &Error{Blame: audit.BlameGateway, Status: http.StatusBadGateway, Reason: reasonCredential, Err: err,
		Say: "the API server does not accept the gateway's own credential; tell your administrator"}
}

// fail ends an exchange that went wrong: with a response if none has begun, else
// by cutting the connection where the client can tell that something is missing.
func (c *Conn) fail(ctx context.Context, err *Error) {
	err = overruled(ctx, err)
	c.x.err = err
	if c.x.answered || err.Status == 0 || err.Blame == audit.BlameClient {
		c.finish(err)
	}
	switch {
	case c.x.answered:
		c.cut()
	case err.Status != 0:
		c.refuse(err)
	}
}

// overruled returns the cause that ended everything from outside, from which all
// else follows, or err if there is none.
func overruled(ctx context.Context, err *Error) *Error {
	if cause := context.Cause(ctx); cause != nil {
		return &Error{Reason: endReason(cause), Err: cause}
	}
	return err
}

// refuseHead answers a request whose head could not be read.
func (c *Conn) refuseHead(err *Error) {
	c.x.begin(c, 0)
	c.x.err = err
	c.served++
	c.finish(err)
	if err.Status != 0 {
		c.refuse(err)
	}
	c.report()
	if c.x.complete {
		c.linger()
	}
}

// refuse writes an error response.
func (c *Conn) refuse(err *Error) {
	c.closing = c.last() || !c.x.up.done
	c.x.status, c.x.answered = err.Status, true
	text, headOnly := c.x.info.Discovery(), string(c.req.Method) == http.MethodHead
	if e := c.writeClient(appendRefusal(nil, err, text, c.closing, headOnly)); e != nil {
		c.finish(e)
		return
	}
	c.x.complete = true
}

// status is as much of metav1.Status as kubectl reads.
type status struct {
	Kind       string   `json:"kind"`
	APIVersion string   `json:"apiVersion"`
	Metadata   struct{} `json:"metadata"`
	Status     string   `json:"status"`
	Message    string   `json:"message"`
	Reason     string   `json:"reason"`
	Code       int      `json:"code"`
}

// appendRefusal appends a complete response. kubectl shows the message of a
// Status, except for discovery requests, of which it shows plain text only.
func appendRefusal(dst []byte, err *Error, text, closing, headOnly bool) []byte {
	message := "gateway: " + err.Say
	body, kind := []byte(message), "text/plain; charset=utf-8"
	if !text {
		kind = "application/json"
		body, _ = json.Marshal(status{ // can't fail: strings and a number
			Kind: "Status", APIVersion: "v1", Status: "Failure",
			Message: message, Reason: statusReason(err.Status), Code: err.Status,
		})
	}
	dst = append(dst, "HTTP/1.1 "...)
	dst = strconv.AppendInt(dst, int64(err.Status), 10)
	dst = append(dst, ' ')
	dst = append(dst, http.StatusText(err.Status)...)
	dst = append(dst, "\r\nContent-Type: "...)
	dst = append(dst, kind...)
	dst = append(dst, "\r\nContent-Length: "...)
	dst = strconv.AppendInt(dst, int64(len(body)), 10)
	if closing {
		dst = append(dst, "\r\nConnection: close"...)
	}
	dst = append(dst, "\r\n\r\n"...)
	if headOnly {
		return dst
	}
	return append(dst, body...)
}

// statusReason is the metav1.StatusReason that goes with a status code.
func statusReason(code int) string {
	switch code {
	case http.StatusBadRequest:
		return "BadRequest"
	case http.StatusUnauthorized:
		return "Unauthorized"
	case http.StatusForbidden:
		return "Forbidden"
	case http.StatusNotFound:
		return "NotFound"
	case http.StatusMethodNotAllowed:
		return "MethodNotAllowed"
	case http.StatusRequestEntityTooLarge:
		return "RequestEntityTooLarge"
	case http.StatusTooManyRequests:
		return "TooManyRequests"
	case http.StatusServiceUnavailable:
		return "ServiceUnavailable"
	case http.StatusGatewayTimeout, http.StatusRequestTimeout:
		return "Timeout"
	case http.StatusInternalServerError, http.StatusBadGateway:
		return "InternalError"
	}
	return "BadRequest"
}
