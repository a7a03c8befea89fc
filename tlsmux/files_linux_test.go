package tlsmux

import (
	"net"
	"os"
	"os/exec"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

const fewFiles = "SPLICEWAY_TEST_FEW_FILES"

// TestFilesExhausted lets a process of its own run out of descriptors, with more
// connections waiting than it can accept.
func TestFilesExhausted(t *testing.T) {
	if os.Getenv(fewFiles) == "" {
		c := exec.Command(os.Args[0], "-test.run=^TestFilesExhausted$", "-test.v")
		c.Env = append(os.Environ(), fewFiles+"=1")
		if out, err := c.CombinedOutput(); err != nil {
			t.Errorf("the process: %v\n%s", err, out)
		}
		return
	}
	var failed atomic.Int64
	g := newGateway(t, func(cfg *Config) {
		cfg.AcceptFailed = func(err error) { failed.Add(1) }
	})
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var clients []net.Conn
	for range 20 { // the kernel takes them
		clients = append(clients, dial(t, ln.Addr().String()))
	}
	top := clients[len(clients)-1].(*net.TCPConn)
	var highest uintptr
	raw, err := top.SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	if err := raw.Control(func(fd uintptr) { highest = fd }); err != nil {
		t.Fatal(err)
	}
	few := syscall.Rlimit{Cur: uint64(highest) + 5, Max: uint64(highest) + 5}
	if err := syscall.Setrlimit(syscall.RLIMIT_NOFILE, &few); err != nil {
		t.Fatal(err)
	}
	served := make(chan error, 1)
	go func() { served <- g.mux.Serve(t.Context(), ln) }() // ends with Shutdown
	for deadline := time.Now().Add(time.Minute); failed.Load() == 0; time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("accepting has not failed")
		}
	}
	if n := g.mux.Connections(); n == 0 || n >= len(clients) {
		t.Errorf("%d connections were accepted, want some of %d", n, len(clients))
	}
	for _, c := range clients {
		c.Close()
	}
	inner := g.tunnel(dial(t, ln.Addr().String()))
	wantEcho(t, inner)
	inner.Close()
	select {
	case err := <-served:
		t.Errorf("Serve has ended with %v", err)
	default:
	}
}
