package gateway

import (
	"net/http"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
)

const noFiles = "SPLICEWAY_TEST_NO_FILES"

// A gateway that has no file descriptors left says so, and does not blame the API
// server. It finds out by itself when it has some again.
func TestFilesExhausted(t *testing.T) {
	if os.Getenv(noFiles) == "" { // a process of its own: the limit is for all that runs in it
		c := exec.Command(os.Args[0], "-test.run=^TestFilesExhausted$", "-test.v")
		c.Env = append(os.Environ(), noFiles+"=1")
		if out, err := c.CombinedOutput(); err != nil {
			t.Errorf("the process: %v\n%s", err, out)
		}
		return
	}
	b := start(t, nil)
	n := b.open()
	n.mustAsk("/api")
	pool := b.gateway.current.Load().backends["prod"].pool
	b.until("the connection is back in the pool", func() bool { return pool.Stats().Idle == 1 })
	pool.CloseIdle()

	giveBack := takeFiles(t)
	wantStatus(t, n.ask("/api/v1/pods"), http.StatusServiceUnavailable, "the gateway has too many connections open; tell your administrator")
	problems := strings.Join(b.gateway.problems(), "\n")
	reachable := gauge(b, "spliceway_upstream_reachable")
	giveBack()

	if !strings.Contains(problems, "the gateway can't open connections: ") || !strings.Contains(problems, "raise its limit of open files") ||
		strings.Contains(problems, "can be reached") {
		t.Errorf("it is not ready because of %q", problems)
	}
	if reachable != 1 {
		t.Errorf("spliceway_upstream_reachable = %v, want 1: nothing is known against the API server", reachable)
	}
	b.log.one(t, "message", "the gateway can't open connections to the API server", "level", "error")
	b.log.one(t, "message", "the gateway can open connections to the API server again")
	if blamed := b.log.find(where("message", "API server is not reachable")); len(blamed) > 0 {
		t.Errorf("the log blames the API server: %v", blamed)
	}
	wantFields(t, b.audit.one(t, "event", "request", "path", "/api/v1/pods"), "blame", "gateway", "reason", "gateway-exhausted")
	if status, body := b.get("/readyz"); status != http.StatusOK {
		t.Errorf("GET /readyz = %d %q, want 200", status, body)
	}
	if b.metric(`upstream_dials_total{cluster="prod",result="exhausted"}`) == 0 {
		t.Error("no dial is counted as exhausted")
	}
	b.wantMetric(`refusals_total{reason="gateway-exhausted"}`, 1)
	n.mustAsk("/api")
}

// takeFiles leaves the process no descriptor that it does not have, until giveBack.
func takeFiles(t *testing.T) (giveBack func()) {
	t.Helper()
	var before syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &before); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Setrlimit(syscall.RLIMIT_NOFILE, &syscall.Rlimit{Cur: 0, Max: before.Max}); err != nil {
		t.Fatal(err)
	}
	return func() {
		if err := syscall.Setrlimit(syscall.RLIMIT_NOFILE, &before); err != nil {
			t.Fatal(err)
		}
	}
}

// gauge reads a metric without a connection. What can't be read without files is
// left out.
func gauge(b *bed, name string) float64 {
	families, _ := b.gateway.metrics.Registry().Gather()
	for _, f := range families {
		if f.GetName() == name {
			return f.GetMetric()[0].GetGauge().GetValue()
		}
	}
	b.t.Errorf("there is no metric %s", name)
	return 0
}
