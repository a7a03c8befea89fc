package gateway

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log"
	"net"
	"net/http"
	"net/http/pprof"
	"os"
	"path/filepath"
	"strconv"
	"syscall"
	"time"

	"github.com/spliceway/spliceway/status"
)

// localSocket is the listener of admin.socket: a Unix socket that only root and the
// gateway's own user may connect to. It has the name of the configuration with the
// id of the process behind it; the name of the configuration is a link to it. So
// a successor takes the name over, and its predecessor can still be asked
// by the other one.
type localSocket struct {
	net.Listener
	name string // of the configuration
	own  string // of this process
}

// listenLocal opens the socket. It takes the name from whoever has it: there is one
// gateway for a configuration, and one that was killed has left its socket.
func listenLocal(name string) (*localSocket, error) {
	if err := os.Mkdir(filepath.Dir(name), 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
		return nil, err
	}
	removeAbandoned(name)
	own := name + "." + strconv.Itoa(os.Getpid())
	if err := os.Remove(own); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: own, Net: "unix"})
	if err != nil {
		return nil, err
	}
	l.SetUnlinkOnClose(false) // close does it, link first
	s := &localSocket{Listener: l, name: name, own: own}
	// Between the two calls others are kept out by Accept, which asks who they are.
	err = os.Chmod(own, 0o600)
	if err == nil {
		err = link(filepath.Base(own), name)
	}
	if err != nil {
		s.Close()
		return nil, err
	}
	return s, nil
}

// link makes or replaces a symbolic link in one step. What is no link is left alone.
func link(target, name string) error {
	if info, err := os.Lstat(name); err == nil && info.Mode()&(fs.ModeSymlink|fs.ModeSocket) == 0 {
		return fmt.Errorf("%s is there and is no socket", name)
	}
	temporary := name + ".new"
	if err := os.Remove(temporary); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if err := os.Symlink(target, temporary); err != nil {
		return err
	}
	return os.Rename(temporary, name)
}

// removeAbandoned removes the sockets of processes that were killed.
func removeAbandoned(name string) {
	all, err := filepath.Glob(name + ".*")
	if err != nil {
		return // it has a bracket in it
	}
	for _, beside := range all {
		c, err := net.Dial("unix", beside)
		if err == nil {
			c.Close()
		} else if errors.Is(err, syscall.ECONNREFUSED) {
			_ = os.Remove(beside) // in the way of nobody
		}
	}
}

// Accept returns connections of root and of the gateway's own user only.
func (s *localSocket) Accept() (net.Conn, error) {
	for {
		c, err := s.Listener.Accept()
		if err != nil {
			return nil, err
		}
		if peerAllowed(c.(*net.UnixConn)) {
			return c, nil
		}
		c.Close()
	}
}

// Close also removes what has the socket's name, unless a successor has it.
func (s *localSocket) Close() error {
	if target, err := os.Readlink(s.name); err == nil && target == filepath.Base(s.own) {
		_ = os.Remove(s.name)
	}
	_ = os.Remove(s.own)
	return s.Listener.Close()
}

// serveLocal answers on the local socket until ctx is done.
func (g *Gateway) serveLocal(ctx context.Context, l *localSocket) {
	server := g.local()
	stop := context.AfterFunc(ctx, func() { server.Close() })
	defer stop()
	if err := server.Serve(l); !errors.Is(err, http.ErrServerClosed) {
		g.log.Error().Err(err).Str("socket", l.name).Msg("the local socket is not served any more; all else goes on")
	}
}

// local serves what is for operators of this machine.
func (g *Gateway) local() *http.Server {
	mux := http.NewServeMux()
	mux.HandleFunc("GET "+status.Path, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(g.inside()) // nobody is left to be told of an error
	})
	mux.HandleFunc("GET /debug/pprof/", g.profile(pprof.Index))
	mux.HandleFunc("GET /debug/pprof/profile", g.profile(pprof.Profile))
	mux.HandleFunc("GET /debug/pprof/symbol", g.profile(pprof.Symbol))
	mux.HandleFunc("GET /debug/pprof/trace", g.profile(pprof.Trace))
	return &http.Server{
		Handler: mux, ReadHeaderTimeout: 10 * time.Second, ReadTimeout: 10 * time.Second,
		WriteTimeout: 10 * time.Minute, IdleTimeout: time.Minute, MaxHeaderBytes: 16 << 10, // a profile takes as long as is asked for
		ErrorLog: log.New(g.log, "local socket: ", 0),
	}
}

// profile lets a request for a profile pass if admin.profiling allows it. The
// command line is not among them: it is of no use here.
func (g *Gateway) profile(handler http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if !g.config().Admin.Profiling {
			http.Error(w, "profiling is off; set admin.profiling in the configuration and reload it", http.StatusForbidden)
			return
		}
		handler(w, r)
	}
}
