package config

import (
	"bytes"
	"fmt"
	"time"

	"github.com/goccy/go-yaml"
)

// Effective returns the configuration that is in force, as YAML: defaults
// included, file names absolute. Loading it gives the same configuration.
func (c *Config) Effective() ([]byte, error) {
	var b bytes.Buffer
	encoder := yaml.NewEncoder(&b,
		yaml.IndentSequence(true),
		yaml.CustomMarshaler(func(d time.Duration) ([]byte, error) { return []byte(durationText(d)), nil }),
		yaml.CustomMarshaler(func(s Sync) ([]byte, error) { return []byte(s.String()), nil }),
		yaml.CustomMarshaler(func(r Ratio) ([]byte, error) { return []byte(r.String()), nil }),
		yaml.CustomMarshaler(func(s Size) ([]byte, error) { return []byte(s.String()), nil }),
	)
	if err := encoder.Encode(c); err != nil {
		return nil, fmt.Errorf("config: %w", err)
	}
	return b.Bytes(), nil
}

// durationText returns a duration without the units that are zero: 2m, not 2m0s.
func durationText(d time.Duration) string {
	s := d.String()
	if d >= time.Minute && d%time.Minute == 0 {
		s = s[:len(s)-len("0s")]
	}
	if d >= time.Hour && d%time.Hour == 0 {
		s = s[:len(s)-len("0m")]
	}
	return s
}
