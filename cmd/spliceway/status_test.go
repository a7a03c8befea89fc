package main

import (
	"encoding/json"
	"path/filepath"
	"strings"
	"testing"

	"github.com/spliceway/spliceway/status"
)

func TestStatus(t *testing.T) {
	dir := t.TempDir()
	if o := execute(t, "", "status", "--socket", filepath.Join(dir, "none")); o.code != exitRuntime || !strings.Contains(o.stderr, "no gateway listens there") {
		t.Errorf("status without a gateway ends with %d and says %q", o.code, o.stderr)
	}
	file, dir := goodConfig(t)
	write(t, dir, "config.yaml", gatewayConfig+"admin: {socket: admin.sock}\n")
	startProcess(t, "serve", "--config", file).until("serving")
	socket := filepath.Join(dir, "admin.sock")
	if text := succeed(t, "", "status", "--socket", socket); !strings.Contains(text, "serving, version") || !strings.Contains(text, "cluster prod") {
		t.Errorf("status prints\n%s", text)
	}
	var report status.Report
	if text := succeed(t, "", "status", "--socket", socket, "--json"); json.Unmarshal([]byte(text), &report) != nil || len(report.Limits) < 8 {
		t.Errorf("status --json prints\n%s", text)
	}
}
