//go:build linux

package soak

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"golang.org/x/net/websocket"

	"github.com/spliceway/spliceway/record"
)

// The channels of v5.channel.k8s.io, and the status of a command that went well.
const (
	channelProtocol = "v5.channel.k8s.io"
	channelIn       = 0
	channelOut      = 1
	channelStatus   = 3
	statusSuccess   = `{"metadata":{},"status":"Success"}`
)

// The namespaces whose sessions are recorded, and those of which nobody takes notice.
const (
	recorded   = "recorded"
	unrecorded = "unrecorded"
)

// execPath is what the API server is asked for an exec whose command is a path.
func execPath(namespace, path string) string {
	return "/api/v1/namespaces/" + namespace + "/pods/p/exec?stdin=true&stdout=true&command=" + url.QueryEscape(path)
}

// exec runs a command that repeats what it is told, and is told count lines.
func (t *tunnel) exec(path, line string, count int) (word string) {
	config, err := websocket.NewConfig("wss://k8s.test"+execPath(recorded, path), "https://k8s.test")
	if err != nil {
		return err.Error()
	}
	config.Protocol = []string{channelProtocol}
	ws, err := websocket.NewClient(config, t.Conn)
	switch {
	case errors.Is(err, websocket.ErrBadStatus):
		return "exec refused"
	case err != nil:
		return "cut"
	}
	ws.PayloadType = websocket.BinaryFrame
	go func() { // ends with the tunnel
		for range count {
			websocket.Message.Send(ws, append([]byte{channelIn}, line...))
		}
	}()
	return judgeExec(ws, strings.Repeat(line, count))
}

// judgeExec wants to hear text and then that it is all.
func judgeExec(ws *websocket.Conn, text string) (word string) {
	for heard := ""; ; {
		var p []byte
		if err := websocket.Message.Receive(ws, &p); err != nil {
			return "cut"
		}
		switch {
		case len(p) == 0:
			return wordWrong + " exec"
		case p[0] == channelOut:
			heard += string(p[1:])
		case p[0] == channelStatus && string(p[1:]) != statusSuccess:
			return "exec ended with a reason"
		case p[0] == channelStatus && heard == text:
			return wordWhole
		}
		if !strings.HasPrefix(text, heard) || p[0] == channelStatus {
			return wordWrong + " exec"
		}
	}
}

// exec is the API server's side of it.
func (s *apiServer) exec(w http.ResponseWriter, r *http.Request, user string) {
	path := r.URL.Query().Get("command")
	left := countOf(path) * len(lineOf(user, path))
	websocket.Server{
		Handshake: func(c *websocket.Config, _ *http.Request) error { c.Protocol = c.Protocol[:1]; return nil },
		Handler: func(ws *websocket.Conn) {
			defer context.AfterFunc(r.Context(), func() { ws.Close() })() // it is no longer the server's to close
			ws.PayloadType = websocket.BinaryFrame
			for left > 0 {
				var p []byte
				if err := websocket.Message.Receive(ws, &p); err != nil || len(p) == 0 || p[0] != channelIn {
					return
				}
				left -= len(p) - 1
				p[0] = channelOut
				websocket.Message.Send(ws, p)
			}
			websocket.Message.Send(ws, append([]byte{channelStatus}, statusSuccess...))
		},
	}.ServeHTTP(w, r)
}

// seen are the commands whose users have heard all of their output.
type seen struct {
	mu   sync.Mutex
	text map[string]string // guarded by mu; by command
}

func (s *seen) add(path, text string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.text == nil {
		s.text = make(map[string]string)
	}
	s.text[path] = text
}

// take returns what is there, and forgets it.
func (s *seen) take() map[string]string {
	s.mu.Lock()
	defer s.mu.Unlock()
	text := s.text
	s.text = nil
	return text
}

// wantRecordings wants every recording to be ended, proven, and of nothing but what its
// command has said, and one for each command whose user heard it to the end, with all of
// it. It removes them, and returns how many there were.
func (b *bed) wantRecordings() (n int64) {
	b.t.Helper()
	dir := filepath.Join(b.dir, recordings)
	key, err := record.ReadPublicKeys(dir)
	if err != nil {
		b.t.Fatal(err)
	}
	whole := b.seen.take()
	for r, err := range record.List(dir, record.Filter{}) {
		if err != nil {
			b.t.Error(err)
			continue
		}
		n++
		path := strings.Join(r.Command, " ")
		said, heard := output(b.t, r.Path), whole[path]
		delete(whole, path)
		if v, err := record.Verify(r.Path, key...); err != nil || !v.OK() || r.State != record.StateComplete {
			b.t.Errorf("the recording of %s is %s, Verify = %v, %v", path, r.State, v, err)
		}
		if all := strings.Repeat(lineOf(r.User, path), countOf(path)); !strings.HasPrefix(all, said) || heard != "" && said != heard {
			b.t.Errorf("the recording of %s shows %d octets, its user has heard %d", path, len(said), len(heard))
		}
	}
	for path := range whole {
		b.t.Errorf("%s has no recording", path)
	}
	days, _ := filepath.Glob(filepath.Join(dir, "*", "*", "*"))
	for _, day := range days {
		os.RemoveAll(day)
	}
	return n
}

// output is what a command said, according to its recording.
func output(t *testing.T, path string) string {
	t.Helper()
	f, err := record.OpenFile(path)
	if err != nil {
		t.Error(err)
		return ""
	}
	defer f.Close()
	var said bytes.Buffer
	for {
		event, err := f.Next()
		if errors.Is(err, io.EOF) {
			return said.String()
		}
		if err != nil {
			t.Errorf("reading the recording %s: %v", path, err)
			return ""
		}
		if event.Code == 'o' && !event.Stderr { // what the gateway says of an early end is on stderr
			said.Write(record.AppendOctets(nil, event.Text, f.Header.CRAdded))
		}
	}
}
