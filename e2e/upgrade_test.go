package e2e

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/spliceway/spliceway/e2e/stack"
)

// TestUpgrade replaces the process of the gateway twice, under a load of requests,
// while a terminal is open that is recorded. Nothing fails, the terminal goes on,
// and what the processes have recorded in one folder is whole.
func TestUpgrade(t *testing.T) {
	t.Parallel()
	issuer := newScriptedIssuer(t, ann, time.Hour)
	dir := filepath.Join(t.TempDir(), "recordings")
	s := newStack(t, func(c *stack.Config) {
		issuer.use(c)
		c.Recordings = recordingsIn(dir, "strict", "")
	})
	drainLong(t, s)
	k := kubectlThrough(t, s, ann)
	terminal, cmd := k.terminal(t, "exec", "-it", "demo", "--", "sh")
	marker := uniqueName("marker")
	sayInTerminal(t, terminal, marker)

	l := startLoad(t, k)
	pids := []int{s.Gateway.Pid()}
	for i := range 2 {
		pids = append(pids, upgradeGateway(t, s, pids[i], i+1))
		l.await(t, 3) // of the successor
		sayInTerminal(t, terminal, fmt.Sprintf("%s-%d", marker, i))
		short := uniqueName("short")
		wantEqual(t, "exec after an upgrade", k.run(t, "exec", "demo", "--", "echo", short), short+"\n")
		waitForRecording(t, dir, short)
	}
	l.end()
	if all := recordings(t, dir); len(all) != 3 || strings.Contains(fmt.Sprint(all), "recovered") {
		t.Errorf("the recordings are %+v, want three that nobody has taken for those of a crash", all)
	}
	fmt.Fprintf(terminal, "exit 5\r")
	wantEqual(t, "exit status", waitStatus(terminal, cmd), 5)
	found := waitForRecording(t, dir, marker+"-1")
	wantEqual(t, "exit status that is recorded", exitOf(found), "5")
	wantContains(t, "the recording", found.Output, marker+"-0")
	wantVerified(t, dir)
	t.Logf("%d requests and none failed, through processes %v", l.answers.Load(), pids)
}

// drainLong lets the gateway drain for longer than the test takes, by a reload.
func drainLong(t *testing.T, s *stack.Stack) {
	t.Helper()
	text, err := os.ReadFile(s.GatewayConfig)
	if err != nil {
		t.Fatal(err)
	}
	changed := strings.Replace(string(text), "timeout: 5s", "timeout: 10m", 1)
	if changed == string(text) {
		t.Fatalf("no drain.timeout in\n%s", text)
	}
	if err := os.WriteFile(s.GatewayConfig, []byte(changed), 0o600); err != nil {
		t.Fatal(err)
	}
	signalGateway(t, s.Gateway.Pid(), syscall.SIGHUP)
	wantLog(t, s, "configuration reloaded", 1)
}

// upgradeGateway replaces the process pid and returns the next one, which is
// ended with the test. n is how many upgrades there will have been.
func upgradeGateway(t *testing.T, s *stack.Stack, pid, n int) int {
	t.Helper()
	signalGateway(t, pid, syscall.SIGUSR2)
	wantLog(t, s, "a successor serves", n)
	serving := wantLog(t, s, `"message":"serving"`, n+1)
	var next int
	if _, after, ok := strings.Cut(serving, `"pid":`); !ok {
		t.Fatalf("no process id in %s", serving)
	} else if _, err := fmt.Sscan(strings.SplitN(after, ",", 2)[0], &next); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { syscall.Kill(next, syscall.SIGKILL) })
	return next
}

func signalGateway(t *testing.T, pid int, signal syscall.Signal) {
	t.Helper()
	if err := syscall.Kill(pid, signal); err != nil {
		t.Fatal(err)
	}
}

// wantLog waits for the n-th line with a text in the log of the gateway, all of
// whose processes write to one.
func wantLog(t *testing.T, s *stack.Stack, text string, n int) (line string) {
	t.Helper()
	if !eventually(func() bool {
		seen := 0
		for line = range strings.Lines(s.Gateway.Log()) {
			if strings.Contains(line, text) {
				seen++
			}
			if seen == n {
				return true
			}
		}
		return false
	}) {
		t.Fatalf("the gateway has not said %q %d times", text, n)
	}
	return line
}

// load is requests that are made all the time. None may fail.
type load struct {
	answers atomic.Int64
	stop    chan struct{}
	running sync.WaitGroup
}

func startLoad(t *testing.T, k kubectl) *load {
	l := &load{stop: make(chan struct{})}
	t.Cleanup(l.end)
	client := k.client(t)
	for range 2 { // over connections that last; below, with a process and a tunnel for each
		l.running.Go(func() {
			for l.goesOn() {
				if _, err := client.CoreV1().Pods("default").Get(t.Context(), "demo", metav1.GetOptions{}); err != nil {
					t.Errorf("a request failed: %v", err)
					return
				}
				l.answers.Add(1)
			}
		})
	}
	l.running.Go(func() {
		for l.goesOn() {
			if out, errOut, code := k.try(t, "", "get", "pod", "demo", "-o", "name"); code != 0 || out != "pod/demo\n" {
				t.Errorf("kubectl get: status %d, %q, %q", code, out, errOut)
				return
			}
			l.answers.Add(1)
		}
	})
	return l
}

func (l *load) goesOn() bool {
	select {
	case <-l.stop:
		return false
	default:
		return true
	}
}

// await waits for n more answers.
func (l *load) await(t *testing.T, n int64) {
	t.Helper()
	if until := l.answers.Load() + n; !eventually(func() bool { return l.answers.Load() >= until }) {
		t.Error("there are no more answers")
	}
}

// end ends the load, if it goes on.
func (l *load) end() {
	if l.goesOn() {
		close(l.stop)
	}
	l.running.Wait()
}
