//go:build linux

package soak

import (
	"context"
	"crypto/tls"
	"io"
	"log"
	"net"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"
)

const credential = "credential-of-the-gateway"

// apiServer answers what it is asked with what it was asked, and who by. It can be
// killed and started again at the same address.
type apiServer struct {
	t       *testing.T
	address string
	cert    tls.Certificate
	server  *http.Server
	done    chan struct{} // closed when server has ended
}

func startAPIServer(t *testing.T, cert tls.Certificate) *apiServer {
	s := &apiServer{t: t, address: "127.0.0.1:0", cert: cert}
	s.start()
	t.Cleanup(s.kill)
	return s
}

func (s *apiServer) start() {
	s.t.Helper()
	l, err := net.Listen("tcp", s.address)
	if err != nil {
		s.t.Fatal(err)
	}
	s.address = l.Addr().String()
	ctx, cancel := context.WithCancel(context.Background())
	s.server = &http.Server{
		Handler: s, ErrorLog: log.New(io.Discard, "", 0),
		TLSConfig:   &tls.Config{Certificates: []tls.Certificate{s.cert}},
		BaseContext: func(net.Listener) context.Context { return ctx },
	}
	done := make(chan struct{})
	s.done = done
	go func(server *http.Server) { // ends with kill
		defer close(done)
		defer cancel()
		server.ServeTLS(l, "", "")
	}(s.server)
}

// kill closes all connections as they are, as the kernel does for a process that is
// killed.
func (s *apiServer) kill() {
	s.server.Close()
	<-s.done
}

// ServeHTTP implements http.Handler.
func (s *apiServer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	users := r.Header["Impersonate-User"]
	if len(users) != 1 || strings.TrimSpace(users[0]) == "" || r.Header.Get("Authorization") != "Bearer "+credential {
		s.t.Errorf("a request reaches the API server with the users %q", users)
		return
	}
	line := lineOf(users[0], r.URL.Path)
	switch kind, count := strings.Split(r.URL.Path, "/")[1], countOf(r.URL.Path); kind {
	case "api":
		if strings.Contains(r.URL.Path, "/"+unrecorded+"/") {
			echo(w, r)
			return
		}
		s.exec(w, r, users[0])
	case "send":
		body, err := io.ReadAll(r.Body)
		if err != nil {
			panic(http.ErrAbortHandler)
		}
		if whole := strings.Repeat(line, count); string(body) != whole {
			s.t.Errorf("%s arrives with a body of %d octets, want %d of its own", r.URL.Path, len(body), len(whole))
		}
		io.WriteString(w, line)
	case "watch":
		for range count {
			if _, err := io.WriteString(w, line); err != nil || r.Context().Err() != nil {
				panic(http.ErrAbortHandler) // to return would be an orderly end
			}
			http.NewResponseController(w).Flush()
			time.Sleep(5 * time.Millisecond)
		}
	default:
		w.Header().Set("Content-Length", strconv.Itoa(count*len(line)))
		io.WriteString(w, strings.Repeat(line, count))
	}
}

// lineOf is what all bodies of a request consist of. countOf is how many there are:
// a path is /KIND/NUMBER/COUNT.
func lineOf(user, path string) string { return user + " " + path + "\n" }

func countOf(path string) int {
	n, _ := strconv.Atoi(path[strings.LastIndexByte(path, '/')+1:])
	return n
}

// echo agrees to a stream and sends back what comes.
func echo(w http.ResponseWriter, r *http.Request) {
	conn, buffered, err := w.(http.Hijacker).Hijack()
	if err != nil {
		panic(err)
	}
	defer conn.Close()
	defer context.AfterFunc(r.Context(), func() { conn.Close() })() // it is no longer the server's to close
	io.WriteString(conn, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: SPDY/3.1\r\n\r\n")
	io.Copy(conn, buffered)
}
