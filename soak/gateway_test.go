//go:build linux

package soak

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// gateway is the binary under test.
type gateway struct {
	t       *testing.T
	cmd     *exec.Cmd
	address string // of the listener
	admin   string // of the metrics
	clock   *clock
	read    sync.WaitGroup

	mu     sync.Mutex
	errors []string // guarded by mu; lines of the log at level error
}

// startGateway builds the binary and runs it until the test ends, which wants it to
// end in order.
func startGateway(t *testing.T, dir, config string) *gateway {
	t.Helper()
	binary := filepath.Join(dir, "spliceway")
	clock, flags := newClock(t, dir)
	build := exec.Command("go", append(append([]string{"build", "-trimpath", "-o", binary}, flags...), "../cmd/spliceway")...)
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("building: %v\n%s", err, out)
	}
	g := &gateway{t: t, cmd: exec.Command(binary, "serve", "--config", config), clock: clock}
	g.cmd.Env = clock.environment()
	g.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	log, err := g.cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := g.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	serving := make(chan struct{})
	g.read.Go(func() { g.follow(log, serving) }) // ends with the process
	t.Cleanup(func() {
		g.cmd.Process.Signal(syscall.SIGTERM)
		g.read.Wait()
		if err := g.cmd.Wait(); err != nil {
			t.Errorf("the gateway ended with %v", err)
		}
	})
	<-serving
	if g.address == "" {
		t.Fatalf("the gateway does not serve: %s", g.errors)
	}
	return g
}

// follow reads the log, and closes serving when it says so or ends.
func (g *gateway) follow(log io.Reader, serving chan struct{}) {
	lines := bufio.NewScanner(log)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		var line struct {
			Level, Message, Metrics string
			Listen                  []string
		}
		if json.Unmarshal(lines.Bytes(), &line) != nil || line.Level == "error" || line.Level == "fatal" {
			g.mu.Lock()
			g.errors = append(g.errors, lines.Text())
			g.mu.Unlock()
		}
		if line.Message == "serving" {
			g.address, g.admin = line.Listen[0], line.Metrics
			close(serving)
			serving = nil
		}
	}
	if serving != nil {
		close(serving)
	}
}

// logged returns how many errors the gateway has logged.
func (g *gateway) logged() int {
	g.mu.Lock()
	defer g.mu.Unlock()
	return len(g.errors)
}

// reading is what the gateway holds at a moment.
type reading struct {
	goroutines, descriptors int // descriptors: without those of idle connections to the API server
	connections, tunnels    int
	active, streams         int
	waiting                 int // for a connection to the API server
	panics                  int
	memory                  int64 // anonymous resident, in octets
}

func (r reading) String() string {
	return fmt.Sprintf("%d goroutines, %d descriptors, %d connections, %d tunnels, %d active in the pool, %d streams, %d panics",
		r.goroutines, r.descriptors, r.connections, r.tunnels, r.active, r.streams, r.panics)
}

// look reads metrics and /proc.
func (g *gateway) look() reading {
	g.t.Helper()
	response, err := (&http.Client{Transport: &http.Transport{DisableKeepAlives: true}}).Get("http://" + g.admin + "/metrics")
	if err != nil {
		g.t.Fatal(err)
	}
	defer response.Body.Close()
	series := map[string]float64{}
	for lines := bufio.NewScanner(response.Body); lines.Scan(); {
		if name, value, ok := strings.Cut(lines.Text(), " "); ok && !strings.HasPrefix(name, "#") {
			series[name], _ = strconv.ParseFloat(value, 64)
		}
	}
	of := func(name string) int { return int(series[name]) }
	descriptors, err := os.ReadDir(fmt.Sprintf("/proc/%d/fd", g.cmd.Process.Pid))
	if err != nil {
		g.t.Fatal(err)
	}
	return reading{
		goroutines: of("go_goroutines"), descriptors: len(descriptors) - of(`spliceway_upstream_connections{cluster="prod",state="idle"}`),
		connections: of("spliceway_connections_active"), tunnels: of("spliceway_tunnels_active"),
		waiting: of(`spliceway_upstream_queue_length{cluster="prod",kind="request"}`),
		active:  of(`spliceway_upstream_connections{cluster="prod",state="active"}`),
		streams: of(`spliceway_streams_active{cluster="prod",protocol="spdy"}`) + of(`spliceway_streams_active{cluster="prod",protocol="websocket"}`),
		panics:  of("spliceway_panics_total"), memory: g.memory(),
	}
}

// memory is the process's RssAnon.
func (g *gateway) memory() int64 {
	g.t.Helper()
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", g.cmd.Process.Pid))
	if err != nil {
		g.t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(status), "RssAnon:")
	kilobytes, err := strconv.ParseInt(strings.Fields(rest)[0], 10, 64)
	if err != nil {
		g.t.Fatal(err)
	}
	return kilobytes << 10
}

// quiescence is how long the gateway may take to find out that everybody is gone:
// of those who have vanished without a word it hears nothing before TCP's
// keep-alive asks.
const quiescence = 3 * time.Minute

// settle waits until the gateway holds what it held before, and returns what it
// holds in the end.
func (g *gateway) settle(before reading) reading {
	g.t.Helper()
	before.memory = 0
	for deadline := time.Now().Add(quiescence); ; time.Sleep(50 * time.Millisecond) {
		now := g.look()
		same := now
		same.memory = 0
		if same == before {
			return now
		}
		if time.Now().After(deadline) {
			g.t.Errorf("the gateway holds %s, want %s as before", now, before)
			return now
		}
	}
}

// peak is the most memory that the gateway has been seen with until ctx is done.
func (g *gateway) peak(ctx context.Context) (most int64) {
	for next := time.NewTicker(500 * time.Millisecond); ; {
		most = max(most, g.memory())
		select {
		case <-ctx.Done():
			next.Stop()
			return most
		case <-next.C:
		}
	}
}

// rest is the memory of the gateway once it gives no more of it back: what is free
// goes back in pieces, when nothing has happened for a while.
func (g *gateway) rest() int64 {
	g.t.Helper()
	least := g.memory()
	for since := time.Now(); time.Since(since) < 4*time.Second; time.Sleep(100 * time.Millisecond) {
		if now := g.memory(); now < least {
			least, since = now, time.Now()
		}
	}
	return least
}
