package connect

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/spliceway/spliceway/authn"
	"github.com/spliceway/spliceway/issuer"
)

const (
	// issuerTimeout bounds one request to the issuer, which checks a slow password hash.
	issuerTimeout = 15 * time.Second
	// maxIssuerAnswer bounds an answer: thousands of resources.
	maxIssuerAnswer = 1 << 20
	// maxDetail cuts what a server says before it is shown.
	maxDetail = 200
)

// issuerClient speaks the protocol of package issuer. Safe for concurrent use.
type issuerClient struct {
	root        string // without a slash at its end
	host        string // for messages
	credentials *credentialSource
	http        *http.Client
}

func newIssuerClient(options IssuerOptions) (*issuerClient, error) {
	u, err := url.Parse(options.URL)
	if err != nil || u.Scheme != "https" || u.Host == "" || u.User != nil || u.RawQuery != "" || u.Fragment != "" {
		return nil, errors.New("connect: the issuer's address is not an https URL of a host and a path")
	}
	credentials, err := newCredentialSource(options.Credentials)
	if err != nil {
		return nil, err
	}
	roots, err := loadRoots(options.CAFile)
	if err != nil {
		return nil, fmt.Errorf("connect: issuer's certificate authority: %w", err)
	}
	transport := &http.Transport{
		Proxy:           http.ProxyFromEnvironment,
		TLSClientConfig: &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12},
		MaxIdleConns:    2,
		IdleConnTimeout: time.Minute,
	}
	return &issuerClient{
		root:        strings.TrimSuffix(u.String(), "/"),
		host:        u.Host,
		credentials: credentials,
		http: &http.Client{
			Transport: transport,
			Timeout:   issuerTimeout,
			// A redirect would take the credentials to a place that nobody has configured.
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		},
	}, nil
}

func (c *issuerClient) close() { c.http.CloseIdleConnections() }

// resources asks what the user may reach.
func (c *issuerClient) resources(ctx context.Context) ([]issuer.ResourceInfo, error) {
	var list issuer.ResourceList
	if err := c.exchange(ctx, http.MethodGet, issuer.PathResources, nil, &list); err != nil {
		return nil, err
	}
	return list.Resources, nil
}

// token asks for a token that is bound to key and opens the named resource.
func (c *issuerClient) token(ctx context.Context, key *ecdsa.PublicKey, resource string) (held[string], error) {
	request := issuer.TokenRequest{PublicKey: authn.PublicKey{PublicKey: key}, Resource: resource}
	var answer issuer.TokenAnswer
	if err := c.exchange(ctx, http.MethodPost, issuer.PathToken, request, &answer); err != nil {
		return held[string]{}, err
	}
	if answer.Token == "" || strings.ContainsFunc(answer.Token, func(r rune) bool { return r <= ' ' || r > '~' }) {
		// It becomes part of a head.
		return held[string]{}, c.fault(http.StatusBadGateway, "the answer holds no token", nil)
	}
	return held[string]{value: answer.Token, fetched: time.Now(), renewAt: answer.RenewAt, expires: answer.ExpiresAt}, nil
}

func (c *issuerClient) exchange(ctx context.Context, method, path string, body, answer any) error {
	var encoded []byte
	if body != nil {
		var err error
		if encoded, err = json.Marshal(body); err != nil {
			return fmt.Errorf("connect: encoding the request to the issuer: %w", err)
		}
	}
	r, err := http.NewRequestWithContext(ctx, method, c.root+path, bytes.NewReader(encoded))
	if err != nil {
		return fmt.Errorf("connect: asking the issuer: %w", err)
	}
	if err := c.credentials.authorize(r); err != nil {
		return &refusal{status: http.StatusBadGateway, what: "there are no credentials for the issuer", detail: err.Error(), err: ErrCredentials}
	}
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("Accept", "application/json")
	response, err := c.http.Do(r)
	if err != nil {
		return c.unreachable(err)
	}
	defer response.Body.Close()
	data, err := io.ReadAll(io.LimitReader(response.Body, maxIssuerAnswer))
	if err != nil {
		return c.unreachable(err)
	}
	if response.StatusCode != http.StatusOK {
		return c.refused(response, data)
	}
	if err := json.Unmarshal(data, answer); err != nil {
		return c.fault(http.StatusBadGateway, "the answer is not what an issuer sends", err)
	}
	return nil
}

func (c *issuerClient) unreachable(err error) *refusal {
	// The URL in front of every error of net/http says nothing that the hint does not say.
	if wrapped, ok := errors.AsType[*url.Error](err); ok {
		err = wrapped.Err
	}
	r := &refusal{
		status: http.StatusBadGateway,
		what:   "the issuer cannot be reached",
		detail: err.Error(),
		hint:   "check the network and the issuer's address " + c.host,
		err:    err,
	}
	if errors.Is(err, context.DeadlineExceeded) {
		r.status = http.StatusGatewayTimeout
		r.detail = fmt.Sprintf("no answer in %v", issuerTimeout)
	}
	if isUntrusted(err) {
		r.what = "the issuer's certificate is not trusted"
		r.hint = "check the issuer's address " + c.host + " and its certificate authority file"
	}
	return r
}

// refused makes the issuer's own sentence part of ours.
func (c *issuerClient) refused(response *http.Response, data []byte) *refusal {
	var said issuer.ErrorAnswer
	if media, _, err := mime.ParseMediaType(response.Header.Get("Content-Type")); err == nil && media == "application/json" {
		_ = json.Unmarshal(data, &said) // what cannot be read is replaced by the status
	}
	detail := said.Error
	if detail == "" {
		detail = response.Status
	}
	r := c.fault(http.StatusForbidden, printable(detail, maxDetail), nil)
	r.what = "the issuer refused"
	switch {
	case response.StatusCode == http.StatusUnauthorized:
		r.err = ErrCredentials
		r.hint = "check the user name and the password or secret"
	case response.StatusCode == http.StatusForbidden:
		r.hint = "ask the administrator for access"
	case response.StatusCode == http.StatusTooManyRequests:
		r.status = http.StatusServiceUnavailable
	case response.StatusCode >= 500:
		r.status = http.StatusBadGateway
		r.hint = "try again, or tell the administrator"
	default:
		r.hint = "check the issuer's address " + c.host
	}
	return r
}

func (c *issuerClient) fault(status int, detail string, err error) *refusal {
	return &refusal{
		status: status,
		what:   "the issuer's answer is of no use",
		detail: detail,
		hint:   "check the issuer's address " + c.host,
		err:    err,
	}
}

// isUntrusted tells a certificate that does not verify from a network that does not work.
func isUntrusted(err error) bool {
	_, is := errors.AsType[*tls.CertificateVerificationError](err)
	if !is {
		_, is = errors.AsType[x509.HostnameError](err)
	}
	return is
}

// Resources asks the issuer what the user may reach.
func Resources(ctx context.Context, options IssuerOptions) ([]issuer.ResourceInfo, error) {
	client, err := newIssuerClient(options)
	if err != nil {
		return nil, err
	}
	defer client.close()
	return client.resources(ctx)
}
