package connect

import (
	"bytes"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rs/zerolog"
)

func TestRepeatedRefusalIsAnErrorOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log bytes.Buffer
		r := &reporter{log: zerolog.New(&log)}
		steps := []struct {
			target, what string
			after        time.Duration
			want         string
		}{
			{"a:443", "down", 0, "error"},
			{"a:443", "down", time.Second, "debug"},
			{"b:443", "down", 0, "error"},
			{"b:443", "refused", 0, "error"},
			{"b:443", "refused", repeatAfter - time.Second, "debug"},
			{"b:443", "refused", time.Second, "error"},
		}
		for i, step := range steps {
			time.Sleep(step.after)
			log.Reset()
			r.report(&refusal{status: 502, what: step.what, hint: "check it"}, step.target)
			for _, want := range []string{`"level":"` + step.want + `"`, step.target, step.what, "check it"} {
				if !strings.Contains(log.String(), want) {
					t.Errorf("step %d: %s, want %q in it", i, &log, want)
				}
			}
		}
	})
}

// TestReporterHonoursLevel has a log without debug lines: a repetition is not to be seen there.
func TestReporterHonoursLevel(t *testing.T) {
	var log bytes.Buffer
	r := &reporter{log: zerolog.New(&log).Level(zerolog.InfoLevel)}
	for range 3 {
		r.report(&refusal{status: 502, what: "down"}, "a:443")
	}
	if got := strings.Count(log.String(), "down"); got != 1 {
		t.Errorf("%d lines, want 1:\n%s", got, &log)
	}
}
