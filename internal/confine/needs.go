package confine

import (
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spliceway/spliceway/audit"
	"github.com/spliceway/spliceway/cluster"
	"github.com/spliceway/spliceway/config"
)

// Needs are the folders that a process must reach after its start, with all that is
// below. Names are absolute and free of links.
type Needs struct {
	Read  []string `json:"read"`
	Write []string `json:"write"` // and read
	Bind  []string `json:"bind"`  // Unix sockets, with links to them; and write
}

// Of returns what the gateway needs with a configuration that was loaded from
// file, beside what every program does.
func Of(cfg *config.Config, file string) Needs {
	var n Needs
	n.readFile(file)
	for _, p := range append(cfg.TLS.Pairs(), cfg.TLS.IssuingCA.KeyPair) {
		n.readFile(p.CertificateFile)
		n.readFile(p.PrivateKeyFile)
	}
	n.readFile(cfg.Authn.JWKSFile)
	n.readFile(cfg.Authn.JWKSCAFile)
	n.readFile(cfg.Tracing.CAFile)
	n.readFile(cfg.Tracing.HeadersFile)
	for _, c := range cfg.Clusters {
		n.readFile(c.CertificateAuthorityFile)
		n.readFile(c.BearerTokenFile)
		n.readFile(c.ClientCertificateFile)
		n.readFile(c.ClientKeyFile)
		if c.InCluster {
			n.Read = append(n.Read, resolve(cluster.ServiceAccountDir))
		}
	}
	n.readFile(cfg.Recordings.SealKeyFile) // it has been made
	if cfg.Recordings.Dir != "" {
		n.Write = append(n.Write, resolve(cfg.Recordings.Dir))
	}
	n.writeFile(cfg.Authn.CacheFile)
	if cfg.Audit.Output != audit.Stdout {
		n.writeFile(cfg.Audit.Output)
	}
	n.Bind = addFolders(n.Bind, cfg.Admin.Socket)
	for _, paths := range []*[]string{&n.Read, &n.Write, &n.Bind} {
		slices.Sort(*paths)
		*paths = slices.Compact(*paths)
	}
	return n
}

// readFile adds the folders that a file is in, or will be when it is replaced.
func (n *Needs) readFile(name string)  { n.Read = addFolders(n.Read, name) }
func (n *Needs) writeFile(name string) { n.Write = addFolders(n.Write, name) }

func addFolders(paths []string, name string) []string {
	if name == "" {
		return paths
	}
	return append(paths, resolve(filepath.Dir(name)), filepath.Dir(resolve(name)))
}

// resolve returns an absolute path without links. Of what is not there it resolves
// the folder.
func resolve(path string) string {
	path, err := filepath.Abs(path)
	if err != nil {
		return path // the working directory is gone
	}
	if real, err := filepath.EvalSymlinks(path); err == nil || path == filepath.Dir(path) {
		return real
	}
	return filepath.Join(resolve(filepath.Dir(path)), filepath.Base(path))
}

// Cover returns an error, for a user, if a process that has only n can't have what
// other needs.
func (n *Needs) Cover(other *Needs) error {
	writable := slices.Concat(n.Write, n.Bind)
	readable := slices.Concat(n.Read, writable)
	for _, check := range []struct {
		verb       string
		has, wants []string
	}{
		{"read", readable, other.Read}, {"write to", writable, other.Write}, {"open sockets in", n.Bind, other.Bind},
	} {
		for _, path := range check.wants {
			if !slices.ContainsFunc(check.has, func(folder string) bool { return below(path, folder) }) {
				return fmt.Errorf("the process has given up the right to %s %s when it started (sandbox.landlock); "+
					"restart it, or set back what was there", check.verb, path)
			}
		}
	}
	return nil
}

// below reports whether path is folder or in it.
func below(path, folder string) bool {
	rest, ok := strings.CutPrefix(path, strings.TrimSuffix(folder, "/"))
	return ok && (rest == "" || rest[0] == '/')
}
