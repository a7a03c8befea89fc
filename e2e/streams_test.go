package e2e

import (
	"bytes"
	"crypto/rand"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/creack/pty"
)

// TestStreams runs the kubectl commands that upgrade a connection, with every
// flavour of kubectl.
func TestStreams(t *testing.T) {
	for _, flavour := range flavours {
		for _, test := range []struct {
			name string
			run  func(*testing.T, kubectl)
		}{
			{"exec", testExec},
			{"exec-large-stdin", testExecStdin},
			{"exec-exit-code", testExecExitCode},
			{"exec-tty", testExecTTY},
			{"attach", testAttach},
			{"run-it", testRun},
			{"cp", testCopy},
			{"port-forward", testPortForward},
			{"debug", testDebug},
		} {
			t.Run(flavour.name+"/"+test.name, func(t *testing.T) {
				t.Parallel()
				k := kubectlAs(t, ann).with(flavour.env...)
				k.program = run.programs[flavour.program]
				test.run(t, k)
			})
		}
	}
}

func testExec(t *testing.T, k kubectl) {
	stdout, stderr, code := k.try(t, "", "exec", "demo", "--", "sh", "-c", "echo out; echo err >&2; echo $HOSTNAME")
	wantEqual(t, "stdout", stdout, "out\ndemo\n")
	wantEqual(t, "stderr", stderr, "err\n")
	wantEqual(t, "exit status", code, 0)
}

func testExecStdin(t *testing.T, k kubectl) {
	data := make([]byte, 8<<20)
	rand.Read(data)
	if got := k.feed(t, string(data), "exec", "-i", "demo", "--", "cat"); got != string(data) {
		t.Errorf("cat: sent %d octets, got %d that differ", len(data), len(got))
	}
}

func testExecExitCode(t *testing.T, k kubectl) {
	for _, want := range []int{1, 7, 255} {
		_, _, code := k.try(t, "", "exec", "demo", "--", "sh", "-c", fmt.Sprintf("exit %d", want))
		wantEqual(t, "exit status", code, want)
	}
	wantContains(t, "stderr", k.fails(t, "exec", "demo", "--", "no-such-command"), "executable file not found")
}

func testExecTTY(t *testing.T, k kubectl) {
	terminal, cmd := k.terminal(t, "exec", "-it", "demo", "--", "sh")
	waitForSize(t, terminal, "24 80")
	pty.Setsize(terminal, &pty.Winsize{Rows: 50, Cols: 132})
	waitForSize(t, terminal, "50 132")
	// A shell of its own, so that Ctrl-C finds one whatever it is doing by then.
	fmt.Fprintf(terminal, "sh -c 'echo r\"\"eady; exec sleep 100'\r")
	readUntil(t, terminal, "ready\r\n")
	fmt.Fprintf(terminal, "\x03") // Ctrl-C ends sleep, not the shell
	fmt.Fprintf(terminal, "echo still $((40+2))\r")
	readUntil(t, terminal, "still 42")
	fmt.Fprintf(terminal, "exit 5\r")
	wantEqual(t, "exit status", waitStatus(terminal, cmd), 5)
}

// waitForSize asks a shell for the size of its terminal until it is the given
// one: a new size travels on a stream of its own, so a question may overtake it.
func waitForSize(t *testing.T, terminal io.ReadWriter, want string) {
	t.Helper()
	var got string
	for range 50 {
		fmt.Fprintf(terminal, "echo s''ize $(stty size) e''nd\r") // quoted, so that its echo is told from its output
		got = readUntil(t, terminal, " end\r\n")
		if strings.Contains(got, "size "+want+" end") {
			return
		}
	}
	t.Fatalf("stty size: got %q, want %q", got, want)
}

func testAttach(t *testing.T, k kubectl) {
	attach := k.start(t, "attach", "demo")
	defer attach.stop()
	readUntil(t, attach.stdout, "demo line ")
}

// testRun runs a pod with a terminal, detaches, attaches again and ends it.
func testRun(t *testing.T, k kubectl) {
	name := uniqueName("shell")
	t.Cleanup(func() { k.run(t, "delete", "pod", name, "--ignore-not-found", "--grace-period=1", "--wait=false") })
	terminal, _ := k.terminal(t, "run", name, "-it", "--image="+image, "--restart=Never", "--", "sh")
	readUntil(t, terminal, "try pressing enter")
	fmt.Fprintf(terminal, "x=41\recho x is $x\r")
	readUntil(t, terminal, "x is 41")
	terminal.Close()

	terminal, cmd := k.terminal(t, "attach", "-it", name)
	readUntil(t, terminal, "try pressing enter")
	fmt.Fprintf(terminal, "echo y is $((x+1))\r")
	readUntil(t, terminal, "y is 42")
	fmt.Fprintf(terminal, "exit\r")
	waitStatus(terminal, cmd)
	k.run(t, "wait", "--for=jsonpath={.status.phase}=Succeeded", "pod/"+name, "--timeout=20s")
}

func testCopy(t *testing.T, k kubectl) {
	dir, remote := t.TempDir(), uniqueName("tree")
	data := make([]byte, 3<<20)
	rand.Read(data)
	if err := os.MkdirAll(filepath.Join(dir, "tree", "sub"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "tree", "sub", "file"), data, 0o644); err != nil {
		t.Fatal(err)
	}
	k.run(t, "cp", filepath.Join(dir, "tree"), "demo:"+remote)
	k.run(t, "cp", "demo:"+remote+"/sub/file", filepath.Join(dir, "back"))
	back, err := os.ReadFile(filepath.Join(dir, "back"))
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(back, data) {
		t.Errorf("copied %d octets there, got %d that differ", len(data), len(back))
	}
}

func testPortForward(t *testing.T, k kubectl) {
	local := k.forward(t, "demo", 80, 7)
	web, echo := local[0], local[1]

	response, err := http.Get("http://" + web + "/path")
	if err != nil {
		t.Fatal(err)
	}
	body, err := io.ReadAll(response.Body)
	response.Body.Close()
	if err != nil {
		t.Fatal(err)
	}
	wantContains(t, "body", string(body), "hello")
	wantEcho(t, echo, 4<<20)
}

// wantEcho sends data to an echo server and wants it back.
func wantEcho(t *testing.T, address string, size int) {
	t.Helper()
	data := make([]byte, size)
	rand.Read(data)
	conn, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	conn.SetDeadline(time.Now().Add(30 * time.Second))
	go conn.Write(data) // ends at the deadline, at the latest
	got := make([]byte, size)
	if n, err := io.ReadFull(conn, got); err != nil || !bytes.Equal(got, data) {
		t.Errorf("echo: sent %d octets, got %d (error %v)", size, n, err)
	}
}

func testDebug(t *testing.T, k kubectl) {
	pod := runPod(t, k, "debugged", "sleep 60")
	k.run(t, "wait", "--for=condition=Ready", "pod/"+pod, "--timeout=20s")
	terminal, cmd := k.terminal(t, "debug", pod, "-it", "--image="+image,
		"--container="+uniqueName("debug"), "--profile=general", "--", "sh")
	readUntil(t, terminal, "try pressing enter")
	fmt.Fprintf(terminal, "echo in $((40+2))\r")
	readUntil(t, terminal, "in 42")
	fmt.Fprintf(terminal, "exit\r")
	waitStatus(terminal, cmd)
}
