package e2e

import (
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/spliceway/spliceway/e2e/stack"
	"github.com/spliceway/spliceway/e2e/upstream"
)

const (
	mebibyte = 1 << 20

	// unrecorded is a rule under which the sessions of namespace free are exempt.
	unrecorded = `, rules: [{name: free, namespaces: [free], mode: "off"}]`
)

// freeTarget is execTarget in the namespace that nothing is recorded of.
func freeTarget(pod string) string {
	return strings.Replace(execTarget(pod, false), "/default/", "/free/", 1)
}

// status is a number of kibibytes in the status of a process, in octets.
func status(t *testing.T, p *stack.Process, field string) int64 {
	t.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", p.Pid()))
	if err != nil {
		t.Fatal(err)
	}
	value := regexp.MustCompile(`(?m)^` + field + `:\s+(\d+) kB$`).FindSubmatch(text)
	if value == nil {
		t.Fatalf("no %s in %s", field, text)
	}
	n, err := strconv.ParseInt(string(value[1]), 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	return n << 10
}

// cpuTime is what a process has used, user and system, by the hundredth of a second
// that Linux counts in.
func cpuTime(t *testing.T, p *stack.Process) time.Duration {
	t.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", p.Pid()))
	if err != nil {
		t.Fatal(err)
	}
	_, behindName, _ := strings.Cut(string(text), ") ")
	fields := strings.Fields(behindName)
	var sum time.Duration
	for _, field := range fields[11:13] {
		n, err := strconv.ParseInt(field, 10, 64)
		if err != nil {
			t.Fatal(err)
		}
		sum += time.Duration(n) * 10 * time.Millisecond
	}
	return sum
}

// flow is an API server whose sessions all write the same text, many times.
type flow struct {
	text  string // of one message
	times int
}

func (f *flow) serve(w http.ResponseWriter, r *http.Request) {
	e, err := upstream.Accept(w, r)
	if err != nil {
		return
	}
	for range f.times {
		if _, err := io.WriteString(e.Stdout, f.text); err != nil {
			break // the client has got less than it wants, and says so
		}
	}
	e.End(upstream.Success)
}

// counter counts what is written to it.
type counter struct{ n int64 }

func (c *counter) Write(p []byte) (int, error) {
	c.n += int64(len(p))
	return len(p), nil
}

// run has one session write everything.
func (f *flow) run(t *testing.T, d *dialer, target string) {
	t.Helper()
	c, err := d.open(time.Now().Add(5 * time.Minute))
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if _, err := c.Upgrade(upstream.WebSocketHead(target, "v5.channel.k8s.io")); err != nil {
		t.Fatal(err)
	}
	var got counter
	if err := c.Output(&got); err != io.EOF {
		t.Fatalf("after %d octets: %v", got.n, err)
	}
	wantEqual(t, "octets at the client", got.n, int64(len(f.text)*f.times))
}

// TestRecordingLarge records a session with much output. The gateway's memory does
// not grow with it.
func TestRecordingLarge(t *testing.T) {
	t.Parallel()
	f := &flow{text: strings.Repeat(strings.Repeat("x", 79)+"\n", 400), times: 1}
	dir := filepath.Join(t.TempDir(), "recordings")
	s, d := scriptedStack(t, f.serve, recordingsIn(dir, "strict", unrecorded))
	f.run(t, d, execTarget("warm-up", false))
	f.times = size(16, 100) * mebibyte / len(f.text)

	before := status(t, s.Gateway, "VmHWM")
	f.run(t, d, execTarget("large", false))
	after := status(t, s.Gateway, "VmHWM")
	t.Logf("most memory: %d MiB before, %d MiB after %d octets", before/mebibyte, after/mebibyte, len(f.text)*f.times)
	if limit := before + 12*mebibyte; after > limit {
		t.Errorf("the gateway has grown to %d octets, want %d at most", after, limit)
	}
	var found stack.Recording
	eventually(func() bool {
		for _, r := range recordings(t, dir) {
			if r.Pod == "large" && r.State == "complete" {
				found = r
			}
		}
		return found.ID != ""
	})
	if want := strings.ReplaceAll(strings.Repeat(f.text, f.times), "\n", "\r\n"); found.Output != want {
		t.Errorf("%d octets of output are recorded, want %d, or they differ", len(found.Output), len(want))
	}
	wantVerified(t, dir)

	for range size(1, 7) {
		start := cpuTime(t, s.Gateway)
		f.run(t, d, freeTarget("large"))
		middle := cpuTime(t, s.Gateway)
		f.run(t, d, execTarget("again", false))
		end := cpuTime(t, s.Gateway)
		t.Logf("CPU time: %v unrecorded, %v recorded, ratio %.2f", middle-start, end-middle,
			float64(end-middle)/float64(max(middle-start, 1)))
	}
}

// TestRecordingMany records many sessions at once.
func TestRecordingMany(t *testing.T) {
	t.Parallel()
	release := make(chan struct{}) // closed: all sessions end
	dir := filepath.Join(t.TempDir(), "recordings")
	s, d := scriptedStack(t, func(w http.ResponseWriter, r *http.Request) {
		e, err := upstream.Accept(w, r)
		if err != nil {
			return
		}
		fmt.Fprintf(e.Stdout, "this is %s\n", strings.Split(r.URL.Path, "/")[6])
		<-release
		e.End(upstream.Success)
	}, recordingsIn(dir, "strict", unrecorded))
	m := &crowd{stack: s, dialer: d}
	defer m.end(release)

	n := size(100, 500)
	start := status(t, s.Gateway, "VmRSS")
	m.open(t, n, freeTarget)
	free := status(t, s.Gateway, "VmRSS")
	m.open(t, n, func(pod string) string { return execTarget(pod, false) })
	full := status(t, s.Gateway, "VmRSS")
	t.Logf("memory of a session: %d KiB unrecorded, %d KiB recorded", (free-start)/int64(n)>>10, (full-free)/int64(n)>>10)
	wantEqual(t, "open streams", metric(t, s, "spliceway_streams_active"), float64(2*n))
	close(release)
	m.wait()
	wantOutcomes(t, s, map[string]float64{"recorded": float64(n), "exempt": float64(n), "failed": 0})
	said := 0
	for _, r := range recordings(t, dir) {
		if r.State == "complete" && r.Output == "this is "+r.Pod+"\r\n" {
			said++
		}
	}
	wantEqual(t, "recordings with what their session said", said, n)
	wantVerified(t, dir)
}

// crowd is many sessions that are open at once.
type crowd struct {
	stack  *stack.Stack
	dialer *dialer
	ended  sync.WaitGroup
}

// wait waits until all have ended.
func (m *crowd) wait() { m.ended.Wait() }

// end has all sessions end, whatever has become of the test.
func (m *crowd) end(release chan struct{}) {
	select {
	case <-release:
	default:
		close(release)
	}
	m.wait()
}

// open opens n sessions, some at a time, and waits until each has said something.
func (m *crowd) open(t *testing.T, n int, target func(pod string) string) {
	t.Helper()
	const openers = 16
	turns, opened := make(chan struct{}, openers), make(chan error, n)
	for range n {
		turns <- struct{}{}
		m.ended.Go(func() { // ends with its session
			c, err := m.dialer.open(time.Now().Add(5 * time.Minute))
			if err == nil {
				defer c.Close()
				_, err = c.Upgrade(upstream.WebSocketHead(target(uniqueName("pod")), "v5.channel.k8s.io"))
			}
			for said := false; err == nil && !said; {
				var payload []byte
				_, payload, err = upstream.ReadFrame(c.Reader)
				said = len(payload) > 1
			}
			<-turns
			opened <- err
			if err == nil {
				c.Output(io.Discard)
			}
		})
	}
	for range n {
		if err := <-opened; err != nil {
			t.Fatal(err)
		}
	}
}
