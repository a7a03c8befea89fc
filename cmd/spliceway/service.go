package main

import (
	"fmt"
	"net"
	"os"
	"strconv"
	"strings"

	"github.com/coreos/go-systemd/v22/activation"
	"github.com/coreos/go-systemd/v22/daemon"

	"github.com/spliceway/spliceway/gateway"
)

// predecessor in the environment is the descriptor of the pipe on which a process
// hears from its successor.
const predecessor = "SPLICEWAY_PREDECESSOR"

// serviceProcess is what the process has been given by systemd, or by the
// predecessor that it replaces. It takes it from the environment, but for what a
// successor needs as well.
func serviceProcess() (gateway.Process, error) {
	p := gateway.Process{Tell: notify}
	if os.Getenv(predecessor) != "" {
		// Who starts a process can't know its id before.
		os.Setenv("LISTEN_PID", strconv.Itoa(os.Getpid()))
	}
	var err error
	if p.Sockets, err = inheritedSockets(); err != nil {
		return p, err
	}
	if p.Watchdog, err = daemon.SdWatchdogEnabled(false); err != nil {
		return p, fmt.Errorf("reading the watchdog's settings: %w", err)
	}
	os.Unsetenv("WATCHDOG_PID") // a successor is watched in our place
	return p, nil
}

// inheritedSockets are those of LISTEN_FDS, by name.
func inheritedSockets() (map[string][]net.Listener, error) {
	sockets := make(map[string][]net.Listener)
	for _, file := range activation.Files(true) {
		l, err := net.FileListener(file)
		file.Close()
		if err != nil {
			return nil, fmt.Errorf("inherited socket %q: %w", file.Name(), err)
		}
		sockets[file.Name()] = append(sockets[file.Name()], l)
	}
	return sockets, nil
}

// notify tells systemd, if it has started us. That it can't be told is no reason for
// a gateway not to work.
func notify(assignments ...string) {
	_, _ = daemon.SdNotify(false, strings.Join(assignments, "\n"))
}

// ready tells systemd that whoever connects is served from now on.
func ready() { notify(daemon.SdNotifyReady) }

// reloading tells systemd that a reload begins, which READY=1 ends.
func reloading() { notify(daemon.SdNotifyReloading, daemon.SdNotifyMonotonicUsec()) }
