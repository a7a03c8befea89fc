package seccomp

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// The profile allows by name alone, names what the kernels have, and nothing that
// reaches other processes or the kernel itself.
func TestProfile(t *testing.T) {
	text, err := os.ReadFile("spliceway.json")
	if err != nil {
		t.Fatal(err)
	}
	var profile struct {
		DefaultAction string `json:"defaultAction"`
		Syscalls      []struct {
			Names  []string `json:"names"`
			Action string   `json:"action"`
		} `json:"syscalls"`
	}
	if err := json.Unmarshal(text, &profile); err != nil {
		t.Fatal(err)
	}
	if profile.DefaultAction != "SCMP_ACT_ERRNO" || len(profile.Syscalls) != 1 || profile.Syscalls[0].Action != "SCMP_ACT_ALLOW" {
		t.Fatalf("the profile is %+v, want one list of what is allowed", profile)
	}
	names := profile.Syscalls[0].Names
	known := kernelCalls(t)
	for _, name := range names {
		if !strings.Contains(known, "\tSYS_"+strings.ToUpper(name)+" ") {
			t.Errorf("%s is no system call", name)
		}
	}
	if !slices.IsSorted(names) || len(slices.Compact(slices.Clone(names))) != len(names) {
		t.Error("the names are not sorted, or one is there twice")
	}
	for _, name := range []string{"bpf", "init_module", "io_uring_setup", "kexec_load", "keyctl", "mount", "perf_event_open",
		"process_vm_readv", "process_vm_writev", "ptrace", "setns", "setuid", "unshare", "userfaultfd"} {
		if slices.Contains(names, name) {
			t.Errorf("%s is allowed", name)
		}
	}
	for _, name := range []string{"landlock_restrict_self", "execve", "flock", "linkat"} {
		if !slices.Contains(names, name) {
			t.Errorf("%s is not allowed, and the gateway needs it", name)
		}
	}
}

// kernelCalls returns the numbers of system calls, as Go source.
func kernelCalls(t *testing.T) (all string) {
	t.Helper()
	dir, err := exec.Command("go", "list", "-m", "-f", "{{.Dir}}", "golang.org/x/sys").Output()
	if err != nil {
		t.Fatal(err)
	}
	for _, arch := range []string{"amd64", "arm64"} {
		text, err := os.ReadFile(filepath.Join(strings.TrimSpace(string(dir)), "unix", "zsysnum_linux_"+arch+".go"))
		if err != nil {
			t.Fatal(err)
		}
		all += string(text)
	}
	return all
}
