package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/spliceway/spliceway/e2e/stack"
)

// tour runs kubectl through the gateway, and shows what the gateway wrote and
// recorded of it.
func (d *demo) tour(ctx context.Context) error {
	for _, stop := range []struct {
		args []string
		fail bool // as it should
	}{
		{args: []string{"auth", "whoami"}},
		{args: []string{"get", "pods"}},
		{args: []string{"exec", "demo", "--", "sh", "-c", "echo hello from $HOSTNAME"}},
		{args: []string{"logs", "demo", "--tail=2"}},
		{args: []string{"get", "nodes"}, fail: true},
	} {
		if err := d.show(ctx, stop.args, stop.fail); err != nil {
			return err
		}
	}
	if err := d.showAudit(); err != nil {
		return err
	}
	return d.showRecordings(ctx)
}

// show runs one command of kubectl.
func (d *demo) show(ctx context.Context, args []string, fail bool) error {
	return d.showProgram(ctx, "kubectl", d.cluster.Kubectl, args, fail)
}

// showProgram runs one command and prints it with its output, as a terminal would.
func (d *demo) showProgram(ctx context.Context, name, program string, args []string, fail bool) error {
	line := name + " " + strings.ReplaceAll(quoted(args), d.dir, "DIR")
	fmt.Fprintf(d.out, "\n$ %s\n", line)
	cmd := exec.CommandContext(ctx, program, args...)
	cmd.Env = append(os.Environ(), "KUBECONFIG="+d.helper.Kubeconfig, "HOME="+d.dir)
	cmd.Stdout, cmd.Stderr = d.out, d.out
	err := cmd.Run()
	if cmd.ProcessState == nil || (err != nil) != fail {
		return fmt.Errorf("%s: exit %v; the gateway's log ends:\n%s", line, err, d.stack.Gateway.Tail(10))
	}
	return nil
}

// showRecordings lists, plays and checks what was recorded: the exec.
func (d *demo) showRecordings(ctx context.Context) error {
	recording, err := d.waitRecorded(ctx)
	if err != nil {
		return err
	}
	fmt.Fprintf(d.out, "\nWhat the gateway recorded of it, with nothing but the files in DIR = %s:\n", d.dir)
	dir := d.recordings()
	for _, args := range [][]string{
		{"ls", "--dir", dir},
		{"play", "--dir", dir, "--speed", "10", "--idle-limit", "1s", recording.ID},
		{"verify", "--dir", dir, "--key", filepath.Join(dir, "seal.pub"), recording.ID},
	} {
		if err := d.showProgram(ctx, "spliceway", d.stack.Binary, append([]string{"sessions"}, args...), false); err != nil {
			return err
		}
	}
	return nil
}

// waitRecorded waits until the only recording has ended: kubectl may be gone a
// moment before.
func (d *demo) waitRecorded(ctx context.Context) (*stack.Recording, error) {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	for {
		all, err := stack.Recordings(d.recordings())
		switch {
		case err != nil:
			return nil, err
		case len(all) == 1 && all[0].State == "complete":
			return &all[0], nil
		}
		select {
		case <-ctx.Done():
			return nil, fmt.Errorf("%d recordings, want one that has ended: %w", len(all), ctx.Err())
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// quoted writes arguments as one would type them.
func quoted(args []string) string {
	words := make([]string, len(args))
	for i, arg := range args {
		if words[i] = arg; strings.ContainsAny(arg, " $") {
			words[i] = "'" + arg + "'"
		}
	}
	return strings.Join(words, " ")
}

// showAudit prints the audit lines of the tour, in short.
func (d *demo) showAudit() error {
	events, err := d.stack.Events()
	if err != nil {
		return err
	}
	fmt.Fprintf(d.out, "\nWhat the gateway wrote about it, in short:\n\n")
	for _, e := range events {
		if e.Text("event") != "request" || e.Text("resource") == "" {
			continue // discovery, and the connections
		}
		what := strings.TrimSuffix(e.Text("resource")+"/"+e.Text("name"), "/")
		if sub := e.Text("subresource"); sub != "" {
			what += "/" + sub
		}
		fmt.Fprintf(d.out, "  %s  %-6s %-24s %s  %-9s %6.1f ms\n",
			e.Text("user"), e.Text("verb"), what, e.Text("status"), e.Text("protocol"), e["duration"])
	}
	return nil
}

// explain says how to go on by hand.
func (d *demo) explain() {
	io.WriteString(d.out, strings.NewReplacer(
		"KUBECONFIG_FILE", d.helper.Kubeconfig,
		"KUBECTL_DIR", filepath.Dir(d.cluster.Kubectl),
		"AUDIT_FILE", d.stack.AuditFile,
		"METRICS_URL", d.stack.MetricsURL,
		"RECORDINGS", d.recordings(),
		"SPLICEWAY", d.stack.Binary,
		"DIR", d.dir,
	).Replace(`
Everything goes on running. In another terminal:

  export KUBECONFIG=KUBECONFIG_FILE
  export PATH=KUBECTL_DIR:$PATH
  kubectl exec -it demo -- sh
  tail -f AUDIT_FILE
  curl METRICS_URL/metrics
  SPLICEWAY sessions ls --dir RECORDINGS

Every exec and attach is recorded in RECORDINGS; "sessions follow"
shows one while it goes on, "sessions play" later.
Configuration, keys and the log of each process are in DIR.
Ctrl-C stops everything and removes that directory.
`))
}
