package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strings"
)

// machine says where and of what the figures are.
type machine struct {
	CPU      string `json:"cpu"`
	Cores    int    `json:"cores"`
	System   string `json:"system"`
	Go       string `json:"go"`
	Commit   string `json:"commit"`
	Modified bool   `json:"modified"` // the tree is not that of the commit
	Load     string `json:"load"`     // processes that wanted a core in the last minute before the run
}

// describeMachine fills in what can be found out; the rest is "unknown".
func describeMachine(ctx context.Context, module string) machine {
	m := machine{
		CPU: "unknown", Cores: runtime.NumCPU(), System: runtime.GOOS + "/" + runtime.GOARCH,
		Go: runtime.Version(), Commit: "unknown", Load: "unknown",
	}
	if data, err := os.ReadFile("/proc/cpuinfo"); err == nil {
		if model := cpuModel(data); model != "" {
			m.CPU = model
		}
	}
	if data, err := os.ReadFile("/proc/sys/kernel/osrelease"); err == nil {
		m.System += " " + strings.TrimSpace(string(data))
	}
	if data, err := os.ReadFile("/proc/loadavg"); err == nil {
		m.Load, _, _ = strings.Cut(string(data), " ")
	}
	if commit, err := git(ctx, module, "rev-parse", "--short=12", "HEAD"); err == nil {
		m.Commit = commit
	}
	if changes, err := git(ctx, module, "status", "--porcelain"); err != nil || changes != "" {
		m.Modified = true
	}
	return m
}

func git(ctx context.Context, dir string, args ...string) (string, error) {
	out, err := exec.CommandContext(ctx, "git", append([]string{"-C", dir}, args...)...).Output()
	return strings.TrimSpace(string(out)), err
}

// cpuModel finds the model in the text of /proc/cpuinfo.
func cpuModel(cpuinfo []byte) string {
	for line := range bytes.Lines(cpuinfo) {
		name, value, _ := bytes.Cut(line, []byte(":"))
		if string(bytes.TrimSpace(name)) == "model name" {
			return string(bytes.TrimSpace(value))
		}
	}
	return ""
}

func (m *machine) String() string {
	modified := ""
	if m.Modified {
		modified = ", modified"
	}
	return fmt.Sprintf("%s, %d cores, %s, %s, commit %s%s, load %s before",
		m.CPU, m.Cores, m.System, m.Go, m.Commit, modified, m.Load)
}
