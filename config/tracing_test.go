package config

import (
	"errors"
	"testing"
)

func TestTracing(t *testing.T) {
	for _, row := range []struct {
		text     string
		endpoint string
		key      string // of the only problem; empty: there is none
	}{
		{"", "", ""},
		{"endpoint: ''", "", ""},
		{"ratio: 0.5", "", ""},
		{"endpoint: 'http://collector:4318'", "http://collector:4318/v1/traces", ""},
		{"endpoint: 'https://collector/otlp', ratio: 0, caFile: a, headersFile: b", "https://collector/otlp", ""},
		{"endpoint: 'http://127.0.0.1:4318', headersFile: b, ratio: 1.0", "http://127.0.0.1:4318/v1/traces", ""},
		{"endpoint: 'http://localhost:4318', headersFile: b, ratio: 1e-5", "http://localhost:4318/v1/traces", ""},
		{"endpoint: 'http://collector:4318', headersFile: b", "", "tracing.endpoint"},
		{"endpoint: 'http://collector:4318', caFile: a", "", "tracing.caFile"},
		{"endpoint: 'collector:4318'", "", "tracing.endpoint"},
		{"endpoint: 'https://a:b@collector'", "", "tracing.endpoint"},
		{"endpoint: 'https://collector?key=a'", "", "tracing.endpoint"},
		{"caFile: a", "", "tracing.caFile"},
		{"headersFile: a", "", "tracing.headersFile"},
		{"endpoint: 'https://collector', headersFile: '-----BEGIN'", "", "tracing.headersFile"},
		{"ratio: 1.01", "", "tracing.ratio"},
		{"ratio: -0.1", "", "tracing.ratio"},
		{"ratio: .nan", "", "tracing.ratio"},
		{"ratio: 0x1p-2", "", "tracing.ratio"},
		{"ratio: true", "", "tracing.ratio"},
		{"ratio: [1]", "", "tracing.ratio"},
		{"ratio: 10%", "", "tracing.ratio"},
	} {
		cfg, err := parse("test.yaml", "/etc/spliceway", []byte(minimal+"tracing: {"+row.text+"}\n"))
		var list *Error
		switch {
		case row.key == "" && (err != nil || cfg.Tracing.Endpoint != row.endpoint || cfg.Tracing.Enabled() != (row.endpoint != "")):
			t.Errorf("tracing: {%s}: %v, want the endpoint %s", row.text, err, row.endpoint)
		case row.key != "" && (!errors.As(err, &list) || len(list.Problems) != 1 || list.Problems[0].Key != row.key):
			t.Errorf("tracing: {%s}: %v, want a problem with %s", row.text, err, row.key)
		}
	}
}
