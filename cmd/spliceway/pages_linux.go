package main

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"strings"

	"golang.org/x/sys/unix"
)

// A mapping is a range of addresses where a file is seen as it is on disk: nobody
// has written there or will.
type mapping struct {
	begin, end uintptr
	code       bool
}

// startPages are the mappings of the program. Its start runs through most of it, if
// only to prepare what other commands need, and serving needs a third.
type startPages []mapping

// newStartPages looks at the mappings, as long as the process may.
func newStartPages() startPages {
	file, err := os.Open("/proc/self/smaps")
	if err != nil {
		return nil // without /proc the pages stay where they are
	}
	defer file.Close()
	return parseMappings(file)
}

// parseMappings reads what proc_pid_smaps(5) describes: for each mapping a line that
// begins with its addresses, and lines of which one tells how much of it is a copy of
// the process's own.
func parseMappings(smaps io.Reader) (found startPages) {
	var last mapping
	readOnly := false
	for lines := bufio.NewScanner(smaps); lines.Scan(); {
		name, rest, _ := strings.Cut(lines.Text(), " ")
		var m mapping
		switch n, _ := fmt.Sscanf(name, "%x-%x", &m.begin, &m.end); {
		case n == 2:
			m.code = strings.HasPrefix(rest, "r-x")
			last, readOnly = m, strings.HasPrefix(rest, "r-") && strings.Contains(rest, " /")
		case name == "Anonymous:" && strings.TrimSpace(rest) == "0 kB" && readOnly:
			found = append(found, last)
		}
	}
	return found
}

// release gives the pages back to the kernel, which has them in its cache of the
// file: those that are needed come back, a few at a time. The kernel may map code in
// huge pages, which spare it work; constants it should not, for most of them nobody
// reads again. An error of madvise(2) leaves things as they were.
func (p startPages) release() {
	for _, m := range p {
		if !m.code {
			_ = m.advise(unix.MADV_NOHUGEPAGE)
		}
		_ = m.advise(unix.MADV_DONTNEED)
	}
}

func (m mapping) advise(advice uintptr) error {
	if _, _, errno := unix.Syscall(unix.SYS_MADVISE, m.begin, m.end-m.begin, advice); errno != 0 {
		return errno
	}
	return nil
}
