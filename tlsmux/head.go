package tlsmux

import (
	"bytes"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"

	"github.com/spliceway/spliceway/httpparse"
)

// headBuffer is enough for a CONNECT with a usual token; the buffer grows up
// to the limits and lives no longer than the phase.
const headBuffer = 4 << 10

// headStep is after how many octets without a line end a head is looked at.
const headStep = 1 << 10

// readHead reads one request head. The octets that came behind it are
// returned as a copy of their own, because they live longer than the head.
func readHead(conn io.Reader, limits *httpparse.Limits, req *httpparse.Request) (ahead []byte, err error) {
	buf := make([]byte, 0, headBuffer)
	for next := 1; ; {
		buf = slices.Grow(buf, 1)
		n, err := conn.Read(buf[len(buf):cap(buf)])
		fresh := buf[len(buf) : len(buf)+n]
		buf = buf[:len(buf)+n]
		// Parsing starts from the front each time. To do so for every octet
		// of a client that sends them singly would be quadratic; a head that
		// was not complete can be complete only after another line end. The
		// first octets and every so many are looked at in any case, so that
		// other protocols and endless lines are refused without delay.
		if n > 0 && (len(buf) >= next || bytes.IndexByte(fresh, '\n') >= 0) {
			next = len(buf) + headStep
			end, parseErr := httpparse.ParseConnect(buf, limits, req)
			switch {
			case parseErr == nil && end == len(buf):
				return nil, nil // an empty slice of buf would keep it alive
			case parseErr == nil:
				return slices.Clone(buf[end:]), nil
			case !errors.Is(parseErr, httpparse.ErrNeedMore):
				return nil, parseErr
			}
		}
		if err == io.EOF && len(buf) > 0 {
			err = io.ErrUnexpectedEOF
		}
		if err != nil {
			return nil, err
		}
	}
}

// errHealthz is the outcome of a GET /healthz; it is no failure.
var errHealthz = errors.New("tlsmux: health check")

// checkHead is steps 2 to 4 of the handshake. It returns what the hook needs,
// with nothing in it that aliases the head. That a CONNECT has no content and
// each of its fields only once, so that no other parser can see another
// tunnel or token, ParseConnect has seen to.
func checkHead(req *httpparse.Request, a *Attempt, outer *tls.ConnectionState) (*Connect, error) {
	if string(req.Method) == http.MethodGet && isHealthz(req.Target) {
		return nil, errHealthz
	}
	if string(req.Method) != http.MethodConnect {
		return nil, &Refusal{Status: http.StatusMethodNotAllowed, Reason: "only CONNECT is served here"}
	}
	a.Target = string(req.Target)
	a.ClientID = printable(req.Header.Get("X-Connection-Id"))
	token, ok := bearerToken(string(req.Header.Get("Proxy-Authorization")))
	if !ok {
		return nil, &Refusal{Status: http.StatusProxyAuthRequired, Reason: "a bearer token is required in Proxy-Authorization"}
	}
	return &Connect{
		Attempt:              a,
		Token:                token,
		Signature:            string(req.Header.Get("X-Token-Signature")),
		ExportKeyingMaterial: outer.ExportKeyingMaterial,
	}, nil
}

// isHealthz tells whether a request target is that path with any query.
func isHealthz(target []byte) bool {
	path, _, _ := bytes.Cut(target, []byte("?"))
	return string(path) == "/healthz"
}

// bearerToken takes the token from credentials, which must be two words with
// one space between, the first of them "bearer" in any case.
func bearerToken(credentials string) (token string, ok bool) {
	scheme, token, _ := strings.Cut(credentials, " ")
	if !strings.EqualFold(scheme, "bearer") || token == "" || strings.ContainsAny(token, " \t") {
		return "", false
	}
	return token, true
}

// hostOf returns the host of host:port in the form of normalName.
func hostOf(target string) string {
	host, _, err := net.SplitHostPort(target)
	if err != nil {
		return ""
	}
	return normalName(host)
}
