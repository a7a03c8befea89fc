package config

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/spliceway/spliceway/trace"
)

// Tracing is where traces of requests are sent.
type Tracing struct {
	Endpoint    string `yaml:"endpoint"`    // of OTLP over HTTP; empty: nowhere, and requests are not traced
	Ratio       Ratio  `yaml:"ratio"`       // of those without a parent
	CAFile      string `yaml:"caFile"`      // empty: the system's authorities
	HeadersFile string `yaml:"headersFile"` // empty: none
}

// Enabled reports whether requests are traced.
func (t *Tracing) Enabled() bool { return t.Endpoint != "" }

// Tracer returns the settings for trace.New, without what is of the process.
func (t *Tracing) Tracer() trace.Config {
	return trace.Config{Endpoint: t.Endpoint, CAFile: t.CAFile, HeadersFile: t.HeadersFile, Ratio: float64(t.Ratio)}
}

// Ratio is a part of all, from 0 to 1.
type Ratio float64

// String returns the ratio without zeros that say nothing.
func (r Ratio) String() string { return strconv.FormatFloat(float64(r), 'f', -1, 64) }

// scalarRatio does not ask for the kind: the YAML library takes 1e-5 for a text.
func scalarRatio(text, _ string) (any, error) {
	n, err := strconv.ParseFloat(text, 64)
	if err != nil || !(n >= 0 && n <= 1) || strings.Trim(text, "0123456789.e+-") != "" {
		return nil, fmt.Errorf("%s is not a number from 0 to 1, as 0.05", quoted(text))
	}
	return Ratio(n), nil
}

// tracing also completes the endpoint.
func (v *validator) tracing() {
	t := &v.cfg.Tracing
	v.file("tracing.caFile", &t.CAFile)
	v.file("tracing.headersFile", &t.HeadersFile)
	if !t.Enabled() {
		for key, name := range map[string]string{"tracing.caFile": t.CAFile, "tracing.headersFile": t.HeadersFile} {
			if name != "" && !v.unknown("tracing.endpoint") {
				v.problem(key, "is for tracing.endpoint, which is not set")
			}
		}
		return
	}
	const key = "tracing.endpoint"
	u, err := trace.ParseEndpoint(t.Endpoint)
	switch {
	case err != nil:
		v.problem(key, "%v", err)
		return
	case u.Scheme != "https" && t.CAFile != "":
		v.problem("tracing.caFile", "is for an endpoint that begins with https://")
	case t.HeadersFile != "" && !trace.Private(u):
		v.problem(key, "must begin with https://, or anybody on the way could read the headers of headersFile")
	}
	t.Endpoint = u.String()
}

// tracing checks the files that are needed to send traces.
func (f *fileChecker) tracing(t *Tracing) {
	if t.Enabled() {
		_, err := trace.New(t.Tracer())
		f.problem("tracing", err)
	}
}
