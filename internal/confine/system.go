package confine

import (
	"debug/elf"
	"os"
	"path/filepath"
	"strings"
)

// systemFiles returns what the Go runtime and its libraries read of the system, and
// what is not there.
func systemFiles() []string {
	files := []string{
		"/etc/hosts", "/etc/nsswitch.conf", "/etc/resolv.conf", "/etc/localtime", "/usr/share/zoneinfo",
		"/etc/ssl", "/etc/pki", "/etc/ca-certificates", // authorities, by distribution
		"/usr/share/ca-certificates", "/usr/local/share/ca-certificates", "/usr/share/pki", "/var/lib/ca-certificates",
		os.Getenv("SSL_CERT_FILE"), os.Getenv("SSL_CERT_DIR"),
		"/proc",                                                 // metrics of the process; limits of a container, for a successor
		"/sys/fs/cgroup", "/sys/kernel/mm/transparent_hugepage", // likewise
		os.Getenv("CREDENTIALS_DIRECTORY"),
	}
	if os.Geteuid() != 0 {
		// resolv.conf may be replaced by rename, and without it no name is found
		// any more. Who is not root can read no secret of the system here.
		return append(files, "/etc")
	}
	if folder := filepath.Dir(resolve("/etc/resolv.conf")); folder != "/etc" {
		files = append(files, folder) // of systemd-resolved
	}
	return files
}

// programFiles returns what is needed to start a program anew: folders whose
// programs may be started, and what may be read. A release needs nothing but its
// own folder; what was built with cgo needs loader and libraries, with which
// programs in the folder of the loader can be started as well.
func programFiles(name string) (run, read []string) {
	run = addFolders(nil, name)
	if loader := loaderOf(name); loader != "" {
		run = append(run, filepath.Dir(resolve(loader)))
		read = []string{"/lib", "/lib64", "/usr/lib", "/usr/lib64", "/usr/local/lib", "/etc/ld.so.cache"}
	}
	return run, read
}

// loaderOf returns the interpreter that a program names, or nothing.
func loaderOf(name string) string {
	f, err := elf.Open(name)
	if err != nil {
		return "" // of another system
	}
	defer f.Close()
	section := f.Section(".interp")
	if section == nil {
		return ""
	}
	text, err := section.Data()
	if err != nil {
		return ""
	}
	return strings.TrimRight(string(text), "\x00")
}
