package testnet

import (
	"bytes"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"os"
	"sync"
	"syscall"
	"testing"
	"testing/iotest"
	"testing/synctest"
	"time"
)

func TestPipeCarriesBothWays(t *testing.T) {
	a, b := Pipe()
	defer a.Close()
	defer b.Close()
	for _, way := range []struct {
		name     string
		from, to *PipeConn
	}{{"a-to-b", a, b}, {"b-to-a", b, a}} {
		t.Run(way.name, func(t *testing.T) {
			if n, err := way.from.Write([]byte("hello")); n != 5 || err != nil {
				t.Fatalf("Write = %d, %v, want 5, nil", n, err)
			}
			if n := way.to.Buffered(); n != 5 {
				t.Errorf("Buffered() = %d, want 5", n)
			}
			got := make([]byte, 10)
			if n, err := way.to.Read(got); string(got[:n]) != "hello" || err != nil {
				t.Errorf("Read = %q, %v, want hello, nil", got[:n], err)
			}
		})
	}
}

func TestPipeKeepsWritesApart(t *testing.T) {
	a, b := Pipe()
	defer a.Close()
	defer b.Close()
	Segments(t, a, []byte("one"), []byte("two"))
	buf := make([]byte, 100)
	for _, want := range []string{"one", "two"} {
		if n, err := b.Read(buf); string(buf[:n]) != want || err != nil {
			t.Errorf("Read = %q, %v, want %q, nil", buf[:n], err, want)
		}
	}
}

func TestPipeReaderContract(t *testing.T) {
	a, b := Pipe()
	defer b.Close()
	want := bytes.Repeat([]byte("0123456789"), 100)
	Segments(t, a, Cut(want, 7)...)
	a.Close()
	if err := iotest.TestReader(b, want); err != nil {
		t.Error(err)
	}
}

func TestPipeHalfClose(t *testing.T) {
	a, b := Pipe()
	defer a.Close()
	defer b.Close()
	a.Write([]byte("last"))
	if err := a.CloseWrite(); err != nil {
		t.Fatalf("CloseWrite = %v", err)
	}
	if _, err := a.Write([]byte("x")); !errors.Is(err, net.ErrClosed) {
		t.Errorf("Write after CloseWrite = %v, want net.ErrClosed", err)
	}
	if got, err := io.ReadAll(b); string(got) != "last" || err != nil {
		t.Errorf("ReadAll = %q, %v, want last, nil", got, err)
	}
	if _, err := b.Write([]byte("answer")); err != nil {
		t.Errorf("Write against the half-closed direction = %v", err)
	}
	buf := make([]byte, 10)
	if n, err := a.Read(buf); string(buf[:n]) != "answer" || err != nil {
		t.Errorf("Read = %q, %v, want answer, nil", buf[:n], err)
	}
}

func TestPipeClose(t *testing.T) {
	a, b := Pipe()
	defer b.Close()
	a.Write([]byte("last"))
	if err := a.Close(); err != nil {
		t.Fatalf("Close = %v", err)
	}
	if err := a.Close(); !errors.Is(err, net.ErrClosed) {
		t.Errorf("second Close = %v, want net.ErrClosed", err)
	}
	if _, err := a.Read(make([]byte, 1)); !errors.Is(err, net.ErrClosed) {
		t.Errorf("Read after Close = %v, want net.ErrClosed", err)
	}
	if _, err := b.Write([]byte("x")); !errors.Is(err, syscall.EPIPE) {
		t.Errorf("Write to a closed peer = %v, want EPIPE", err)
	}
	if got, err := io.ReadAll(b); string(got) != "last" || err != nil {
		t.Errorf("ReadAll = %q, %v, want last, nil", got, err)
	}
}

func TestPipeCloseWakesWaiters(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := Pipe()
		var wg sync.WaitGroup
		wg.Go(func() {
			if _, err := a.Read(make([]byte, 1)); !errors.Is(err, net.ErrClosed) {
				t.Errorf("Read = %v, want net.ErrClosed", err)
			}
		})
		wg.Go(func() {
			n, err := a.Write(make([]byte, 2*pipeBuffer))
			if n != pipeBuffer || !errors.Is(err, net.ErrClosed) {
				t.Errorf("Write = %d, %v, want %d, net.ErrClosed", n, err, pipeBuffer)
			}
		})
		synctest.Wait() // both are blocked
		a.Close()
		wg.Wait()
		b.Close()
	})
}

func TestPipeReset(t *testing.T) {
	a, b := Pipe()
	defer b.Close()
	a.Write([]byte("lost"))
	a.Reset()
	if n, err := b.Read(make([]byte, 10)); n != 0 || !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("Read = %d, %v, want 0, ECONNRESET", n, err)
	}
}

func TestPipeDeadlines(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := Pipe()
		defer a.Close()
		defer b.Close()
		start := time.Now()
		a.SetReadDeadline(start.Add(time.Second))
		_, err := a.Read(make([]byte, 1))
		if !errors.Is(err, os.ErrDeadlineExceeded) || time.Since(start) != time.Second {
			t.Errorf("Read = %v after %v, want a timeout after 1s", err, time.Since(start))
		}
		var timeout net.Error
		if !errors.As(err, &timeout) || !timeout.Timeout() {
			t.Errorf("Timeout() of %v = false, want true", err)
		}

		a.SetWriteDeadline(time.Now().Add(time.Second))
		n, err := a.Write(make([]byte, pipeBuffer+1))
		if n != pipeBuffer || !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("Write = %d, %v, want %d and a timeout", n, err, pipeBuffer)
		}

		// A deadline in the past wakes a read that waits; cleared, reading
		// goes on.
		a.SetReadDeadline(time.Time{})
		woken := make(chan error, 1)
		go func() {
			_, err := a.Read(make([]byte, 1))
			woken <- err
		}()
		synctest.Wait()
		a.SetReadDeadline(time.Unix(1, 0))
		if err := <-woken; !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("woken Read = %v, want a timeout", err)
		}
		a.SetDeadline(time.Time{})
		b.Write([]byte("x"))
		if _, err := a.Read(make([]byte, 1)); err != nil {
			t.Errorf("Read after the deadline was cleared = %v", err)
		}
	})
}

func TestPipeDeadlineMovedOn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := Pipe()
		defer a.Close()
		defer b.Close()
		a.SetReadDeadline(time.Now().Add(time.Second))
		a.SetReadDeadline(time.Now().Add(time.Minute))
		start := time.Now()
		if a.Read(make([]byte, 1)); time.Since(start) != time.Minute {
			t.Errorf("Read timed out after %v, want 1m: the older deadline counted", time.Since(start))
		}
	})
}

func TestPipeCarriesTLSInBubble(t *testing.T) {
	ca := NewCA(t)
	cert := ca.Issue(t, "gateway.test", "192.0.2.2")
	synctest.Test(t, func(t *testing.T) {
		a, b := Pipe()
		server := tls.Server(b, &tls.Config{Certificates: []tls.Certificate{cert}})
		client := tls.Client(a, &tls.Config{RootCAs: ca.Pool(), ServerName: "192.0.2.2"})
		go func() {
			io.Copy(server, server)
			server.Close()
		}()
		if _, err := client.Write([]byte("echo")); err != nil {
			t.Fatalf("Write = %v", err)
		}
		client.CloseWrite()
		if got, err := io.ReadAll(client); string(got) != "echo" || err != nil {
			t.Errorf("ReadAll = %q, %v, want echo, nil", got, err)
		}
		client.Close()
	})
}

func TestListenerScript(t *testing.T) {
	l := Listen()
	first := l.DialFrom("198.51.100.7:1234")
	l.Fail(syscall.EMFILE)
	second := l.Dial()
	defer first.Close()
	defer second.Close()

	conn, err := l.Accept()
	if err != nil || conn.RemoteAddr().String() != "198.51.100.7:1234" {
		t.Fatalf("Accept = %v, %v, want the connection from 198.51.100.7:1234", conn, err)
	}
	conn.Close()
	if _, err := l.Accept(); !errors.Is(err, syscall.EMFILE) {
		t.Errorf("Accept = %v, want EMFILE", err)
	}
	l.Close()
	if _, err := l.Accept(); !errors.Is(err, net.ErrClosed) {
		t.Errorf("Accept = %v, want net.ErrClosed", err)
	}
	if _, err := second.Read(make([]byte, 1)); !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("Read of a connection in the backlog = %v, want ECONNRESET", err)
	}
	if calls, conns := l.Accepts(); calls != 3 || conns != 1 {
		t.Errorf("Accepts() = %d, %d, want 3, 1", calls, conns)
	}
}

func TestSegmentsOverTCP(t *testing.T) {
	client, server := TCPPair(t)
	go func() {
		Segments(t, client, []byte("one"), []byte("two"))
		client.CloseWrite()
	}()
	if got, err := io.ReadAll(server); string(got) != "onetwo" || err != nil {
		t.Errorf("ReadAll = %q, %v, want onetwo, nil", got, err)
	}
}

func TestWriteFiles(t *testing.T) {
	ca := NewCA(t)
	certFile, keyFile, caFile := ca.WriteFiles(t, t.TempDir(), "gateway.test", "192.0.2.2")
	cert, err := tls.LoadX509KeyPair(certFile, keyFile)
	if err != nil {
		t.Fatalf("LoadX509KeyPair = %v", err)
	}
	for _, name := range []string{"gateway.test", "192.0.2.2"} {
		if err := cert.Leaf.VerifyHostname(name); err != nil {
			t.Errorf("VerifyHostname(%q) = %v", name, err)
		}
	}
	pem, err := os.ReadFile(caFile)
	if err != nil || !bytes.Equal(pem, ca.PEM()) {
		t.Errorf("ReadFile(%q) = %q, %v, want PEM()", caFile, pem, err)
	}
	if _, err := tls.X509KeyPair(ca.PEM(), ca.KeyPEM(t)); err != nil {
		t.Errorf("X509KeyPair(PEM, KeyPEM) = %v", err)
	}
}
