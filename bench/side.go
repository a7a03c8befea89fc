package main

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"text/template"
)

// side is one of the programs that are compared.
type side struct {
	name  string
	start func(l *lab, address string, w *work) (*process, error)
}

// sides are in the order of the table. Ratios are of the first to the others.
var sides = []side{
	{sideGateway, startGateway},
	{sideRelay, func(l *lab, address string, _ *work) (*process, error) { return startRelay(l, address, false) }},
	{sideBatching, func(l *lab, address string, _ *work) (*process, error) { return startRelay(l, address, true) }},
	{sideBaseline, startBaseline},
}

// The names of the sides, in results too.
const (
	sideGateway  = "gateway"
	sideRelay    = "relay"
	sideBatching = "batching"
	sideBaseline = "baseline"
)

// serve starts a side and waits until it serves.
func (l *lab) serve(ctx context.Context, s *side, w *work) (*server, error) {
	address, err := freeAddress()
	if err != nil {
		return nil, err
	}
	p, err := s.start(l, address, w)
	if err != nil {
		return nil, err
	}
	running := &server{process: p, side: s.name, address: address}
	if err := p.waitReady(ctx, l.gate(running).healthy); err != nil {
		return nil, errors.Join(err, p.stop())
	}
	return running, nil
}

func startBaseline(l *lab, address string, _ *work) (*process, error) {
	return startProcess(l.dir, sideBaseline, l.self, "baseline", "-listen", address,
		"-cert", l.front.cert, "-key", l.front.key, "-keys", l.keys,
		"-server", "https://"+l.upstream.address, "-authority", l.caFile, "-bearer", l.bearer)
}

func startRelay(l *lab, address string, batching bool) (*process, error) {
	name, args := sideRelay, []string{"relay", "-listen", address, "-cert", l.front.cert, "-key", l.front.key,
		"-upstream", l.open, "-authority", l.caFile}
	if batching {
		name, args = sideBatching, append(args, "-batching")
	}
	return startProcess(l.dir, name, l.self, args...)
}

var gatewayConfig = template.Must(template.New("gateway").Parse(`listen: {{printf "%q" .Address}}
tls:
  certificateFile: {{.Front.Cert}}
  privateKeyFile: {{.Front.Key}}
metrics:
  listen: {{printf "%q" .Metrics}}
authn:
  issuer: {{.Issuer}}
  audience: {{.Audience}}
  jwksFile: {{.Keys}}
clusters:
  - name: bench
    address: {{.Host}}
    server: https://{{.Upstream}}
    certificateAuthorityFile: {{.CAFile}}
    bearerTokenFile: {{.BearerFile}}
limits:
  connections: 32768
  connectionsPerSource: 0
  connectionsPerUser: 0
  unauthenticatedPerSource: 0
  requestRate: 0
  streamsPerUser: 0
  upstream: 32768
recordings:
{{- if .Recorded}}
  dir: {{.Recordings}}
  mode: strict
{{- else}}
  mode: "off"
{{- end}}
audit:
  output: stdout # which is a file
`))

// recordings is the folder that the gateway records to, when it does.
func (l *lab) recordings() string { return filepath.Join(l.dir, "recordings") }

func startGateway(l *lab, address string, w *work) (*process, error) {
	bearerFile := filepath.Join(l.dir, "bearer")
	if err := os.WriteFile(bearerFile, []byte(l.bearer), 0o600); err != nil {
		return nil, err
	}
	var err error
	if l.metrics, err = freeAddress(); err != nil {
		return nil, err
	}
	if err := os.RemoveAll(l.recordings()); err != nil { // of the sample before
		return nil, err
	}
	var text bytes.Buffer
	err = gatewayConfig.Execute(&text, map[string]any{
		"Address": address, "Metrics": l.metrics, "Front": map[string]string{"Cert": l.front.cert, "Key": l.front.key},
		"Issuer": issuerName, "Audience": audience, "Keys": l.keys,
		"Host": targetHost, "Upstream": l.upstream.address, "CAFile": l.caFile,
		"BearerFile": bearerFile, "Recorded": w.recorded, "Recordings": l.recordings(),
	})
	if err != nil {
		return nil, err
	}
	file := filepath.Join(l.dir, "gateway.yaml")
	if err := os.WriteFile(file, text.Bytes(), 0o600); err != nil {
		return nil, err
	}
	return startProcess(l.dir, sideGateway, l.binary, "serve", "--config", file)
}
