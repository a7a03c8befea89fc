package issuer

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"mime"
	"net/http"
	"time"

	"github.com/rs/zerolog"
)

const (
	// maxBody of POST /token: a P-521 key takes less than 400 octets.
	maxBody = 8 << 10
	// keysMaxAge is how long a cache may keep the public keys. A gateway that meets a new key id does not wait for it.
	keysMaxAge = "public, max-age=300"
	// maxLogged cuts what a caller has sent before it reaches the log.
	maxLogged = 128
)

// handler serves the endpoints.
type handler struct {
	directory func() *directory
	keyring   func() *keyring
	auth      *authenticator
	log       zerolog.Logger
}

func (h *handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	methods, serve := h.route(r.URL.Path)
	var err error
	switch {
	case serve == nil:
		err = refuse(http.StatusNotFound, "there is no such endpoint")
	case r.Method != methods[0] && (len(methods) == 1 || r.Method != methods[1]):
		w.Header().Set("Allow", methods[0])
		err = refuse(http.StatusMethodNotAllowed, "the endpoint wants "+methods[0])
	default:
		err = serve(w, r)
	}
	if err != nil {
		h.refused(w, r, asRefusal(err))
	}
}

func (h *handler) route(path string) (methods []string, serve func(http.ResponseWriter, *http.Request) error) {
	read := []string{http.MethodGet, http.MethodHead}
	switch path {
	case PathKeys:
		return read, h.keys
	case PathResources:
		return read, h.resources
	case PathToken:
		return []string{http.MethodPost}, h.token
	case PathHealth:
		return read, h.health
	}
	return nil, nil
}

func (h *handler) refused(w http.ResponseWriter, r *http.Request, refusal *refusal) {
	event := h.log.Warn()
	if refusal.status >= 500 {
		event = h.log.Error().AnErr("error", refusal.cause)
	}
	if refusal.user != "" {
		event = event.Str("user", cut(refusal.user))
	}
	event.Str("remote_addr", r.RemoteAddr).Str("method", cut(r.Method)).Str("path", cut(r.URL.Path)).
		Int("status", refusal.status).Str("reason", refusal.sentence).Msg("request refused")
	refusal.write(w)
}

func (h *handler) health(w http.ResponseWriter, _ *http.Request) error {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.Header().Set("Cache-Control", "no-store")
	io.WriteString(w, "ok\n")
	return nil
}

func (h *handler) keys(w http.ResponseWriter, r *http.Request) error {
	ring := h.keyring()
	w.Header().Set("Content-Type", "application/jwk-set+json") // RFC 7517, Section 8.5.2
	w.Header().Set("Cache-Control", keysMaxAge)
	w.Header().Set("ETag", ring.etag)
	// ServeContent answers If-None-Match.
	http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(ring.jwks))
	return nil
}

func (h *handler) resources(w http.ResponseWriter, r *http.Request) error {
	s, err := h.auth.authenticate(r, h.directory())
	if err != nil {
		return err
	}
	list := ResourceList{Resources: []ResourceInfo{}} // never null
	for _, r := range s.resources {
		list.Resources = append(list.Resources, ResourceInfo{
			Name: r.Name, Address: r.Address, Aliases: r.Aliases, Port: r.Port, Type: r.Type,
		})
	}
	writeJSON(w, http.StatusOK, list)
	return nil
}

func (h *handler) token(w http.ResponseWriter, r *http.Request) error {
	dir := h.directory()
	// The body is bounded before it is read, and read only for those who have signed in.
	s, err := h.auth.authenticate(r, dir)
	if err != nil {
		return err
	}
	request, err := readTokenRequest(w, r)
	if err != nil {
		return withUser(err, s)
	}
	resource := s.resource(request.Resource)
	if resource == nil {
		// The same for a resource of others and for none: what exists is not everybody's business.
		return withUser(refuse(http.StatusForbidden, "there is no such resource, or it is not yours to reach"), s)
	}
	signer := h.keyring().signer()
	answer, err := mint(dir.config, signer, s, resource, request.PublicKey, h.auth.now())
	if err != nil {
		return withUser(err, s)
	}
	h.log.Info().Str("user", s.label()).Str("resource", resource.Name).Str("kid", signer.kid).
		Time("expires_at", answer.ExpiresAt).Str("remote_addr", r.RemoteAddr).Msg("token minted")
	writeJSON(w, http.StatusOK, answer)
	return nil
}

func withUser(err error, s *subject) error {
	r := asRefusal(err)
	r.user = s.label()
	return r
}

// readTokenRequest takes one JSON object with the known members and nothing behind it.
func readTokenRequest(w http.ResponseWriter, r *http.Request) (*TokenRequest, error) {
	// A page in a browser can send a body of another type across origins without asking first.
	media, _, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if err != nil || media != "application/json" {
		return nil, refuse(http.StatusUnsupportedMediaType, "the body is not application/json")
	}
	dec := json.NewDecoder(http.MaxBytesReader(w, r.Body, maxBody))
	dec.DisallowUnknownFields()
	var request TokenRequest
	err = dec.Decode(&request)
	if err == nil {
		if _, more := dec.Token(); more != io.EOF {
			err = errors.Join(errors.New("octets behind the JSON object"), more)
		}
	}
	switch {
	case isTooLarge(err):
		return nil, refuse(http.StatusRequestEntityTooLarge, "the body is too large")
	case err != nil:
		return nil, &refusal{
			status:   http.StatusBadRequest,
			sentence: "the body is not a token request with a public key on P-256, P-384 or P-521",
			cause:    err,
		}
	case request.PublicKey.PublicKey == nil || request.Resource == "":
		return nil, refuse(http.StatusBadRequest, "the token request lacks publicKey or resource")
	}
	return &request, nil
}

func isTooLarge(err error) bool {
	_, is := errors.AsType[*http.MaxBytesError](err)
	return is
}

func cut(text string) string {
	if len(text) > maxLogged {
		return text[:maxLogged] + "…"
	}
	return text
}
