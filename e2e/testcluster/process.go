package testcluster

import (
	"encoding/json"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

// stopTimeout is how long a program has to end by itself before it is killed.
const stopTimeout = 5 * time.Second

// process is a program of a cluster, as noted in processes.json. The start time
// tells it from a later process that got the same pid.
type process struct {
	Name      string   `json:"name"`
	Path      string   `json:"path"`
	Args      []string `json:"args"`
	Env       []string `json:"env,omitempty"` // next to that of the starter
	PID       int      `json:"pid"`
	StartTime string   `json:"startTime"`
}

// start runs p in its own session, logging to NAME.log, and notes it in
// processes.json in place of an earlier one of that name.
func (c *Cluster) start(p process) error {
	log, err := os.OpenFile(c.file(p.Name+".log"), os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return err
	}
	defer log.Close()
	cmd := exec.Command(p.Path, p.Args...)
	cmd.Dir = c.dir
	cmd.Env = append(os.Environ(), p.Env...)
	cmd.Stdout, cmd.Stderr = log, log
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if !c.detach {
		cmd.SysProcAttr.Pdeathsig = syscall.SIGKILL
	}
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("starting %s: %w", p.Name, err)
	}
	go cmd.Wait() // reaps it; ends when the program does
	p.PID, p.StartTime = cmd.Process.Pid, startTime(cmd.Process.Pid)

	var kept []process
	for _, other := range c.processes() {
		if other.Name != p.Name {
			kept = append(kept, other)
		}
	}
	data, err := json.MarshalIndent(append(kept, p), "", "  ")
	if err != nil {
		return err
	}
	return os.WriteFile(c.file("processes.json"), data, 0o600)
}

// processes returns what was started, in that order.
func (c *Cluster) processes() []process {
	var processes []process
	if data, err := os.ReadFile(c.file("processes.json")); err == nil {
		json.Unmarshal(data, &processes) // a damaged file has no processes
	}
	return processes
}

// process returns the program of that name.
func (c *Cluster) process(name string) (process, error) {
	for _, p := range c.processes() {
		if p.Name == name {
			return p, nil
		}
	}
	return process{}, fmt.Errorf("testcluster: %s was not started", name)
}

func (p process) alive() bool {
	t := startTime(p.PID)
	return t != "" && t == p.StartTime
}

// stop ends a process: SIGTERM, then SIGKILL if that takes too long.
func (p process) stop() error { return p.end(syscall.SIGTERM, syscall.SIGKILL) }

// kill ends a process as a power cut would.
func (p process) kill() error { return p.end(syscall.SIGKILL) }

func (p process) end(signals ...syscall.Signal) error {
	for _, signal := range signals {
		if !p.alive() {
			return nil
		}
		if err := syscall.Kill(p.PID, signal); err != nil && err != syscall.ESRCH {
			return fmt.Errorf("stopping %s (pid %d): %w", p.Name, p.PID, err)
		}
		for deadline := time.Now().Add(stopTimeout); p.alive() && time.Now().Before(deadline); {
			time.Sleep(10 * time.Millisecond)
		}
	}
	if p.alive() {
		return fmt.Errorf("%s (pid %d) does not end", p.Name, p.PID)
	}
	return nil
}

// startTime returns the start time of a process, or "" if it is gone or a zombie.
func startTime(pid int) string {
	data, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return ""
	}
	// "pid (comm) state ppid ...": comm may hold anything, so cut after it.
	// See proc(5): state is field 3 and starttime field 22.
	fields := strings.Fields(string(data[strings.LastIndexByte(string(data), ')')+1:]))
	if len(fields) < 20 || fields[0] == "Z" {
		return ""
	}
	return fields[19]
}

// freePorts returns n TCP ports that are free on loopback just now.
func freePorts(n int) ([]int, error) {
	var ports []int
	for range n {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			return nil, err
		}
		defer l.Close()
		ports = append(ports, l.Addr().(*net.TCPAddr).Port)
	}
	return ports, nil
}

// tail returns the last lines of a program's log.
func (c *Cluster) tail(name string) string {
	data, err := os.ReadFile(filepath.Join(c.dir, name+".log"))
	if err != nil {
		return err.Error()
	}
	lines := strings.Split(strings.TrimSpace(string(data)), "\n")
	return strings.Join(lines[max(0, len(lines)-15):], "\n")
}
