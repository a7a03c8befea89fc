package stack

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"text/template"
	"time"

	"github.com/spliceway/spliceway/e2e/testcluster"
)

const (
	// TargetHost is what tokens and CONNECT requests call the test cluster.
	TargetHost = "kubernetes.spliceway.test"

	// Alias is a second name of it.
	Alias = "alias.spliceway.test"

	// ClusterName is what the gateway's configuration, and so its log, calls it.
	ClusterName = "testcluster"

	// Audience is the audience of all tokens.
	Audience = "e2e"
)

// User is a person that the issuer knows.
type User struct {
	Name     string
	Password string // with it the connect helper signs in
	Secret   string // instead of Password: a bearer secret, 32 octets or more
	Groups   []string
}

// Config says what to start.
type Config struct {
	Binary   string // spliceway
	Dir      string // for everything that is written; exists
	Server   string // URL of the API server
	CAFile   string // that signed the API server's certificate
	Token    string // file with the gateway's credential
	Users    []User // of the issuer
	Issuer   string // URL of another issuer in place of our own, which is then not started; with its CA file:
	IssuerCA string
	Options  string // further YAML for the gateway's configuration

	// Recordings is the value of the gateway's key recordings: a YAML flow mapping. Empty: nothing is recorded.
	Recordings string

	Disk *Disk // that the gateway sees; nil: none of its own
}

// ForCluster returns the part of a Config that a cluster decides.
func ForCluster(c *testcluster.Cluster) Config {
	return Config{Server: c.Server, CAFile: c.CAFile, Token: c.GatewayTokenFile}
}

// Stack is a gateway with its issuer.
type Stack struct {
	Config
	Gateway        *Process
	IssuerProcess  *Process   // nil with Config.Issuer
	Authority      *Authority // signed the certificates of gateway and issuer
	GatewayAddress string
	MetricsURL     string // without path
	AuditFile      string // JSON lines
	GatewayConfig  string // file

	helpers []*Helper
}

// Start starts an issuer and a gateway and waits until both are ready.
func Start(ctx context.Context, config Config) (s *Stack, err error) {
	s = &Stack{Config: config, AuditFile: filepath.Join(config.Dir, "audit.log")}
	defer func() {
		if err != nil {
			err = errors.Join(err, s.Stop())
		}
	}()
	if s.Authority, err = NewAuthority(s.Dir, "stack"); err != nil {
		return nil, err
	}
	if s.Issuer == "" {
		if err := s.startIssuer(ctx); err != nil {
			return nil, err
		}
	}
	return s, s.startGateway(ctx)
}

// Stop stops all processes, the helpers first. The files stay.
func (s *Stack) Stop() error {
	errs := []error{s.Disconnect()}
	for _, p := range []*Process{s.Gateway, s.IssuerProcess} {
		if p != nil {
			errs = append(errs, p.Stop())
		}
	}
	return errors.Join(errs...)
}

// Processes returns all processes that were started.
func (s *Stack) Processes() []*Process {
	var all []*Process
	for _, p := range []*Process{s.IssuerProcess, s.Gateway} {
		if p != nil {
			all = append(all, p)
		}
	}
	for _, h := range s.helpers {
		all = append(all, h.Process)
	}
	return all
}

var issuerConfig = template.Must(template.New("issuer").Parse(`issuer: {{.URL}}
audience: {{.Audience}}
listen: {{printf "%q" .Address}}
tls:
  certificateFile: {{.CertFile}}
  privateKeyFile: {{.KeyFile}}
dataDir: {{.DataDir}}
users:
{{- range .Users}}
  - name: {{.Name}}
    {{if .Password}}passwordHash: {{printf "%q" .Password}}{{else}}secretFile: {{.Secret}}{{end}}
    groups: [{{range $i, $g := .Groups}}{{if $i}}, {{end}}{{$g}}{{end}}]
    resources: ["*"]
{{- end}}
resources:
  - name: {{.Cluster}}
    address: {{.Host}}
    aliases: [{{.Alias}}]
`))

// startIssuer writes the issuer's files and starts it.
func (s *Stack) startIssuer(ctx context.Context) error {
	address, err := FreeAddress()
	if err != nil {
		return err
	}
	s.Issuer, s.IssuerCA = "https://"+address, s.Authority.File
	certFile, keyFile, err := s.Authority.Issue(s.Dir, "issuer", "127.0.0.1", "localhost")
	if err != nil {
		return err
	}
	users, err := s.issuerUsers()
	if err != nil {
		return err
	}
	file, err := s.writeConfig(issuerConfig, "issuer.yaml", map[string]any{
		"URL": s.Issuer, "Audience": Audience, "Address": address,
		"CertFile": certFile, "KeyFile": keyFile, "DataDir": filepath.Join(s.Dir, "issuer-data"),
		"Users": users, "Cluster": ClusterName, "Host": TargetHost, "Alias": Alias,
	})
	if err != nil {
		return err
	}
	if s.IssuerProcess, err = startProcess(s.Dir, "issuer", s.Binary, "issuer", "--config", file); err != nil {
		return err
	}
	client := &http.Client{
		Timeout:   time.Second,
		Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: s.Authority.Pool()}},
	}
	defer client.CloseIdleConnections()
	return s.IssuerProcess.waitReady(ctx, answersOK(client, s.Issuer+"/healthz"))
}

var gatewayConfig = template.Must(template.New("gateway").Parse(`listen: {{printf "%q" .Address}}
tls:
  certificateFile: {{.CertFile}}
  privateKeyFile: {{.KeyFile}}
metrics:
  listen: {{printf "%q" .Metrics}}
authn:
  issuer: {{.Issuer}}
  audience: {{.Audience}}
  jwksURL: {{.Issuer}}/keys
  jwksCAFile: {{.IssuerCA}}
clusters:
  - name: {{.Cluster}}
    address: {{.Host}}
    aliases: [{{.Alias}}]
    server: {{.Server}}
    certificateAuthorityFile: {{.CAFile}}
    bearerTokenFile: {{.Token}}
recordings: {{or .Recordings "{mode: 'off'}"}}
audit:
  output: {{.AuditFile}}
log:
  level: debug
  format: json
drain:
  timeout: 5s
{{.Options}}`))

// startGateway writes the gateway's files and starts it for the first time.
func (s *Stack) startGateway(ctx context.Context) error {
	address, err := FreeAddress()
	if err != nil {
		return err
	}
	metrics, err := FreeAddress()
	if err != nil {
		return err
	}
	s.GatewayAddress, s.MetricsURL = address, "http://"+metrics
	certFile, keyFile, err := s.Authority.Issue(s.Dir, "gateway", "127.0.0.1", "localhost", TargetHost, Alias)
	if err != nil {
		return err
	}
	s.GatewayConfig, err = s.writeConfig(gatewayConfig, "gateway.yaml", map[string]any{
		"Address": address, "Metrics": metrics, "CertFile": certFile, "KeyFile": keyFile,
		"Issuer": s.Issuer, "IssuerCA": s.IssuerCA, "Audience": Audience,
		"Cluster": ClusterName, "Host": TargetHost, "Alias": Alias,
		"Server": s.Server, "CAFile": s.CAFile, "Token": s.Token,
		"AuditFile": s.AuditFile, "Recordings": s.Recordings, "Options": s.Options,
	})
	if err != nil {
		return err
	}
	return s.RestartGateway(ctx)
}

// RestartGateway starts the gateway, whose process has ended or has not been
// started, with the configuration and at the addresses that it has, and waits
// until it is ready.
func (s *Stack) RestartGateway(ctx context.Context) (err error) {
	cmd := exec.Command(s.Binary, "serve", "--config", s.GatewayConfig)
	if s.Disk != nil {
		cmd = s.Disk.wrap(cmd)
	}
	if s.Gateway, err = startCommand(s.Dir, "gateway", cmd); err != nil {
		return err
	}
	return s.Gateway.waitReady(ctx, answersOK(http.DefaultClient, s.MetricsURL+"/healthz"))
}

// writeConfig fills a template into a file and returns its path.
func (s *Stack) writeConfig(t *template.Template, name string, values map[string]any) (string, error) {
	var text bytes.Buffer
	if err := t.Execute(&text, values); err != nil {
		return "", err
	}
	path := filepath.Join(s.Dir, name)
	return path, os.WriteFile(path, text.Bytes(), 0o600)
}

// answersOK reports whether a GET is answered with 200.
func answersOK(client *http.Client, url string) func(context.Context) error {
	return func(ctx context.Context) error {
		request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
		if err != nil {
			return err
		}
		response, err := client.Do(request)
		if err != nil {
			return err
		}
		response.Body.Close()
		if response.StatusCode != http.StatusOK {
			return fmt.Errorf("GET %s: %s", url, response.Status)
		}
		return nil
	}
}
