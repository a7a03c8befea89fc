package connect

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"
)

// ErrCredentials says that the issuer does not know the user, that the password or secret is wrong, or that there is none
// to be had.
var ErrCredentials = errors.New("connect: the issuer refused the credentials, or there are none")

const (
	// maxPhrase cuts the reason phrase; terminals and clients' line limits have room for it.
	maxPhrase = 400
	// answerTimeout is how long a client may take to accept the answer to its CONNECT.
	answerTimeout = 10 * time.Second
)

// refusal is why a client gets no tunnel.
type refusal struct {
	status int
	what   string // what happened, a constant; the message of the log line
	detail string // facts, fit for a client; may be empty
	hint   string // what to do about it; may be empty
	err    error  // the cause, for the log; may be nil
}

func (r *refusal) Error() string { return "connect: " + r.sentence() }

func (r *refusal) Unwrap() error { return r.err }

func (r *refusal) sentence() string {
	text := r.what
	if r.detail != "" {
		text += " (" + r.detail + ")"
	}
	if r.hint != "" {
		text += "; " + r.hint
	}
	return text
}

// asRefusal makes any error one that a client can be told.
func asRefusal(err error) *refusal {
	if r, ok := errors.AsType[*refusal](err); ok {
		return r
	}
	return &refusal{status: http.StatusBadGateway, what: "the tunnel could not be made", detail: err.Error(), err: err}
}

// answer writes the refusal as the answer to a CONNECT. The sentence is the reason phrase, because clients show
// nothing else (see the package comment); RFC 9112, Section 4, leaves its wording to the server.
func (r *refusal) answer(w io.Writer) error {
	phrase := printable("spliceway: "+r.sentence(), maxPhrase)
	var challenge string
	if r.status == http.StatusProxyAuthRequired {
		challenge = "Proxy-Authenticate: Basic realm=\"spliceway\"\r\n"
	}
	_, err := fmt.Fprintf(w, "HTTP/1.1 %d %s\r\n%sContent-Type: text/plain; charset=utf-8\r\nContent-Length: %d\r\n"+
		"Connection: close\r\n\r\n%s\n", r.status, phrase, challenge, len(phrase)+1, phrase)
	return err
}

// printable makes text fit for a reason phrase: visible ASCII and spaces, at most n octets. A line end in it would
// end the line, and what follows would become a field.
func printable(text string, n int) string {
	if len(text) > n {
		text = text[:n]
	}
	return strings.TrimSpace(strings.Map(func(r rune) rune {
		if r < ' ' || r > '~' {
			return ' '
		}
		return r
	}, text))
}
