package main

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"strings"

	"github.com/rs/zerolog"

	"github.com/spliceway/spliceway/audit"
	"github.com/spliceway/spliceway/cluster"
	"github.com/spliceway/spliceway/config"
	"github.com/spliceway/spliceway/internal/confine"
)

// confined in the environment is what a successor is confined to, because its
// predecessor is: domains of Landlock are inherited, and at most 16 can be nested.
const confined = "SPLICEWAY_CONFINED"

// sandbox is what the process may reach.
type sandbox struct {
	file      string // of the configuration
	mode      string // of sandbox.landlock
	needs     confine.Needs
	inherited bool // the process is confined to needs since before its start
}

// newSandbox refuses a configuration that needs more than the process has.
func newSandbox(cfg *config.Config, file string) (*sandbox, error) {
	b := &sandbox{file: file, mode: cfg.Sandbox.Landlock, needs: confine.Of(filesOf(cfg, file))}
	text := os.Getenv(confined)
	if text == "" {
		return b, nil
	}
	os.Unsetenv(confined)
	var inherited confine.Needs
	if err := json.Unmarshal([]byte(text), &inherited); err != nil {
		return nil, fmt.Errorf("%s is not what a predecessor writes: %w", confined, err)
	}
	if err := inherited.Cover(&b.needs); err != nil {
		return nil, badConfig(err, "")
	}
	b.needs, b.inherited = inherited, true
	return b, nil
}

// filesOf are those that a configuration names, loaded from file.
func filesOf(cfg *config.Config, file string) confine.Files {
	f := confine.Files{
		Read: []string{
			file, cfg.Authn.JWKSFile, cfg.Authn.JWKSCAFile, cfg.Tracing.CAFile, cfg.Tracing.HeadersFile,
			cfg.Recordings.SealKeyFile, // it has been made
		},
		WriteFolders: []string{cfg.Recordings.Dir},
		Write:        []string{cfg.Authn.CacheFile},
		Sockets:      []string{cfg.Admin.Socket},
	}
	for _, p := range append(cfg.TLS.Pairs(), cfg.TLS.IssuingCA.KeyPair) {
		f.Read = append(f.Read, p.CertificateFile, p.PrivateKeyFile)
	}
	for _, c := range cfg.Clusters {
		f.Read = append(f.Read, c.CertificateAuthorityFile, c.BearerTokenFile, c.ClientCertificateFile, c.ClientKeyFile)
		if c.InCluster {
			f.ReadFolders = append(f.ReadFolders, cluster.ServiceAccountDir)
		}
	}
	if cfg.Audit.Output != audit.Stdout {
		f.Write = append(f.Write, cfg.Audit.Output)
	}
	return f
}

// enter confines the process, and tells to what.
func (b *sandbox) enter(log zerolog.Logger) error {
	version := confine.Version()
	event := log.Info().Int("landlock", version).Strs("read", b.needs.Read).Strs("write", b.needs.Write).Strs("bind", b.needs.Bind)
	switch {
	case b.inherited:
		event.Msg("confined to the files that its predecessor could reach")
		return nil
	case b.mode == config.LandlockOff:
		return nil
	}
	program, err := ownProgram()
	if err != nil {
		program = "" // as an upgrade will say
	}
	if err := b.needs.Apply(program, b.mode == config.LandlockRequired); err != nil {
		return fmt.Errorf("confining the process (sandbox.landlock: %s): %w", b.mode, err)
	}
	if version == 0 {
		log.Warn().Msg("not confined: the kernel has no Landlock; sandbox.landlock: off says that this is known")
		b.mode = config.LandlockOff
		return nil
	}
	event.Msg("confined to the files that the configuration needs")
	return nil
}

// ownProgram returns the file of this program, as it was called: what os.Executable
// returns names a file that is deleted once another version has been installed over
// it.
func ownProgram() (string, error) { return exec.LookPath(os.Args[0]) }

// active reports whether the process is confined, or will be.
func (b *sandbox) active() bool { return b.inherited || b.mode != config.LandlockOff }

// cover refuses a configuration that needs what the process has given up.
func (b *sandbox) cover(cfg *config.Config) error {
	if !b.active() {
		return nil
	}
	wanted := confine.Of(filesOf(cfg, b.file))
	return b.needs.Cover(&wanted)
}

// environment tells a successor what it is confined to.
func (b *sandbox) environment() []string {
	if !b.active() {
		return nil
	}
	text, err := json.Marshal(b.needs)
	if err != nil {
		panic("spliceway: internal error: " + err.Error()) // it has nothing but texts
	}
	return []string{confined + "=" + string(text)}
}

// describe returns, as comments, what the gateway will be confined to.
func describe(cfg *config.Config, file string) string {
	version := confine.Version()
	switch {
	case cfg.Sandbox.Landlock == config.LandlockOff:
		return "# Once it serves, the gateway keeps all rights to files: sandbox.landlock is off.\n"
	case version == 0:
		return "# Once it serves, the gateway keeps all rights to files: this kernel has no Landlock.\n"
	}
	n := confine.Of(filesOf(cfg, file))
	return fmt.Sprintf("# Once it serves, the gateway can reach no files but these and those of the system (Landlock %d):\n# read: %s\n# write: %s\n# sockets: %s\n",
		version, strings.Join(n.Read, " "), strings.Join(n.Write, " "), strings.Join(n.Bind, " "))
}
