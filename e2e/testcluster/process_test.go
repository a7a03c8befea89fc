package testcluster

import (
	"os/exec"
	"syscall"
	"testing"
)

func TestStopOnlyOwnProcess(t *testing.T) {
	cmd := exec.Command("sleep", "60")
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go cmd.Wait()
	other := process{Name: "other", PID: cmd.Process.Pid, StartTime: "1"}
	if other.alive() {
		t.Error("a process with another start time counts as ours")
	}
	if err := other.stop(); err != nil || syscall.Kill(cmd.Process.Pid, 0) != nil {
		t.Errorf("stop ended it (error %v)", err)
	}
	ours := process{Name: "ours", PID: cmd.Process.Pid, StartTime: startTime(cmd.Process.Pid)}
	if err := ours.stop(); err != nil || ours.alive() {
		t.Errorf("stop did not end it (error %v)", err)
	}
}

func TestPinnedVersion(t *testing.T) {
	goMod := []byte("module m\n\nrequire example.com/a v1.2.3\n\nrequire (\n\texample.com/b/v2 v2.0.0 // indirect\n)\n")
	for _, test := range []struct{ module, want string }{
		{"example.com/a", "v1.2.3"},
		{"example.com/b/v2", "v2.0.0"},
		{"example.com/b", ""},
		{"", ""},
	} {
		if got := pinned(goMod, test.module); got != test.want {
			t.Errorf("pinned(go.mod, %q) = %q, want %q", test.module, got, test.want)
		}
	}
}
