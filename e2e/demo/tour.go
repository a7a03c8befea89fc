package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// tour runs kubectl through the gateway, and shows what the gateway wrote about it.
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
	return d.showAudit()
}

// show runs one command and prints it with its output, as a terminal would.
func (d *demo) show(ctx context.Context, args []string, fail bool) error {
	fmt.Fprintf(d.out, "\n$ kubectl %s\n", quoted(args))
	cmd := exec.CommandContext(ctx, d.cluster.Kubectl, args...)
	cmd.Env = append(os.Environ(), "KUBECONFIG="+d.helper.Kubeconfig, "HOME="+d.dir)
	cmd.Stdout, cmd.Stderr = d.out, d.out
	err := cmd.Run()
	if cmd.ProcessState == nil || (err != nil) != fail {
		return fmt.Errorf("kubectl %s: exit %v; the gateway's log ends:\n%s", quoted(args), err, d.stack.Gateway.Tail(10))
	}
	return nil
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
		"DIR", d.dir,
	).Replace(`
Everything goes on running. In another terminal:

  export KUBECONFIG=KUBECONFIG_FILE
  export PATH=KUBECTL_DIR:$PATH
  kubectl exec -it demo -- sh
  tail -f AUDIT_FILE
  curl METRICS_URL/metrics

Configuration, keys and the log of each process are in DIR.
Ctrl-C stops everything and removes that directory.
`))
}
