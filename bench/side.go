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
	start func(l *lab, address string) (*process, error)
}

// sides are in the order of the table; ratios are first to second.
var sides = [2]side{
	{"gateway", startGateway},
	{"baseline", startBaseline},
}

// serve starts a side and waits until it serves.
func (l *lab) serve(ctx context.Context, s *side) (*server, error) {
	address, err := freeAddress()
	if err != nil {
		return nil, err
	}
	p, err := s.start(l, address)
	if err != nil {
		return nil, err
	}
	running := &server{process: p, address: address}
	if err := p.waitReady(ctx, l.gate(running).healthy); err != nil {
		return nil, errors.Join(err, p.stop())
	}
	return running, nil
}

func startBaseline(l *lab, address string) (*process, error) {
	return startProcess(l.dir, "baseline", l.self, "baseline", "-listen", address,
		"-cert", l.front.cert, "-key", l.front.key, "-keys", l.keys,
		"-server", "https://"+l.upstream.address, "-authority", l.caFile, "-bearer", l.bearer)
}

var gatewayConfig = template.Must(template.New("gateway").Parse(`listen: {{printf "%q" .Address}}
tls:
  certificateFile: {{.Front.Cert}}
  privateKeyFile: {{.Front.Key}}
metrics:
  listen: ""
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
recordings:
  mode: "off"
audit:
  output: stdout # which is a file
`))

func startGateway(l *lab, address string) (*process, error) {
	bearerFile := filepath.Join(l.dir, "bearer")
	if err := os.WriteFile(bearerFile, []byte(l.bearer), 0o600); err != nil {
		return nil, err
	}
	var text bytes.Buffer
	err := gatewayConfig.Execute(&text, map[string]any{
		"Address": address, "Front": map[string]string{"Cert": l.front.cert, "Key": l.front.key},
		"Issuer": issuerName, "Audience": audience, "Keys": l.keys,
		"Host": targetHost, "Upstream": l.upstream.address, "CAFile": l.caFile,
		"BearerFile": bearerFile,
	})
	if err != nil {
		return nil, err
	}
	file := filepath.Join(l.dir, "gateway.yaml")
	if err := os.WriteFile(file, text.Bytes(), 0o600); err != nil {
		return nil, err
	}
	return startProcess(l.dir, "gateway", l.binary, "serve", "--config", file)
}
