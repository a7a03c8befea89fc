package e2e

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/http"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/spliceway/spliceway/e2e/stack"
	"github.com/spliceway/spliceway/e2e/upstream"
)

// TestRecordingKilled kills the gateway at random moments while sessions write
// as fast as it lets them, and starts it again. Whatever a client had received
// is in a recording that is sealed and can be played.
func TestRecordingKilled(t *testing.T) {
	t.Parallel()
	for _, fsync := range []string{"1s", "always"} {
		t.Run("fsync-"+fsync, func(t *testing.T) {
			t.Parallel()
			dir := filepath.Join(t.TempDir(), "recordings")
			s, d := scriptedStack(t, serveLoad, fmt.Sprintf("{dir: %q, mode: strict, fsync: %s, minFree: 0B}", dir, fsync))
			k := killer{stack: s, dialer: d, dir: dir, seen: map[string]bool{}}
			seed := uint64(time.Now().UnixNano())
			t.Logf("seed %d", seed)
			random := rand.New(rand.NewPCG(seed, 0))
			for range size(5, 100) {
				k.round(t, random)
			}
			t.Logf("%d kills, %d sessions with output, %d octets received and recorded", size(5, 100), k.sessions, k.octets)
			if k.sessions == 0 || k.octets == 0 {
				t.Error("no session had any output before its gateway was killed")
			}
			wantVerified(t, dir)
		})
	}
}

// loadLine is one of the numbered lines that the session of a pod writes, with
// characters of one to four octets.
func loadLine(pod string, n int) []byte {
	return fmt.Appendf(nil, "%s line %d %s ä€𝄞\n", pod, n, strings.Repeat("x", n%97))
}

// loadText is what the session of a pod writes first.
func loadText(pod string, octets int) (text []byte) {
	for n := 0; len(text) < octets; n++ {
		text = append(text, loadLine(pod, n)...)
	}
	return text
}

// serveLoad is the API server: it writes lines in pieces that end anywhere, until
// the gateway is killed.
func serveLoad(w http.ResponseWriter, r *http.Request) {
	e, err := upstream.Accept(w, r)
	if err != nil {
		return
	}
	pod := strings.Split(r.URL.Path, "/")[6]
	var text []byte
	for line := 0; err == nil; time.Sleep(500 * time.Microsecond) {
		for n := 1 + rand.IntN(2000); len(text) < n; line++ {
			text = append(text, loadLine(pod, line)...)
		}
		n := 1 + rand.IntN(len(text))
		_, err = e.Stdout.Write(text[:n])
		text = text[n:]
	}
	e.End(upstream.Success)
}

// received is what a client has got, with the time of each part.
type received struct {
	pod   string
	tty   bool
	first func() // called when the first octets come
	text  []byte
}

func (r *received) Write(p []byte) (int, error) {
	if len(r.text) == 0 {
		r.first()
	}
	r.text = append(r.text, p...)
	return len(p), nil
}

// killer kills a gateway again and again.
type killer struct {
	stack  *stack.Stack
	dialer *dialer
	dir    string
	seen   map[string]bool // recordings of earlier rounds, by path

	sessions, octets int // in all rounds
}

// round starts sessions of all kinds, kills the gateway, starts it again and
// compares.
func (k *killer) round(t *testing.T, random *rand.Rand) {
	t.Helper()
	clients := make([]*received, 8)
	begun, begin := context.WithTimeout(t.Context(), 10*time.Second)
	defer begin()
	if random.IntN(4) == 0 {
		begin() // to kill the gateway while sessions are being opened
	}
	var running sync.WaitGroup
	for i := range clients {
		clients[i] = &received{pod: uniqueName("pod"), tty: i/2%2 == 0, first: begin}
		deadline := time.Now().Add(30 * time.Second)
		running.Go(func() { // ends with the gateway; its error says so
			k.dialer.runExec(clients[i].pod, i%2 == 0, clients[i].tty, deadline, clients[i])
		})
	}
	<-begun.Done() // somebody has output
	time.Sleep(time.Duration(random.Int64N(int64(time.Second))))
	k.stack.Gateway.Kill()
	running.Wait()
	if err := k.stack.RestartGateway(t.Context()); err != nil {
		t.Fatal(err)
	}
	recordings := k.newRecordings(t)
	for _, c := range clients {
		k.compare(t, c, recordings[c.pod])
	}
}

// newRecordings reads the recordings since the last call, by pod. Those without
// metadata are empty.
func (k *killer) newRecordings(t *testing.T) map[string]stack.Recording {
	t.Helper()
	bases, err := stack.RecordingBases(k.dir)
	if err != nil {
		t.Fatal(err)
	}
	byPod := map[string]stack.Recording{}
	for _, base := range bases {
		if k.seen[base] {
			continue
		}
		k.seen[base] = true
		r, err := stack.ReadRecording(base)
		if err != nil {
			t.Fatal(err)
		}
		if r.State != "recovered" && r.State != "complete" {
			t.Errorf("recording %s is %q behind a restart", base, r.State)
		}
		if r.Pod == "" { // killed between the creation of its files: nobody has been let in
			if r.Output != "" {
				t.Errorf("recording %s has output and does not say whose", base)
			}
			continue
		}
		if _, twice := byPod[r.Pod]; twice {
			t.Errorf("there are two recordings of pod %s", r.Pod)
		}
		byPod[r.Pod] = r
	}
	return byPod
}

// compare wants every octet that a client has received to be recorded.
func (k *killer) compare(t *testing.T, c *received, r stack.Recording) {
	t.Helper()
	output := octets(r.Output)
	if !c.tty {
		output = strings.ReplaceAll(output, "\r\n", "\n") // a CR was put before each LF, of which the text has no other
	}
	if full := string(loadText(c.pod, len(output))); !strings.HasPrefix(full, output) {
		t.Errorf("the recording of %s has what the session never wrote, or lacks something in its midst", c.pod)
	}
	if len(c.text) > len(output) {
		t.Errorf("%s has received %d octets and %d are recorded (its state: %q)", c.pod, len(c.text), len(output), r.State)
	}
	if len(c.text) > 0 {
		k.sessions++
		k.octets += min(len(c.text), len(output))
	}
	k.play(t, r)
}

// octets undoes how the octets of a character that never came whole are written.
func octets(output string) string {
	var raw strings.Builder
	for _, c := range output {
		if c >= 0xec80 && c <= 0xecff {
			raw.WriteByte(byte(c - 0xec00))
		} else {
			raw.WriteRune(c)
		}
	}
	return raw.String()
}

// play shows a recording as an auditor does.
func (k *killer) play(t *testing.T, r stack.Recording) {
	t.Helper()
	if r.ID == "" || k.sessions%8 != 1 { // one of each round is enough
		return
	}
	ctx, cancel := context.WithTimeout(t.Context(), commandTimeout)
	defer cancel()
	for _, args := range [][]string{{"cat"}, {"export", "--format", "v3"}, {"play", "--speed", "1000", "--idle-limit", "1ms"}} {
		args = append(append([]string{"sessions"}, args...), "--dir", k.dir, r.ID)
		if out, err := exec.CommandContext(ctx, run.binary, args...).CombinedOutput(); err != nil {
			t.Errorf("spliceway %s: %v\n%s", strings.Join(args, " "), err, out)
		}
	}
}
