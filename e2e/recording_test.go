package e2e

import (
	"bytes"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/spliceway/spliceway/e2e/stack"
)

// recordingsIn is the gateway's configuration for recordings in dir.
func recordingsIn(dir, mode, more string) string {
	return fmt.Sprintf("{dir: %q, mode: %s, fsync: 1s, minFree: 0B%s}", dir, mode, more)
}

// recorded is what the recording of a session has to say.
type recorded struct {
	kind, pod string
	command   string // joined by spaces; empty: none
	tty       bool
	exit      string // empty: it wasn't told
}

// TestRecording runs everything that is recorded, with every flavour of kubectl,
// on a gateway that lets nothing go by unrecorded, and reads what is left of it.
func TestRecording(t *testing.T) {
	t.Parallel()
	issuer := newScriptedIssuer(t, ann, time.Hour)
	dir := filepath.Join(t.TempDir(), "recordings")
	s := newStack(t, func(c *stack.Config) {
		issuer.use(c)
		c.Recordings = recordingsIn(dir, "strict", "")
	})
	k := kubectlThrough(t, s, ann)
	t.Run("sessions", func(t *testing.T) { // all have ended when it returns
		for _, flavour := range flavours {
			k := k.with(flavour.env...)
			k.program = run.programs[flavour.program]
			testRecorded(t, k, dir, flavour.name, flavour.protocol)
			t.Run(flavour.name+"/cp", func(t *testing.T) {
				t.Parallel()
				testRecordedCopy(t, s, k, dir)
			})
			t.Run(flavour.name+"/port-forward", func(t *testing.T) {
				t.Parallel()
				testRecordedForward(t, s, k)
			})
		}
	})
	if !t.Failed() {
		wantAllRecorded(t, s, dir)
		wantVerified(t, dir)
	}
}

// testRecorded runs the sessions whose output is recorded. Each prints a text
// that nothing else prints.
func testRecorded(t *testing.T, k kubectl, dir, flavour, protocol string) {
	for _, test := range []struct {
		name string
		run  func(t *testing.T, k kubectl, marker string) recorded
	}{
		{"exec", recordExec},
		{"exec-stderr", recordExecStderr},
		{"exec-stdin", recordExecStdin},
		{"exec-exit-code", recordExecExitCode},
		{"exec-tty", recordExecTTY},
		{"exec-tar", recordExecTar},
		{"attach", recordAttach},
		{"run-it", recordRun},
		{"debug", recordDebug},
	} {
		t.Run(flavour+"/"+test.name, func(t *testing.T) {
			t.Parallel()
			marker := uniqueName("marker")
			want := test.run(t, k, marker)
			found := waitForRecording(t, dir, marker)
			wantEqual(t, "user", found.User, ann.Name)
			wantEqual(t, "protocol", found.Protocol, protocol)
			wantEqual(t, "cluster", found.Cluster, stack.ClusterName)
			wantEqual(t, "namespace", found.Namespace, "default")
			wantEqual(t, "kind", found.Kind, want.kind)
			wantEqual(t, "pod", found.Pod, want.pod)
			wantEqual(t, "command", strings.Join(found.Command, " "), want.command)
			wantEqual(t, "tty", found.TTY, want.tty)
			wantEqual(t, "exit status", exitOf(found), want.exit)
		})
	}
}

// waitForRecording waits for the end of the recording whose output has a marker,
// and wants it to be the only one.
func waitForRecording(t *testing.T, dir, marker string) (found stack.Recording) {
	t.Helper()
	var n int
	if !eventually(func() bool {
		n = 0
		for _, r := range recordings(t, dir) {
			if strings.Contains(r.Output, marker) {
				n++
				found = r
			}
		}
		return n == 1 && found.State == "complete"
	}) {
		t.Fatalf("%d recordings have %q in their output, want 1; its state: %q", n, marker, found.State)
	}
	return found
}

func recordings(t *testing.T, dir string) []stack.Recording {
	t.Helper()
	all, err := stack.Recordings(dir)
	if err != nil {
		t.Fatal(err)
	}
	return all
}

func exitOf(r stack.Recording) string {
	if r.Exit == nil {
		return ""
	}
	return fmt.Sprint(*r.Exit)
}

func recordExec(t *testing.T, k kubectl, marker string) recorded {
	wantEqual(t, "stdout", k.run(t, "exec", "demo", "--", "echo", marker), marker+"\n")
	return recorded{kind: "exec", pod: "demo", command: "echo " + marker, exit: "0"}
}

func recordExecStderr(t *testing.T, k kubectl, marker string) recorded {
	script := "echo " + marker + " >&2"
	k.run(t, "exec", "demo", "--", "sh", "-c", script)
	return recorded{kind: "exec", pod: "demo", command: "sh -c " + script, exit: "0"}
}

func recordExecStdin(t *testing.T, k kubectl, marker string) recorded {
	wantEqual(t, "stdout", k.feed(t, marker, "exec", "-i", "demo", "--", "cat"), marker)
	return recorded{kind: "exec", pod: "demo", command: "cat", exit: "0"}
}

func recordExecExitCode(t *testing.T, k kubectl, marker string) recorded {
	script := "echo " + marker + "; exit 3"
	_, _, code := k.try(t, "", "exec", "demo", "--", "sh", "-c", script)
	wantEqual(t, "exit status", code, 3)
	return recorded{kind: "exec", pod: "demo", command: "sh -c " + script, exit: "3"}
}

// recordExecTar is a copy, by its command, that runs a shell beside it.
func recordExecTar(t *testing.T, k kubectl, marker string) recorded {
	command := []string{"tar", "-cf", "-", "--checkpoint=1", "--checkpoint-action=exec=echo " + marker + " >&2", "/etc/passwd"}
	k.run(t, append([]string{"exec", "demo", "--"}, command...)...)
	return recorded{kind: "exec", pod: "demo", command: strings.Join(command, " "), exit: "0"}
}

func recordExecTTY(t *testing.T, k kubectl, marker string) recorded {
	terminal, cmd := k.terminal(t, "exec", "-it", "demo", "--", "sh")
	sayInTerminal(t, terminal, marker)
	fmt.Fprintf(terminal, "exit 5\r")
	wantEqual(t, "exit status", waitStatus(terminal, cmd), 5)
	return recorded{kind: "exec", pod: "demo", command: "sh", tty: true, exit: "5"}
}

// sayInTerminal has a shell print a text, which is quoted so that its echo is
// something else.
func sayInTerminal(t *testing.T, terminal io.ReadWriter, text string) {
	t.Helper()
	fmt.Fprintf(terminal, "echo %s''%s\r", text[:1], text[1:])
	readUntil(t, terminal, text)
}

func recordAttach(t *testing.T, k kubectl, marker string) recorded {
	pod := runPod(t, k, "attached", "while :; do echo "+marker+"; sleep 0.2; done")
	k.run(t, "wait", "--for=condition=Ready", "pod/"+pod, "--timeout=20s")
	attach := k.start(t, "attach", pod)
	defer attach.stop()
	readUntil(t, attach.stdout, marker)
	return recorded{kind: "attach", pod: pod}
}

func recordRun(t *testing.T, k kubectl, marker string) recorded {
	pod := uniqueName("shell")
	t.Cleanup(func() { k.run(t, "delete", "pod", pod, "--ignore-not-found", "--grace-period=1", "--wait=false") })
	terminal, cmd := k.terminal(t, "run", pod, "-it", "--image="+image, "--restart=Never", "--", "sh")
	readUntil(t, terminal, "try pressing enter")
	sayInTerminal(t, terminal, marker)
	fmt.Fprintf(terminal, "exit\r")
	waitStatus(terminal, cmd)
	return recorded{kind: "attach", pod: pod, tty: true, exit: "0"}
}

func recordDebug(t *testing.T, k kubectl, marker string) recorded {
	pod := runPod(t, k, "debugged", "sleep 60")
	k.run(t, "wait", "--for=condition=Ready", "pod/"+pod, "--timeout=20s")
	terminal, cmd := k.terminal(t, "debug", pod, "-it", "--image="+image,
		"--container="+uniqueName("debug"), "--profile=general", "--", "sh")
	readUntil(t, terminal, "try pressing enter")
	sayInTerminal(t, terminal, marker)
	fmt.Fprintf(terminal, "exit\r")
	waitStatus(terminal, cmd)
	return recorded{kind: "attach", pod: pod, tty: true, exit: "0"}
}

// testRecordedCopy copies a file there and back. Both ways it is named, with its
// digest, in the audit log and with the recording.
func testRecordedCopy(t *testing.T, s *stack.Stack, k kubectl, dir string) {
	local, name := t.TempDir(), uniqueName("copied")
	data := make([]byte, 1<<20)
	rand.Read(data)
	if err := os.WriteFile(filepath.Join(local, name), data, 0o644); err != nil {
		t.Fatal(err)
	}
	k.run(t, "cp", filepath.Join(local, name), "demo:"+name)
	k.run(t, "cp", "demo:"+name, filepath.Join(local, "back"))
	back, err := os.ReadFile(filepath.Join(local, "back"))
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(back, data) {
		t.Errorf("copied %d octets there, got %d that differ", len(data), len(back))
	}
	digest := sha256.Sum256(data)
	want := stack.Transfer{Name: name, Size: int64(len(data)), SHA256: hex.EncodeToString(digest[:])}
	for _, want.Direction = range []string{"upload", "download"} {
		event := waitForEvent(t, s, "file.transferred", "file", name, "direction", want.Direction)
		if event == nil {
			continue
		}
		size, _ := event["size"].(float64) // as text it may have an exponent
		wantEqual(t, "size in the audit log", int64(size), want.Size)
		wantEqual(t, "sha256 in the audit log", event.Text("sha256"), want.SHA256)
		wantEqual(t, "user in the audit log", event.Text("user"), ann.Name)
		wantTransfer(t, dir, event.Text("session_id"), want)
	}
}

// wantTransfer waits until a recording has ended and wants it to name a file.
func wantTransfer(t *testing.T, dir, id string, want stack.Transfer) {
	t.Helper()
	var found []stack.Transfer
	if !eventually(func() bool {
		for _, r := range recordings(t, dir) {
			if r.ID == id && r.State == "complete" {
				found = r.Transfers
				return true
			}
		}
		return false
	}) {
		t.Errorf("recording %q has not ended", id)
	}
	wantEqual(t, "transfers of the recording", fmt.Sprint(found), fmt.Sprint([]stack.Transfer{want}))
}

// testRecordedForward makes three connections through a port-forward, which are
// told of one by one.
func testRecordedForward(t *testing.T, s *stack.Stack, k kubectl) {
	pod := runPod(t, k, "forwarded", "sleep 60")
	k.run(t, "wait", "--for=condition=Ready", "pod/"+pod, "--timeout=20s")
	local := k.forward(t, pod, 80, 7)
	web, echo := local[0], local[1]

	response, err := http.Get("http://" + web + "/path")
	if err != nil {
		t.Fatal(err)
	}
	response.Body.Close()
	http.DefaultClient.CloseIdleConnections()
	const sizes = 2
	for size := 1; size <= sizes; size++ {
		wantEcho(t, echo, size<<20)
	}
	want := map[string]int{"80": 1, "7": sizes}
	for _, event := range []string{"portforward.opened", "portforward.closed"} {
		var got map[string]int
		if !eventually(func() bool {
			got = countByPort(t, s, event, pod)
			return got["80"] >= want["80"] && got["7"] >= want["7"]
		}) || fmt.Sprint(got) != fmt.Sprint(want) {
			t.Errorf("%s by port: got %v, want %v", event, got, want)
		}
	}
	for size := 1; size <= sizes; size++ {
		n := fmt.Sprint(size << 20)
		event := waitForForwarded(t, s, pod, float64(size<<20))
		wantEqual(t, "echoed "+n, event.Text("bytes_down"), event.Text("bytes_up"))
	}
}

func countByPort(t *testing.T, s *stack.Stack, event, pod string) map[string]int {
	t.Helper()
	events, err := s.Events()
	if err != nil {
		t.Fatal(err)
	}
	byPort := map[string]int{}
	for _, e := range events {
		if e.Text("event") == event && e.Text("pod") == pod && e.Text("user") == ann.Name {
			byPort[e.Text("port")]++
		}
	}
	return byPort
}

// waitForForwarded finds the end of a connection by how much was sent.
func waitForForwarded(t *testing.T, s *stack.Stack, pod string, up float64) stack.Event {
	t.Helper()
	events, err := s.Events()
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range events {
		if e.Text("event") == "portforward.closed" && e.Text("pod") == pod && e["bytes_up"] == up {
			return e
		}
	}
	t.Errorf("no connection into %s has sent %v octets", pod, up)
	return nil
}

// wantAllRecorded compares three accounts of the sessions: of requests, of
// streams and of files.
func wantAllRecorded(t *testing.T, s *stack.Stack, dir string) {
	t.Helper()
	var upgrades, done, files float64
	if !eventually(func() bool {
		upgrades = metric(t, s, "spliceway_requests_total", `code="101"`)
		done = metric(t, s, "spliceway_streams_total", `outcome="recorded"`)
		files = float64(len(recordings(t, dir)))
		return upgrades == done && metric(t, s, "spliceway_streams_active") == 0
	}) {
		t.Errorf("%v upgrades, %v recorded, want the same", upgrades, done)
	}
	for _, outcome := range []string{"exempt", "failed"} {
		wantEqual(t, outcome, metric(t, s, "spliceway_streams_total", `outcome="`+outcome+`"`), 0)
	}
	forwards := float64(len(flavours)) // are told of in the audit log alone
	wantEqual(t, "recordings", files, done-forwards)
	if enough := float64(len(flavours) * 10); files < enough {
		t.Errorf("%v recordings, want %v or more", files, enough)
	}
	for _, r := range recordings(t, dir) {
		wantEqual(t, "state of "+r.ID, r.State, "complete")
	}
}

// wantVerified checks all seals, with the public key that the gateway left.
func wantVerified(t *testing.T, dir string) {
	t.Helper()
	out, err := exec.Command(run.binary, "sessions", "verify", "--key", filepath.Join(dir, "seal.pub"), "--dir", dir, "--all").CombinedOutput()
	if err != nil {
		t.Errorf("spliceway sessions verify: %v\n%s", err, out)
	}
	for _, r := range recordings(t, dir) {
		wantContains(t, "spliceway sessions verify", string(out), r.ID)
	}
}

// TestRecordingImpossible takes the directory away from under the gateway. What
// must be recorded is refused before the API server hears of it; the rest goes on.
func TestRecordingImpossible(t *testing.T) {
	t.Parallel()
	for mode, failed := range map[string]float64{
		"strict":      0, // there is no upgrade
		"best-effort": float64(len(flavours)),
	} {
		t.Run(mode, func(t *testing.T) {
			t.Parallel()
			issuer := newScriptedIssuer(t, ann, time.Hour)
			dir := filepath.Join(t.TempDir(), "recordings")
			s := newStack(t, func(c *stack.Config) {
				issuer.use(c)
				c.Recordings = recordingsIn(dir, mode, "")
			})
			k := kubectlThrough(t, s, ann)
			wantEqual(t, "exec before", k.run(t, "exec", "demo", "--", "echo", "before"), "before\n")
			waitForEvent(t, s, "session.ended", "recording", "recorded")
			if err := os.RemoveAll(dir); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(dir, nil, 0o600); err != nil {
				t.Fatal(err)
			}
			for _, flavour := range flavours {
				k := k.with(flavour.env...)
				k.program = run.programs[flavour.program]
				wantImpossible(t, k, mode)
			}
			wantContains(t, "get pods", k.run(t, "get", "pods"), "demo")
			wantOutcomes(t, s, map[string]float64{"recorded": 1, "failed": failed, "exempt": 0})
		})
	}
}

// wantImpossible runs a session that can't be recorded.
func wantImpossible(t *testing.T, k kubectl, mode string) {
	t.Helper()
	marker, trace := uniqueName("marker"), filepath.Join(t.TempDir(), "ran")
	stdout, stderr, code := k.try(t, "", "exec", "demo", "--", "sh", "-c", "echo >> "+trace+"; echo "+marker)
	if mode == "best-effort" {
		wantEqual(t, "stdout", stdout, marker+"\n")
		wantEqual(t, "exit status", code, 0)
		return
	}
	wantEqual(t, "stdout", stdout, "")
	wantContains(t, "stderr", stderr, "the session can't be recorded, so it was not started; tell your administrator")
	wantEqual(t, "exit status", code, 1)
	if _, err := os.Stat(trace); err == nil {
		t.Error("the command that was refused has run")
	}
}

// TestRecordingExempt has one user recorded and another not.
func TestRecordingExempt(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "recordings")
	s := newStack(t, func(c *stack.Config) {
		c.Users = []stack.User{ann, ada}
		c.Recordings = recordingsIn(dir, "strict", `, rules: [{name: ann-is-trusted, users: ["ann@*"], mode: "off"}]`)
	})
	free, seen := uniqueName("marker"), uniqueName("marker")
	wantEqual(t, "exec of ann", kubectlThrough(t, s, ann).run(t, "exec", "demo", "--", "echo", free), free+"\n")
	wantEqual(t, "exec of ada", kubectlThrough(t, s, ada).run(t, "exec", "demo", "--", "echo", seen), seen+"\n")

	wantEqual(t, "user of the recording", waitForRecording(t, dir, seen).User, ada.Name)
	wantEqual(t, "recordings", len(recordings(t, dir)), 1)
	waitForEvent(t, s, "session.started", "user", ann.Name, "mode", "off", "rule", "ann-is-trusted", "session_id", "")
	waitForEvent(t, s, "session.ended", "user", ann.Name, "recording", "exempt")
	wantOutcomes(t, s, map[string]float64{"recorded": 1, "failed": 0, "exempt": 1})
}

// wantOutcomes waits until as many streams have ended, each way, as wanted.
func wantOutcomes(t *testing.T, s *stack.Stack, all map[string]float64) {
	t.Helper()
	for outcome, want := range all {
		var got float64
		eventually(func() bool {
			got = metric(t, s, "spliceway_streams_total", `outcome="`+outcome+`"`)
			return got == want
		})
		wantEqual(t, "streams that are "+outcome, got, want)
	}
}
