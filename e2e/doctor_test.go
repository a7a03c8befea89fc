package e2e

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// TestDoctor walks a way that works from both sides, so that what a real API server answers is not taken for a fault.
func TestDoctor(t *testing.T) {
	t.Parallel()
	if direct() {
		t.Skip("there is no gateway")
	}
	s := sharedStack(t)
	password := filepath.Join(t.TempDir(), "password")
	if err := os.WriteFile(password, []byte(ann.Password+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, row := range []struct {
		name string
		args []string
		want []string
	}{
		{"server", []string{"--config", s.GatewayConfig}, []string{"impersonation", "upgrade to WebSocket", "upgrade to SPDY", "recordings"}},
		{"client", []string{"--gateway", s.GatewayAddress, "--gateway-ca", s.Authority.File, "--issuer", s.Issuer, "--issuer-ca", s.IssuerCA,
			"--user", ann.Name, "--password-file", password}, []string{"proof and target", "cluster TLS", "API server", "takes you for " + ann.Name, "upgrade to SPDY"}},
	} {
		t.Run(row.name, func(t *testing.T) {
			out, err := exec.CommandContext(t.Context(), run.binary, append([]string{"doctor"}, row.args...)...).CombinedOutput()
			if err != nil || strings.Contains(string(out), "failed") {
				t.Fatalf("spliceway doctor: %v\n%s", err, out)
			}
			for _, want := range row.want {
				if !strings.Contains(string(out), want) {
					t.Errorf("doctor says nothing of %q:\n%s", want, out)
				}
			}
			t.Logf("\n%s", out)
		})
	}
}
