package issuer

import (
	"bytes"
	"context"
	"log"
	"slices"
	"strings"
	"time"

	"github.com/rs/zerolog"

	"github.com/spliceway/spliceway/internal/filewatch"
)

// openConfig loads the configuration and watches it and the secret files that it names now.
func openConfig(path string) (*filewatch.Value[*directory], error) {
	dir, err := loadDirectory(path)
	if err != nil {
		return nil, err
	}
	load := func() (*directory, error) { return loadDirectory(path) }
	return filewatch.New(load, dir.config.files(path)...)
}

// watchConfig takes up new versions of the configuration until ctx is done.
func (s *Server) watchConfig(ctx context.Context) {
	ticker := time.NewTicker(watchEvery)
	defer ticker.Stop()
	report := s.reporter("configuration")
	var failure string // the last one reported
	for {
		changed, err := s.config.Check()
		switch {
		case err != nil && err.Error() != failure:
			failure = err.Error()
			report(err)
		case changed:
			failure = ""
			s.adopt()
			report(nil)
		}
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
	}
}

// adopt puts what the watcher has loaded into force.
func (s *Server) adopt() {
	before, next := s.Config(), s.config.Get()
	if before.needsRestart(next.config) {
		s.log.Warn().Msg("the change of listen, tls or dataDir waits for the next start")
	}
	s.directory.Store(next)
	if slices.Equal(before.files(s.path), next.config.files(s.path)) {
		return
	}
	// Other secret files than before are to be watched from now on. An error means that the files have changed
	// again already; the watcher that we keep sees it at its next look.
	if config, err := openConfig(s.path); err == nil {
		s.config = config
		s.directory.Store(config.Get())
	}
}

// newErrorLog turns what net/http reports into log lines: mostly handshakes that fail, and the panics of handlers, which
// are ours to repair.
func newErrorLog(logger zerolog.Logger) *log.Logger {
	return log.New(errorWriter{logger}, "", 0)
}

type errorWriter struct{ log zerolog.Logger }

func (w errorWriter) Write(line []byte) (int, error) {
	level := zerolog.DebugLevel
	if bytes.HasPrefix(line, []byte("http: panic")) {
		level = zerolog.ErrorLevel
	}
	w.log.WithLevel(level).Str("error", strings.TrimSpace(string(line))).Msg("connection fault")
	return len(line), nil
}
