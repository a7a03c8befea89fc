package doctor

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"time"
)

const maxAnswer = 1 << 20

// apiServer is the way to an API server: straight, with the gateway's credential, or through a gateway.
type apiServer struct {
	host string
	dial func(ctx context.Context) (net.Conn, error)
	// authorization is the value of the field; empty if there is another credential.
	authorization func() string
}

// answer is as much of one as steps look at.
type answer struct {
	status int
	header http.Header
	body   []byte
}

// message is the sentence of a metav1.Status, or the beginning of what was said in its place.
func (a *answer) message() string {
	var status struct{ Message string }
	if json.Unmarshal(a.body, &status) == nil && status.Message != "" {
		return status.Message
	}
	text := strings.TrimSpace(string(a.body))
	return fmt.Sprintf("%.160s", text)
}

// ask sends one request on a connection of its own.
func (s *apiServer) ask(ctx context.Context, r *http.Request, authorized bool) (*answer, error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	c, err := s.dial(ctx)
	if err != nil {
		return nil, err
	}
	defer c.Close()
	defer context.AfterFunc(ctx, func() { c.SetDeadline(time.Unix(1, 0)) })()
	if authorized && s.authorization != nil {
		if value := s.authorization(); value != "" {
			r.Header.Set("Authorization", value)
		}
	}
	r.Host = s.host
	r.Header.Set("User-Agent", "spliceway-doctor")
	if err := r.Write(c); err != nil {
		return nil, s.silent(err)
	}
	response, err := http.ReadResponse(bufio.NewReader(c), r)
	if err != nil {
		return nil, s.silent(err)
	}
	a := &answer{status: response.StatusCode, header: response.Header}
	if response.StatusCode != http.StatusSwitchingProtocols { // else what follows is no body
		defer response.Body.Close()
		a.body, _ = io.ReadAll(io.LimitReader(response.Body, maxAnswer)) // the status is enough
	}
	return a, nil
}

func (s *apiServer) silent(err error) error {
	return faultf("check what is behind this address, and its log", "%s does not answer a request: %v", s.host, err)
}

func request(method, path string, body any) *http.Request {
	var content io.Reader = http.NoBody
	if body != nil {
		encoded, err := json.Marshal(body)
		if err != nil {
			panic("doctor: internal error: " + err.Error()) // it is made of strings
		}
		content = bytes.NewReader(encoded)
	}
	r, err := http.NewRequest(method, "https://host"+path, content)
	if err != nil {
		panic("doctor: internal error: " + err.Error())
	}
	if body != nil {
		r.Header.Set("Content-Type", "application/json")
	}
	return r
}

type object map[string]any

// whoAmI asks the API server whom it takes the credential for.
func (s *apiServer) whoAmI(ctx context.Context) (string, error) {
	const api = "authentication.k8s.io/v1"
	a, err := s.ask(ctx, request(http.MethodPost, "/apis/"+api+"/selfsubjectreviews", object{"apiVersion": api, "kind": "SelfSubjectReview"}), true)
	if err != nil {
		return "", err
	}
	var review struct {
		Status struct {
			UserInfo struct{ Username string }
		}
	}
	switch {
	case a.status == http.StatusUnauthorized:
		return "", faultf("renew bearerTokenFile or the client certificate; compare the clocks, if it is new", "the API server does not accept the gateway's credential: %s", a.message())
	case a.status == http.StatusNotFound, a.status == http.StatusForbidden:
		return "is accepted", nil // before Kubernetes 1.28, or not allowed to ask
	case a.status != http.StatusCreated || json.Unmarshal(a.body, &review) != nil:
		return "", faultf("check that an API server is behind this address", "it answers %d to a question that API servers know: %s", a.status, a.message())
	}
	return "is that of " + review.Status.UserInfo.Username, nil
}

// mayImpersonate asks the API server whether the credential may act for a name; empty: for any.
func (s *apiServer) mayImpersonate(ctx context.Context, resource, name string) (bool, error) {
	const api = "authorization.k8s.io/v1"
	for _, attributes := range []object{
		{"verb": "impersonate", "resource": resource, "name": name},
		// Constrained impersonation, Kubernetes 1.36.
		{"verb": "impersonate:user-info", "group": "authentication.k8s.io", "resource": resource, "name": name},
	} {
		a, err := s.ask(ctx, request(http.MethodPost, "/apis/"+api+"/selfsubjectaccessreviews", object{
			"apiVersion": api, "kind": "SelfSubjectAccessReview", "spec": object{"resourceAttributes": attributes},
		}), true)
		if err != nil {
			return false, err
		}
		var review struct{ Status struct{ Allowed bool } }
		if a.status != http.StatusCreated || json.Unmarshal(a.body, &review) != nil {
			return false, faultf("allow the gateway's account to create selfsubjectaccessreviews, as system:basic-user does", "it answers %d when asked for the gateway's rights: %s", a.status, a.message())
		}
		if review.Status.Allowed {
			return true, nil
		}
	}
	return false, nil
}

// impersonation finds out whether users and groups may be impersonated: these, or any.
func (s *apiServer) impersonation(ctx context.Context, user string, groups []string) (string, error) {
	if len(groups) == 0 {
		groups = []string{""}
	}
	ask := func(resource, name string) error {
		allowed, err := s.mayImpersonate(ctx, resource, name)
		if err != nil || allowed {
			return err
		}
		what, more := resource, ""
		if name != "" {
			what = fmt.Sprintf("%s %q", strings.TrimSuffix(resource, "s"), name)
		} else {
			more = "; if its rights are limited to names, give --token-file, so that these are asked for"
		}
		return faultf("bind its account to a ClusterRole with the verb impersonate on users and groups"+more,
			"the gateway's account may not impersonate %s in this cluster", what)
	}
	if err := ask("users", user); err != nil {
		return "", err
	}
	for _, group := range groups {
		if err := ask("groups", group); err != nil {
			return "", err
		}
	}
	if user != "" {
		return "of " + user + " is allowed", nil
	}
	return "of users and groups is allowed", nil
}
