package gateway

import (
	"context"
	"errors"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// manager is a service manager that keeps what it is told.
type manager struct {
	mu   sync.Mutex
	told []string
}

func (m *manager) tell(assignments ...string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.told = append(m.told, assignments...)
}

func (m *manager) heard(assignment string) func() bool {
	return func() bool {
		m.mu.Lock()
		defer m.mu.Unlock()
		return slices.Contains(m.told, assignment)
	}
}

// A service manager hears that it is ready, how it is going, that it lives, and
// that it stops.
func TestProcessTells(t *testing.T) {
	b := newBed(t)
	b.prepare(nil)
	m := &manager{}
	b.runIn(Process{Tell: m.tell, Watchdog: 10 * time.Second})
	b.until("it is ready", m.heard("READY=1"))
	b.until("it lives", m.heard("WATCHDOG=1"))
	n := b.open()
	n.mustAsk("/api")
	b.until("it has a tunnel", m.heard("STATUS=serving: 1 tunnels, 0 sessions"))
	b.reload(settings{"listen": `"127.0.0.1:1"`})
	b.until("it has refused", func() bool {
		m.mu.Lock()
		defer m.mu.Unlock()
		return strings.Contains(m.told[len(m.told)-1]+m.told[len(m.told)-2], "the changed configuration was refused: gateway: listen can't change")
	})
	if err := b.stop(); err != nil {
		t.Errorf("Run = %v", err)
	}
	if !m.heard("STOPPING=1")() {
		t.Errorf("it was told %q, want STOPPING=1", m.told)
	}
}

// stuckListener has a loop wait for as long as nobody connects, whatever its deadline.
type stuckListener struct{ *net.TCPListener }

func (stuckListener) SetDeadline(time.Time) error { return nil }

// The watchdog of a gateway of which one listener is stuck hears nothing more, while
// the status goes on.
func TestProcessStuck(t *testing.T) {
	tcp, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	stuck := stuckListener{tcp.(*net.TCPListener)}
	b := newBed(t)
	b.prepare(settings{"listen": `"` + tcp.Addr().String() + `"`})
	m := &manager{}
	b.runIn(Process{Tell: m.tell, Watchdog: 300 * time.Millisecond, Sockets: map[string][]net.Listener{SocketGateway: {stuck}}})
	b.until("it lives", m.heard("WATCHDOG=1"))
	b.until("it tells its status only", func() bool {
		m.mu.Lock()
		defer m.mu.Unlock()
		last := m.told[max(len(m.told)-3, 0):]
		return !slices.ContainsFunc(last, func(s string) bool { return !strings.HasPrefix(s, "STATUS=") })
	})
}

// Sockets that are open already are served, whatever they are called by the
// configuration; those that it does not name are refused.
func TestProcessSockets(t *testing.T) {
	inherited := func() net.Listener {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		return l
	}
	gateway, metrics := inherited(), inherited()
	b := newBed(t)
	b.prepare(settings{"listen": `"` + gateway.Addr().String() + `"`, "metrics": `{listen: "` + metrics.Addr().String() + `"}`})
	b.runIn(Process{Sockets: map[string][]net.Listener{SocketGateway: {gateway}, SocketMetrics: {metrics}}})
	b.open().mustAsk("/api")
	if status, _ := b.get("/healthz"); status != http.StatusOK {
		t.Errorf("GET /healthz on the inherited socket = %d", status)
	}
	for name, want := range map[string]string{SocketGateway: "which listen does not name", "other": "FileDescriptorName= must be"} {
		l := inherited()
		refused := newBed(t)
		refused.prepare(settings{"listen": `"127.0.0.1:1"`})
		err := refused.gateway.RunIn(context.Background(), Process{Sockets: map[string][]net.Listener{name: {l}}})
		if err == nil || name == "other" && !strings.Contains(err.Error(), want) {
			t.Errorf("%s: RunIn = %v, want %q", name, err, want)
		}
		if _, err := l.Accept(); err == nil {
			t.Errorf("%s: the socket is open", name)
		}
	}
}

// A process gives up its rights when its ports are open, or serves nobody.
func TestProcessConfine(t *testing.T) {
	b := newBed(t)
	b.prepare(nil)
	calls := 0
	b.runIn(Process{Confine: func() error { calls++; return nil }})
	b.open().mustAsk("/api")
	b.mustReload(nil)
	b.stop()
	if calls != 1 {
		t.Errorf("Confine was called %d times, want once", calls)
	}
	refused, want := newBed(t), context.DeadlineExceeded
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	refused.prepare(settings{"listen": `"` + l.Addr().String() + `"`})
	err = refused.gateway.RunIn(t.Context(), Process{Sockets: map[string][]net.Listener{SocketGateway: {l}}, Confine: func() error { return want }})
	if !errors.Is(err, want) {
		t.Errorf("RunIn = %v, want the error of Confine", err)
	}
	if _, err := l.Accept(); err == nil {
		t.Error("the socket is open")
	}
}

// Whoever sends connections hears that it stops before it does not take them.
func TestDrainDelay(t *testing.T) {
	b := start(t, settings{"drain": `{delay: 2s, timeout: 5s}`})
	b.cancel()
	b.until("it is not ready", func() bool { status, _ := b.get("/readyz"); return status == http.StatusServiceUnavailable })
	b.open().mustAsk("/api")
	if err := b.stop(); err != nil {
		t.Errorf("Run = %v", err)
	}
}

// A successor has the sockets before this gateway lets go of them.
func TestHandOver(t *testing.T) {
	b := start(t, nil)
	b.api.on("/apis/stream", echo)
	stream := b.open()
	stream.startStream("/apis/stream")
	refusal := context.DeadlineExceeded
	if err := b.gateway.HandOver(func([]Socket) error { return refusal }); err != refusal {
		t.Errorf("HandOver = %v, want what the start returned", err)
	}
	b.open().mustAsk("/api")
	var successor net.Listener
	err := b.gateway.HandOver(func(sockets []Socket) (err error) {
		if len(sockets) != 2 || sockets[0].Name != SocketGateway || sockets[1].Name != SocketMetrics {
			t.Errorf("the sockets are %+v", sockets)
		}
		successor, err = net.FileListener(sockets[0].File)
		return err
	})
	if err != nil {
		t.Fatalf("HandOver = %v", err)
	}
	defer successor.Close()
	b.log.one(t, "message", "a successor serves; this process ends with its last connection")
	stream.wantEcho("lives on")
	go net.Dial("tcp", b.address)
	if c, err := successor.Accept(); err != nil {
		t.Errorf("Accept = %v", err)
	} else {
		c.Close()
	}
	if err := b.gateway.HandOver(nil); err != errNotServing {
		t.Errorf("a second HandOver = %v, want errNotServing", err)
	}
	stream.Close()
	<-b.done
	if b.err != nil {
		t.Errorf("Run = %v", b.err)
	}
}
