package confine

import (
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/landlock-lsm/go-landlock/landlock"
	kernel "github.com/landlock-lsm/go-landlock/landlock/syscall"
)

// What may be done with what is in a Needs. Nobody makes devices, or runs what
// was written.
const (
	readFiles   = landlock.AccessFSSet(kernel.AccessFSReadFile)
	readFolders = readFiles | kernel.AccessFSReadDir
	writeFiles  = readFiles | kernel.AccessFSWriteFile | kernel.AccessFSTruncate
	fillFolders = readFolders | writeFiles | kernel.AccessFSMakeReg | kernel.AccessFSMakeDir |
		kernel.AccessFSRemoveFile | kernel.AccessFSRemoveDir
	bindSockets = fillFolders | kernel.AccessFSMakeSock | kernel.AccessFSMakeSym
	runPrograms = readFiles | kernel.AccessFSExecute
)

// leastVersion is the first version of Landlock that is enough where it is
// required: Linux 6.2, from which on truncating is restricted as well.
const leastVersion = 3

// perProcess is the first version that confines a process with all its threads at
// once. Before, each thread has a domain of its own.
const perProcess = 8

// ErrUnavailable is returned by Apply where Landlock is required and the kernel
// has none, or one that is too old.
var ErrUnavailable = errors.New("the kernel has no Landlock, or one that is too old")

// Version returns the version of the kernel's Landlock, 0 if it has none.
func Version() int {
	v, err := kernel.LandlockGetABIVersion()
	if err != nil {
		return 0
	}
	return v
}

// Apply confines the process, for good and with all that it starts, to what is in n
// and what is needed to run and to start program, if that is not empty. It does as
// much as the kernel can; required makes it an error if that is too little.
func (n *Needs) Apply(program string, required bool) error {
	if v := Version(); required && v < leastVersion {
		return fmt.Errorf("confine: %w: it has version %d, and %d is the least; sandbox.landlock: auto does what it can", ErrUnavailable, v, leastVersion)
	}
	restrict := landlock.Config{HandledAccessFS: landlock.V9.HandledAccessFS, Scoped: scope()}.BestEffort()
	if err := restrict.Restrict(n.rules(program)...); err != nil {
		return fmt.Errorf("confine: %w", err)
	}
	return nil
}

// scope is what the process may not reach outside of itself and its successors.
func scope() landlock.ScopedSet {
	var s landlock.ScopedSet
	if !strings.HasPrefix(os.Getenv("NOTIFY_SOCKET"), "@") { // an abstract one
		s |= kernel.ScopeAbstractUnixSocket
	}
	if Version() >= perProcess {
		// Else no thread but the one that started a successor could end it.
		s |= kernel.ScopeSignal
	}
	return s
}

func (n *Needs) rules(program string) []landlock.Rule {
	var rules []landlock.Rule
	allow := func(paths []string, files, folders landlock.AccessFSSet) {
		for _, path := range paths {
			if path == "" {
				continue
			}
			access := files
			if info, err := os.Stat(path); err == nil && info.IsDir() {
				access = folders
			}
			rules = append(rules, landlock.PathAccess(access, path).IgnoreIfMissing())
		}
	}
	run, libraries := programFiles(program)
	allow(run, runPrograms, runPrograms)
	allow(libraries, readFiles, readFolders)
	allow(systemFiles(), readFiles, readFolders)
	allow([]string{os.DevNull}, writeFiles, writeFiles)
	allow(n.Read, readFiles, readFolders)
	allow(n.Write, writeFiles, fillFolders)
	allow(n.Bind, writeFiles, bindSockets)
	if socket := os.Getenv("NOTIFY_SOCKET"); strings.HasPrefix(socket, "/") {
		rules = append(rules, landlock.PathAccess(kernel.AccessFSResolveUnix, socket).IgnoreIfMissing())
	}
	return rules
}
