package upstream

import (
	"bufio"
	"crypto/sha1"
	"crypto/tls"
	"encoding/base64"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"

	"github.com/spliceway/spliceway/e2e/stack"
)

// Server is a scripted API server. Its fields are what a gateway's configuration
// needs.
type Server struct {
	URL       string
	CAFile    string
	TokenFile string // any token will do

	server *http.Server
}

// Start serves at a free address, with files in dir. The handler gets every path
// as it was sent, in Request.RequestURI.
func Start(dir string, handler http.Handler) (*Server, error) {
	authority, err := stack.NewAuthority(dir, "upstream")
	if err != nil {
		return nil, err
	}
	certFile, keyFile, err := authority.Issue(dir, "upstream", "127.0.0.1")
	if err != nil {
		return nil, err
	}
	cert, err := tls.LoadX509KeyPair(certFile, keyFile)
	if err != nil {
		return nil, err
	}
	s := &Server{CAFile: authority.File, TokenFile: filepath.Join(dir, "upstream-token")}
	if err := os.WriteFile(s.TokenFile, []byte("scripted\n"), 0o600); err != nil {
		return nil, err
	}
	listener, err := tls.Listen("tcp", "127.0.0.1:0", &tls.Config{Certificates: []tls.Certificate{cert}})
	if err != nil {
		return nil, err
	}
	s.URL = "https://" + listener.Addr().String()
	s.server = &http.Server{Handler: handler, ErrorLog: log.New(io.Discard, "", 0)} // a killed peer is no news
	go s.server.Serve(listener)                                                     // ends with Close
	return s, nil
}

// Use makes a stack forward to this server.
func (s *Server) Use(c *stack.Config) { c.Server, c.CAFile, c.Token = s.URL, s.CAFile, s.TokenFile }

// Close stops the server. Streams are their handlers' business.
func (s *Server) Close() error { return s.server.Close() }

// Switch answers an upgrade with 101 and the subprotocol, in the field of the
// protocol that the request asks for; "-" leaves the field out. The connection
// is the caller's.
func Switch(w http.ResponseWriter, r *http.Request, subprotocol string) (net.Conn, error) {
	conn, buffered, err := w.(http.Hijacker).Hijack()
	if err != nil {
		return nil, err
	}
	head := "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: " + r.Header.Get("Upgrade") + "\r\n"
	field := "X-Stream-Protocol-Version"
	if isWebSocket(r) {
		field = "Sec-WebSocket-Protocol"
		// RFC 6455, Section 4.2.2.
		sum := sha1.Sum([]byte(r.Header.Get("Sec-WebSocket-Key") + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"))
		head += "Sec-WebSocket-Accept: " + base64.StdEncoding.EncodeToString(sum[:]) + "\r\n"
	}
	if subprotocol != "-" {
		head += field + ": " + subprotocol + "\r\n"
	}
	if _, err := io.WriteString(conn, head+"\r\n"); err != nil {
		conn.Close()
		return nil, fmt.Errorf("answering the upgrade: %w", err)
	}
	return &readAhead{conn, buffered.Reader}, nil
}

func isWebSocket(r *http.Request) bool {
	return strings.EqualFold(r.Header.Get("Upgrade"), "websocket")
}

// readAhead is a connection of which more was read than was used.
type readAhead struct {
	net.Conn
	r *bufio.Reader
}

func (c *readAhead) Read(p []byte) (int, error) { return c.r.Read(p) }
