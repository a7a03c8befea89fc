package main

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/spliceway/spliceway/doctor"
)

func TestDoctor(t *testing.T) {
	file, _ := goodConfig(t)
	o := execute(t, "", "doctor", "--config", file)
	if o.code != exitRuntime || !strings.Contains(o.stdout, "ok          configuration") || !strings.Contains(o.stdout, "failed      signing keys") ||
		!strings.Contains(o.stdout, "-> check authn.jwksURL") || !strings.Contains(o.stdout, "not reached credential (prod)") {
		t.Errorf("doctor ends with %d and prints\n%s%s", o.code, o.stdout, o.stderr)
	}
	var steps []doctor.Step
	o = execute(t, "", "doctor", "--config", file, "--json")
	if err := json.Unmarshal([]byte(o.stdout), &steps); err != nil || o.code != exitRuntime || doctor.Cause(steps).Name != "signing keys" {
		t.Errorf("doctor --json ends with %d and prints %s, %v", o.code, o.stdout, err)
	}
	if text := succeed(t, "", "doctor", "--error", "the gateway refused the token (expired)"); !strings.HasPrefix(text, "the token has expired\n-> ") {
		t.Errorf("doctor --error prints %q", text)
	}
	if o := execute(t, "", "doctor", "--error", "something"); o.code != exitRuntime || !strings.Contains(o.stderr, "hint: give the whole line") {
		t.Errorf("doctor with an unknown error ends with %d and says %q", o.code, o.stderr)
	}
	for _, args := range [][]string{{"doctor"}, {"doctor", "--config", file, "--gateway", "gw.test"}} {
		if o := execute(t, "", args...); o.code != exitUsage {
			t.Errorf("%q ends with %d and says %q", args, o.code, o.stderr)
		}
	}
}
