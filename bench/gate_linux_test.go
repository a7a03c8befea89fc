package main

import (
	"bufio"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"os"
	"strconv"
	"strings"
	"testing"
)

// What a busy machine does not change: what the gateway asks of the system and of
// its heap for a request, how often it dials, and what an idle tunnel holds. Limits
// are some way above what was measured, so that only a change of kind reaches them.
const (
	gateTunnels  = 4
	gateRequests = 3000

	mostReads  = 6.0  // system calls for a request; 3.9 measured
	mostWrites = 3.0  // 2.04 measured: one each way, and the audit lines of many requests
	mostAllocs = 5.0  // heap objects; 3.03 measured, one for each read in crypto/tls: 4 where octets come late
	mostDials  = 0.01 // upstream connections; 0 measured
	mostMemory = 96   // KiB for an idle watch; 57 measured, of few

	leastSlack = 100_000 // ns that each thread's sleep may be longer; what the kernel gives by itself is 50,000
)

func TestGatewayStaysCheap(t *testing.T) {
	if testing.Short() {
		t.Skip("builds and starts the gateway")
	}
	p := startPath(t)
	running := startGatewayFor(t, p)
	ctx := t.Context()
	tunnels, err := p.lab.gate(running).openAll(ctx, gateTunnels, (*tunnel).get)
	defer closeAll(tunnels)
	if err != nil {
		t.Fatal(err)
	}
	if err := closedLoop(ctx, tunnels, warmUp); err != nil {
		t.Fatal(err)
	}
	scrape := heapObjects(t, p.lab)
	before := heapObjects(t, p.lab)
	scrape = before - scrape // what looking costs
	dials, reads, writes := p.upstream.accepted.Load(), calls(t, running, "syscr"), calls(t, running, "syscw")
	if err := closedLoop(ctx, tunnels, gateRequests); err != nil {
		t.Fatal(err)
	}
	wantLess(t, "read calls", float64(calls(t, running, "syscr")-reads)/gateRequests, mostReads)
	wantLess(t, "write calls", float64(calls(t, running, "syscw")-writes)/gateRequests, mostWrites)
	wantLess(t, "upstream connections", float64(p.upstream.accepted.Load()-dials)/gateRequests, mostDials)
	wantLess(t, "heap objects", (heapObjects(t, p.lab)-before-scrape)/gateRequests, mostAllocs)
	wantSlack(t, running)
}

func TestGatewayIdleTunnelStaysSmall(t *testing.T) {
	if testing.Short() {
		t.Skip("builds and starts the gateway")
	}
	p := startPath(t)
	kib, err := watchMemory(t.Context(), p.lab, startGatewayFor(t, p), 128)
	if err != nil {
		t.Fatal(err)
	}
	wantLess(t, "KiB of an idle tunnel", kib, mostMemory)
}

// startGatewayFor builds the gateway and starts it before the path's upstream.
func startGatewayFor(t *testing.T, p *path) *server {
	t.Helper()
	ctx := testContext(t)
	var err error
	if p.lab.module, err = findModule(ctx); err != nil {
		t.Fatal(err)
	}
	if err := p.lab.build(t.Context()); err != nil {
		t.Fatal(err)
	}
	running, err := p.lab.serve(t.Context(), &sides[0], &work{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := running.stop(); err != nil {
			t.Error(err)
		}
	})
	return running
}

func wantLess(t *testing.T, what string, got, most float64) {
	t.Helper()
	t.Logf("%s: %.2f, at most %g", what, got, most)
	if got > most {
		t.Errorf("%s for a request: %.2f, want at most %g", what, got, most)
	}
}

// wantSlack looks at every thread of the gateway, the runtime's own among them: see
// proc_pid_timerslack_ns(5).
func wantSlack(t *testing.T, s *server) {
	t.Helper()
	threads, err := os.ReadDir(fmt.Sprintf("/proc/%d/task", s.pid()))
	if err != nil {
		t.Fatal(err)
	}
	for _, thread := range threads {
		data, err := os.ReadFile("/proc/" + thread.Name() + "/timerslack_ns")
		if errors.Is(err, fs.ErrNotExist) {
			continue // it has ended
		}
		if err != nil {
			t.Skipf("the slack of other processes is not told: %v", err)
		}
		if ns, err := strconv.Atoi(strings.TrimSpace(string(data))); err != nil || ns < leastSlack {
			t.Errorf("thread %s may sleep %q ns longer (%v), want at least %d", thread.Name(), data, err, leastSlack)
		}
	}
}

// calls returns how many system calls of a kind a process has made, see
// proc_pid_io(5).
func calls(t *testing.T, s *server, kind string) int64 {
	t.Helper()
	data, err := os.ReadFile(fmt.Sprintf("/proc/%d/io", s.pid()))
	if err != nil {
		t.Skipf("this system has no account of calls: %v", err)
	}
	for line := range strings.Lines(string(data)) {
		if value, found := strings.CutPrefix(line, kind+": "); found {
			n, err := strconv.ParseInt(strings.TrimSpace(value), 10, 64)
			if err != nil {
				t.Fatal(err)
			}
			return n
		}
	}
	t.Fatalf("%s is not in the account:\n%s", kind, data)
	return 0
}

// heapObjects returns how many objects the gateway has ever allocated.
func heapObjects(t *testing.T, l *lab) float64 {
	t.Helper()
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true, DisableCompression: true}}
	answer, err := client.Get("http://" + l.metrics + "/metrics")
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	lines := bufio.NewScanner(answer.Body)
	for lines.Scan() {
		if value, found := strings.CutPrefix(lines.Text(), "go_memstats_mallocs_total "); found {
			n, err := strconv.ParseFloat(value, 64)
			if err != nil {
				t.Fatal(err)
			}
			return n
		}
	}
	t.Fatal("the metrics do not count heap objects")
	return 0
}
