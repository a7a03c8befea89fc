package tlsio

import (
	"bytes"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"os"
	"testing"
	"testing/synctest"
	"time"

	"github.com/spliceway/spliceway/internal/testnet"
)

// wire is a Conn over TCP and, with TLS at both ends, its peer.
type wire struct {
	*Conn
	peer net.Conn
	ca   *testnet.CA
	raw  net.Conn // the peer's end below TLS
}

func newWire(t *testing.T, layers int) *wire {
	t.Helper()
	theirs, ours := testnet.TCPPair(t)
	w := &wire{peer: theirs, raw: theirs, ca: testnet.NewCA(t)}
	serve := &tls.Config{Certificates: []tls.Certificate{w.ca.Issue(t, "peer.test")}, DynamicRecordSizingDisabled: true}
	trust := &tls.Config{RootCAs: w.ca.Pool(), ServerName: "peer.test", DynamicRecordSizingDisabled: true}
	base := NewBase(ours)
	top, bases := net.Conn(base), []*Base{base}
	for n := range layers {
		if n > 0 {
			base := NewBase(top)
			top, bases = base, append([]*Base{base}, bases...)
		}
		top, w.peer = tls.Server(top, serve), tls.Client(w.peer, trust)
	}
	w.Conn = New(top, bases...)
	if layers > 0 {
		done := make(chan error, 1)
		go func() { done <- w.peer.(*tls.Conn).Handshake() }()
		if err := w.Conn.Conn.(*tls.Conn).Handshake(); err != nil {
			t.Fatal(err)
		}
		if err := <-done; err != nil {
			t.Fatal(err)
		}
	}
	return w
}

// says has the peer write p and waits until the kernel has something for us.
func (w *wire) says(t *testing.T, p []byte) {
	t.Helper()
	if _, err := w.peer.Write(p); err != nil {
		t.Fatal(err)
	}
	if err := w.AwaitArrival(); err != nil {
		t.Fatal(err)
	}
}

func eachDepth(t *testing.T, run func(t *testing.T, w *wire)) {
	for layers, name := range []string{"plain", "tls", "nested"} {
		t.Run(name, func(t *testing.T) { run(t, newWire(t, layers)) })
	}
}

func TestReadArrivedDoesNotWait(t *testing.T) {
	eachDepth(t, func(t *testing.T, w *wire) {
		p := make([]byte, 100)
		if n := w.ReadArrived(p); n != 0 {
			t.Errorf("ReadArrived() = %d with nothing there", n)
		}
		w.says(t, []byte("hello"))
		if err := w.Await(); err != nil {
			t.Fatal(err)
		}
		if n := w.ReadArrived(p); string(p[:n]) != "hello" {
			t.Errorf("ReadArrived() = %q, want %q", p[:n], "hello")
		}
		if !w.Drained() {
			t.Error("Drained() = false behind the last octet")
		}
	})
}

// TestReadArrivedOctets wants every octet in its place, whichever method reads it.
func TestReadArrivedOctets(t *testing.T) {
	eachDepth(t, func(t *testing.T, w *wire) {
		sent := make([]byte, 1<<20)
		for i := range sent {
			sent[i] = byte(i * 7 >> 3)
		}
		go func() { // ends when all is read, or with the connection
			for rest, size := sent, 1; len(rest) > 0; size = size*3%50_000 + 1 {
				size = min(size, len(rest))
				w.peer.Write(rest[:size])
				rest = rest[size:]
			}
			w.peer.(interface{ CloseWrite() error }).CloseWrite()
		}()
		got, p := []byte{}, make([]byte, 40_000)
		for turn := 0; ; turn++ {
			var n int
			var err error
			if turn%3 == 0 {
				n, err = w.Read(p)
			} else if err = w.Await(); err == nil && turn%3 == 1 {
				n, err = w.Read(p[:1+turn%len(p)])
			} else if err == nil {
				n = w.ReadArrived(p)
			}
			got = append(got, p[:n]...)
			if err == io.EOF {
				break
			}
			if err != nil {
				t.Fatal(err)
			}
		}
		if !bytes.Equal(got, sent) {
			t.Errorf("%d octets, not the %d that were sent", len(got), len(sent))
		}
	})
}

func TestDrainedSeesWhatIsLeft(t *testing.T) {
	eachDepth(t, func(t *testing.T, w *wire) {
		w.says(t, []byte("ab"))
		if n, err := w.Read(make([]byte, 1)); n != 1 || err != nil {
			t.Fatalf("Read() = %d, %v", n, err)
		}
		if w.Drained() {
			t.Error("Drained() = true before the last octet")
		}
		if p := make([]byte, 2); w.ReadArrived(p) != 1 || p[0] != 'b' {
			t.Errorf("the octet that Drained has seen is %q, want %q", p, "b")
		}
	})
}

func TestWriteIsWholeAndInOrder(t *testing.T) {
	eachDepth(t, func(t *testing.T, w *wire) {
		var sent []byte
		for _, size := range []int{1, oneRecord, oneRecord + 1, 32 << 10, blockSize, 200_000} {
			sent = append(sent, bytes.Repeat([]byte{byte(size >> 2)}, size)...)
		}
		go func() { // ends when all is written, or with the connection
			rest := sent
			for _, size := range []int{1, oneRecord, oneRecord + 1, 32 << 10, blockSize, 200_000} {
				if n, err := w.Write(rest[:size]); n != size || err != nil {
					t.Errorf("Write(%d octets) = %d, %v", size, n, err)
				}
				rest = rest[size:]
			}
			w.CloseWrite()
		}()
		got, err := io.ReadAll(w.peer)
		if err != nil || !bytes.Equal(got, sent) {
			t.Errorf("the peer reads %d octets (%v), not the %d that were written", len(got), err, len(sent))
		}
	})
}

// counted counts Writes.
type counted struct {
	net.Conn
	writes int
	err    error // of the next Write
}

func (c *counted) Write(p []byte) (int, error) {
	c.writes++
	if c.err != nil {
		return 0, c.err
	}
	return len(p), nil
}

func TestWriteOfManyRecordsIsOneWriteBelow(t *testing.T) {
	for layers := 1; layers <= 2; layers++ {
		w := newWire(t, layers)
		below := &counted{Conn: w.socket.Conn}
		w.socket.Conn = below
		if n, err := w.Write(make([]byte, 32<<10)); n != 32<<10 || err != nil {
			t.Fatalf("Write() = %d, %v", n, err)
		}
		if below.writes != 1 {
			t.Errorf("%d writes below %d layers, want 1", below.writes, layers)
		}
	}
}

func TestGatherIsOneWriteBelow(t *testing.T) {
	w := newWire(t, 2)
	below := &counted{Conn: w.socket.Conn}
	w.socket.Conn = below
	w.socket.Gather(func() {
		w.CloseWrite()                           // of the inner layer
		w.bases[0].Conn.(*tls.Conn).CloseWrite() // of the outer layer
		if below.writes != 0 {
			t.Errorf("%d writes before the end of what is gathered", below.writes)
		}
	})
	if below.writes != 1 {
		t.Errorf("%d writes, want 1", below.writes)
	}
	if n, err := w.socket.Write([]byte("x")); n != 1 || err != nil || below.writes != 2 {
		t.Errorf("Write() = %d, %v behind it, %d writes in all, want 1, none, 2", n, err, below.writes)
	}
	below.err = errors.New("gone")
	w.socket.Gather(func() { w.socket.Write([]byte("x")) })
	if _, err := w.socket.Write([]byte("x")); !errors.Is(err, below.err) {
		t.Errorf("Write() = %v behind what was lost, want %v", err, below.err)
	}
}

func TestWriteThatFailsBelowFailsForGood(t *testing.T) {
	w := newWire(t, 2)
	below := &counted{Conn: w.socket.Conn, err: errors.New("gone")}
	w.socket.Conn = below
	if n, err := w.Write(make([]byte, 32<<10)); n != 0 || !errors.Is(err, below.err) {
		t.Errorf("Write() = %d, %v, want 0, %v", n, err, below.err)
	}
	below.err = nil
	if n, err := w.Write([]byte("x")); n != 0 || err == nil {
		t.Errorf("Write() = %d, %v behind a failure, want an error", n, err)
	}
	if below.writes != 1 {
		t.Errorf("%d writes, want none behind the one that failed", below.writes)
	}
}

func TestAwaitArrivalEnds(t *testing.T) {
	tests := []struct {
		name string
		end  func(w *wire)
		want error
	}{
		{"deadline", func(w *wire) { w.SetReadDeadline(time.Unix(1, 0)) }, os.ErrDeadlineExceeded},
		{"octets", func(w *wire) { w.raw.Write([]byte("x")) }, nil},
		{"end", func(w *wire) { w.raw.Close() }, nil},
		{"closed-here", func(w *wire) { w.Close() }, net.ErrClosed},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			w := newWire(t, 0)
			got := make(chan error, 1)
			go func() { got <- w.AwaitArrival() }()
			test.end(w)
			if err := <-got; !errors.Is(err, test.want) {
				t.Errorf("AwaitArrival() = %v, want %v", err, test.want)
			}
		})
	}
}

func TestSilent(t *testing.T) {
	w := newWire(t, 0)
	if !w.Socket().Silent() {
		t.Error("Silent() = false with nothing there")
	}
	w.says(t, []byte("x"))
	if w.Socket().Silent() {
		t.Error("Silent() = true with an octet there")
	}
}

// TestWithoutKernel wants what is no socket of the kernel's to be read as ever.
func TestWithoutKernel(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		theirs, ours := testnet.Pipe()
		defer theirs.Close()
		defer ours.Close()
		base := NewBase(ours)
		c := New(base, base)
		go theirs.Write([]byte("hello"))
		if c.CanAwait() || !base.Silent() || c.AwaitArrival() != nil {
			t.Error("a pipe claims to know what has arrived")
		}
		p := make([]byte, 10)
		if n, err := c.Read(p); string(p[:n]) != "hello" || err != nil {
			t.Errorf("Read() = %q, %v", p[:n], err)
		}
		if n := c.ReadArrived(p); n != 0 {
			t.Errorf("ReadArrived() = %d", n)
		}
	})
}
