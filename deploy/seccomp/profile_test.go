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

// profile is as much of spliceway.json as it uses.
type profile struct {
	DefaultAction   string `json:"defaultAction"`
	DefaultErrnoRet int    `json:"defaultErrnoRet"`
	Syscalls        []struct {
		Names  []string `json:"names"`
		Action string   `json:"action"`
	} `json:"syscalls"`
}

func readProfile(t *testing.T) (p profile) {
	t.Helper()
	text, err := os.ReadFile("spliceway.json")
	if err == nil {
		err = json.Unmarshal(text, &p)
	}
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// The profile allows by name alone, names what the kernels have, and nothing that
// reaches other processes or the kernel itself.
func TestProfile(t *testing.T) {
	profile := readProfile(t)
	if profile.DefaultAction != "SCMP_ACT_ERRNO" || profile.DefaultErrnoRet != 38 || // ENOSYS of Linux
		len(profile.Syscalls) != 1 || profile.Syscalls[0].Action != "SCMP_ACT_ALLOW" {
		t.Fatalf("the profile is %+v, want one list of what is allowed", profile)
	}
	names := profile.Syscalls[0].Names
	calls := kernelCalls(t)
	known := calls["amd64"] + calls["arm64"]
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

// kernelCalls returns the numbers of system calls by architecture, as Go source.
func kernelCalls(t *testing.T) map[string]string {
	t.Helper()
	dir, err := exec.Command("go", "list", "-m", "-f", "{{.Dir}}", "golang.org/x/sys").Output()
	if err != nil {
		t.Fatal(err)
	}
	all := make(map[string]string)
	for _, arch := range []string{"amd64", "arm64"} {
		text, err := os.ReadFile(filepath.Join(strings.TrimSpace(string(dir)), "unix", "zsysnum_linux_"+arch+".go"))
		if err != nil {
			t.Fatal(err)
		}
		all[arch] = string(text)
	}
	return all
}
