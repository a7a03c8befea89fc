package packages

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// machine is a container with a systemd of its own. It shares the network of this
// machine, so that it reaches the cluster.
type machine struct {
	root   string
	cmd    *exec.Cmd
	leader string // process id of its systemd
}

// inMachine is systemd, what its user managers need, and what tests use.
const inMachine = "systemd,systemd-sysv,dbus,dbus-user-session,libpam-systemd,logrotate,rpm,strace"

// startMachine bootstraps a small Debian, or unpacks what E2E_DEBIAN names, which
// mmdebstrap made of the same, and boots it. The programs are there, read-only, by their names.
func startMachine(t *testing.T, programs ...string) *machine {
	t.Helper()
	m := &machine{root: filepath.Join(t.TempDir(), "root")}
	bootstrap := exec.Command("mmdebstrap", "--variant=minbase", "--include="+inMachine, "trixie", m.root)
	if archive := os.Getenv("E2E_DEBIAN"); archive != "" {
		if err := os.Mkdir(m.root, 0o755); err != nil {
			t.Fatal(err)
		}
		bootstrap = exec.Command("tar", "-xf", archive, "-C", m.root)
	}
	if out, err := bootstrap.CombinedOutput(); err != nil {
		t.Fatalf("%s: %v\n%s", bootstrap, err, out)
	}
	args := []string{"--quiet", "--boot", "--register=no", "--keep-unit", "--console=pipe", "--machine=spliceway-test", "--directory=" + m.root,
		"--system-call-filter=landlock_create_ruleset landlock_add_rule landlock_restrict_self"}
	for _, program := range programs {
		args = append(args, "--bind-ro="+program+":/usr/local/bin/"+filepath.Base(program))
	}
	m.cmd = exec.Command("systemd-nspawn", args...)
	m.cmd.Env = append(os.Environ(), "SYSTEMD_NSPAWN_UNIFIED_HIERARCHY=1") // of cgroups, as today's systems have it
	m.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGTERM}
	if err := m.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(m.stop)
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(100 * time.Millisecond) {
		children, _ := os.ReadFile(fmt.Sprintf("/proc/%d/task/%[1]d/children", m.cmd.Process.Pid)) // none at first
		m.leader = strings.TrimSpace(string(children))
		if m.leader != "" {
			if out, _ := m.command(t.Context(), "systemctl is-system-running").Output(); string(out) == "running\n" {
				return m
			}
		}
		if time.Now().After(deadline) {
			t.Fatal("the machine has not booted within a minute")
		}
	}
}

// command returns a line for the shell of root in the machine.
func (m *machine) command(ctx context.Context, line string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, "nsenter", "--target="+m.leader, "--mount", "--uts", "--ipc", "--pid", "--cgroup", "--", "/bin/sh", "-c", line)
	cmd.Env = []string{"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "HOME=/root", "LC_ALL=C.UTF-8", "DEBIAN_FRONTEND=noninteractive"}
	cmd.Dir = "/"
	return cmd
}

// run runs a line, shows it with what it prints, as a terminal would, and returns
// the latter.
func (m *machine) run(t *testing.T, line string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	out, err := m.command(ctx, line).CombinedOutput()
	fmt.Printf("# %s\n%s", line, out)
	if err != nil {
		log, _ := m.command(t.Context(), "journalctl --no-pager --lines=20 --unit='spliceway*' --user-unit=spliceway-connect").CombinedOutput()
		t.Fatalf("%s: %v\n%s\n%s", line, err, out, log)
	}
	return string(out)
}

// write writes a file of the machine, and its folder.
func (m *machine) write(t *testing.T, name, text string) {
	t.Helper()
	name = filepath.Join(m.root, name)
	if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(name, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

// copy copies a file into the machine.
func (m *machine) copy(t *testing.T, from, to string) {
	t.Helper()
	data, err := os.ReadFile(from)
	if err != nil {
		t.Fatal(err)
	}
	m.write(t, to, string(bytes.TrimSuffix(data, []byte("\n")))+"\n")
}

func (m *machine) stop() {
	if m.leader != "" {
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		_ = m.command(ctx, "systemctl poweroff").Run() // else it is killed
	}
	kill := time.AfterFunc(20*time.Second, func() { m.cmd.Process.Kill() })
	defer kill.Stop()
	m.cmd.Wait()
}
