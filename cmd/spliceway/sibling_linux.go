package main

import (
	"os"
	"os/exec"
	"syscall"
)

// underManager has a process that this one starts be a child of its own parent, if
// that is a service manager. systemd learns how a process ends from its children
// alone: of a main process that is not one it misses the crash, and at a stop kills
// it without waiting.
func underManager(cmd *exec.Cmd) {
	if os.Getenv("NOTIFY_SOCKET") != "" {
		cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_PARENT}
	}
}
