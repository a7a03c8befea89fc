package issuer

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"github.com/rs/zerolog"
	"golang.org/x/net/netutil"

	"github.com/spliceway/spliceway/internal/filewatch"
)

const (
	// watchEvery is how soon a changed file is noticed.
	watchEvery = 2 * time.Second

	headTimeout  = 10 * time.Second
	readTimeout  = 20 * time.Second
	writeTimeout = 30 * time.Second
	idleTimeout  = 2 * time.Minute
	// drainTimeout is how long requests may take to end after the context is done.
	drainTimeout = 5 * time.Second
	maxHead      = 16 << 10
	maxConns     = 512
)

// Server is an issuer. Make it with New.
type Server struct {
	path      string
	log       zerolog.Logger
	config    *filewatch.Value[*directory] // owned by watchConfig
	directory atomic.Pointer[directory]    // what config has had last
	keys      *filewatch.Value[*keyring]
	pair      *pairSource // nil: none is configured
	authority *authority  // nil: a pair is configured
	handler   *handler
}

// New reads the configuration file, makes what the data directory lacks (the first signing key, the certificate
// authority) and returns a server that does not listen yet.
func New(configFile string, log zerolog.Logger) (*Server, error) {
	config, err := openConfig(configFile)
	if err != nil {
		return nil, err
	}
	cfg := config.Get().config
	if err := os.MkdirAll(cfg.DataDir, 0o700); err != nil {
		return nil, fmt.Errorf("issuer: making the data directory: %w", err)
	}
	if err := ensureKeys(cfg.DataDir); err != nil {
		return nil, err
	}
	keys, err := filewatch.New(func() (*keyring, error) { return loadKeys(cfg.DataDir) }, filepath.Join(cfg.DataDir, keysFolder))
	if err != nil {
		return nil, err
	}
	s := &Server{path: configFile, log: log, config: config, keys: keys}
	s.directory.Store(config.Get())
	s.handler = &handler{directory: s.directory.Load, keyring: keys.Get, auth: newAuthenticator(), log: log}
	if cfg.TLS.CertificateFile != "" {
		s.pair, err = newPairSource(cfg.TLS.CertificateFile, cfg.TLS.PrivateKeyFile)
	} else {
		s.authority, err = openAuthority(cfg.DataDir, cfg.TLS.Hosts)
	}
	if err != nil {
		return nil, err
	}
	return s, nil
}

// CAFile is the file with the self-made certificate authority, or empty when a certificate pair is configured.
func (s *Server) CAFile() string {
	if s.authority == nil {
		return ""
	}
	return s.authority.caFile
}

func (s *Server) certificate(hello *tls.ClientHelloInfo) (*tls.Certificate, error) {
	if s.pair != nil {
		return s.pair.certificate(hello)
	}
	return s.authority.certificate(hello)
}

// Config returns the configuration in force. The caller does not change it.
func (s *Server) Config() *Config { return s.directory.Load().config }

// Run listens on the configured address, calls ready, and serves until ctx is done; then it returns nil.
func (s *Server) Run(ctx context.Context, ready func()) error {
	ln, err := new(net.ListenConfig).Listen(ctx, "tcp", s.Config().Listen)
	if err != nil {
		return fmt.Errorf("issuer: listening: %w", err)
	}
	ready()
	return s.Serve(ctx, ln)
}

// Serve takes over ln, which accepts plain TCP, and serves HTTPS on it until ctx is done; then it returns nil. It is
// called once.
func (s *Server) Serve(ctx context.Context, ln net.Listener) error {
	defer ln.Close()
	var watchers sync.WaitGroup
	defer watchers.Wait()
	// Everything that Serve has started ends with it, even when the listener fails.
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()

	watchers.Go(func() { s.watchConfig(ctx) })
	watchers.Go(func() { s.keys.Run(ctx, watchEvery, s.reporter("signing keys")) })
	if s.pair != nil {
		watchers.Go(func() { s.pair.run(ctx, s.reporter("certificate")) })
	}

	server := &http.Server{
		Handler:           s.handler,
		ReadHeaderTimeout: headTimeout,
		ReadTimeout:       readTimeout,
		WriteTimeout:      writeTimeout,
		IdleTimeout:       idleTimeout,
		MaxHeaderBytes:    maxHead,
		TLSConfig:         &tls.Config{MinVersion: tls.VersionTLS12, GetCertificate: s.certificate},
		ErrorLog:          newErrorLog(s.log),
	}
	watchers.Go(func() {
		<-ctx.Done()
		drain(server)
	})
	s.log.Info().Str("listen", ln.Addr().String()).Str("issuer", s.Config().Issuer).
		Str("ca_file", s.CAFile()).Str("kid", s.keys.Get().signer().kid).Msg("issuer is listening")
	err := server.ServeTLS(netutil.LimitListener(ln, maxConns), "", "")
	if errors.Is(err, http.ErrServerClosed) {
		return nil
	}
	return fmt.Errorf("issuer: serving: %w", err)
}

// drain ends server, which Serve's watcher has been told to: politely first.
func drain(server *http.Server) {
	ctx, cancel := context.WithTimeout(context.Background(), drainTimeout)
	defer cancel()
	if server.Shutdown(ctx) != nil {
		server.Close()
	}
}

// reporter logs what became of a changed file.
func (s *Server) reporter(what string) func(error) {
	return func(err error) {
		if err != nil {
			s.log.Error().Err(err).Str("what", what).Msg("reload refused, the former version stays in force")
			return
		}
		s.log.Info().Str("what", what).Msg("reloaded")
	}
}
