package systemd

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// analyze runs systemd-analyze over copies of the units whose program exists.
func analyze(t *testing.T, args ...string) (string, error) {
	t.Helper()
	program, err := exec.LookPath("systemd-analyze")
	if err != nil {
		t.Skip("there is no systemd-analyze")
	}
	dir := t.TempDir()
	files, err := filepath.Glob("*.s[eo]*")
	if err != nil || len(files) < 4 {
		t.Fatalf("the units are %q, %v", files, err)
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		edited := strings.ReplaceAll(string(text), "/usr/bin/spliceway ", "/bin/true ")
		edited = strings.ReplaceAll(edited, "Documentation=man:", "#") // not installed
		if err := os.WriteFile(filepath.Join(dir, file), []byte(edited), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	cmd := exec.Command(program, args...)
	cmd.Dir = dir
	out, err := cmd.CombinedOutput()
	return string(out), err
}

func TestUnitsVerify(t *testing.T) {
	out, err := analyze(t, "verify", "./spliceway.service", "./spliceway.socket", "./spliceway-issuer.service", "./spliceway-connect.service")
	if err != nil {
		t.Errorf("systemd-analyze verify: %v", err)
	}
	for line := range strings.Lines(out) {
		if strings.Contains(line, "spliceway") {
			t.Errorf("systemd-analyze verify: %s", line)
		}
	}
}

// The exposure of those that run as services of the system is at most 1.5.
func TestUnitsExposure(t *testing.T) {
	for _, unit := range []string{"./spliceway.service", "./spliceway-issuer.service"} {
		if out, err := analyze(t, "security", "--no-pager", "--offline=true", "--threshold=15", unit); err != nil {
			t.Errorf("systemd-analyze security %s: %v\n%s", unit, err, out)
		}
	}
}

// What the services of the system give up, for versions of systemd that judge it
// otherwise as well.
func TestUnitsGiveUp(t *testing.T) {
	for _, unit := range []string{"spliceway.service", "spliceway-issuer.service"} {
		text, err := os.ReadFile(unit)
		if err != nil {
			t.Fatal(err)
		}
		for _, line := range []string{
			"CapabilityBoundingSet=", "AmbientCapabilities=", "NoNewPrivileges=yes", "MemoryDenyWriteExecute=yes",
			"PrivateDevices=yes", "PrivateTmp=yes", "PrivateUsers=yes", "ProtectHome=yes", "ProtectProc=invisible", "ProtectSystem=strict",
			"RestrictAddressFamilies=AF_INET AF_INET6 AF_UNIX", "RestrictNamespaces=yes", "RestrictSUIDSGID=yes",
			"SystemCallArchitectures=native", "SystemCallFilter=@system-service", "SystemCallFilter=~@privileged @resources", "UMask=0077",
		} {
			if !strings.Contains(string(text), "\n"+line+"\n") {
				t.Errorf("%s has no line %s", unit, line)
			}
		}
	}
}
