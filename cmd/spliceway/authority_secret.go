package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/spliceway/spliceway/cluster"
)

// kubernetesSecret is a Secret as the API server takes it, with a certificate.
type kubernetesSecret struct {
	APIVersion string            `json:"apiVersion"`
	Kind       string            `json:"kind"`
	Metadata   map[string]string `json:"metadata"`
	Type       string            `json:"type"`
	Data       map[string][]byte `json:"data"`
}

// createSecret creates a Secret of type kubernetes.io/tls, and reports false if there
// is one of that name.
func createSecret(ctx context.Context, c *cluster.Cluster, namespace, name string, data map[string][]byte) (made bool, err error) {
	const patience = 30 * time.Second
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	body, err := json.Marshal(kubernetesSecret{
		APIVersion: "v1", Kind: "Secret", Type: "kubernetes.io/tls", Data: data,
		Metadata: map[string]string{"name": name, "namespace": namespace},
	})
	if err != nil {
		return false, err
	}
	target := "https://" + string(c.Host()) + "/api/v1/namespaces/" + url.PathEscape(namespace) + "/secrets"
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, target, bytes.NewReader(body))
	if err != nil {
		return false, err
	}
	request.Header.Set("Content-Type", "application/json")
	field, value, _ := strings.Cut(strings.TrimSpace(string(c.Authorization())), ": ")
	request.Header.Set(field, value)
	transport := &http.Transport{
		DisableKeepAlives: true,
		DialTLSContext:    func(ctx context.Context, _, _ string) (net.Conn, error) { return c.Dial(ctx, nil) },
	}
	response, err := transport.RoundTrip(request)
	if err != nil {
		return false, err
	}
	defer response.Body.Close()
	switch response.StatusCode {
	case http.StatusCreated:
		return true, nil
	case http.StatusConflict:
		return false, nil
	}
	return false, fmt.Errorf("creating secret %s/%s: the API server answers %s%s", namespace, name, response.Status, reason(response.Body))
}

// reason is what the API server says of a failure.
func reason(body io.Reader) string {
	const longest = 64 << 10
	var status struct {
		Message string `json:"message"`
	}
	text, err := io.ReadAll(io.LimitReader(body, longest))
	if err != nil || json.Unmarshal(text, &status) != nil || status.Message == "" {
		return ""
	}
	return ": " + status.Message
}
