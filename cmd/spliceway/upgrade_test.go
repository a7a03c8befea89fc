package main

import (
	"bufio"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// probe asks for /healthz of the gateway through its outer TLS.
func probe(address string, roots *x509.CertPool) error {
	dialer := &tls.Dialer{NetDialer: &net.Dialer{Timeout: 20 * time.Second}, Config: &tls.Config{RootCAs: roots, ServerName: "gw.test"}}
	c, err := dialer.Dial("tcp", address)
	if err != nil {
		return err
	}
	defer c.Close()
	c.SetDeadline(time.Now().Add(20 * time.Second))
	if _, err := io.WriteString(c, "GET /healthz HTTP/1.1\r\nHost: gw.test\r\n\r\n"); err != nil {
		return err
	}
	line, err := bufio.NewReader(c).ReadString('\n')
	if err != nil || !strings.HasPrefix(line, "HTTP/1.1 200 ") {
		return fmt.Errorf("%q, %w", line, errors.Join(err, errors.ErrUnsupported))
	}
	return nil
}

// Two upgrades under load: each connection that anybody makes is served.

func TestServeUpgrades(t *testing.T) {
	file, dir := goodConfig(t)
	authority, err := os.ReadFile(filepath.Join(dir, "ca.crt"))
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(authority)
	p := startProcess(t, "serve", "--config", file)
	serving := p.until("serving")
	address := serving["listen"].([]any)[0].(string)

	stop := make(chan struct{})
	var users sync.WaitGroup
	for range 2 {
		users.Go(func() {
			for n := 0; ; n++ {
				select {
				case <-stop:
					return
				default:
				}
				if err := probe(address, roots); err != nil {
					t.Errorf("probe %d: %v", n, err)
					return
				}
			}
		})
	}
	pids := []int{int(serving["pid"].(float64))}
	for range 2 {
		if err := syscall.Kill(pids[len(pids)-1], syscall.SIGUSR2); err != nil {
			t.Fatal(err)
		}
		successor := p.until("serving")
		if got := successor["listen"].([]any)[0].(string); got != address {
			t.Errorf("the successor listens on %s, want %s", got, address)
		}
		pids = append(pids, int(successor["pid"].(float64)))
		t.Cleanup(func() { syscall.Kill(int(successor["pid"].(float64)), syscall.SIGKILL) })
		p.until("a successor serves")
		p.until("stopped")
	}
	if err := probe(address, roots); err != nil {
		t.Errorf("after the upgrades: %v", err)
	}
	close(stop)
	users.Wait()
	if err := syscall.Kill(pids[2], syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	p.until("stopped")
	if state := p.end(); state.ExitCode() != 0 {
		t.Errorf("the first process ends with %v, want status 0", state)
	}
	if pids[0] == pids[1] || pids[1] == pids[2] {
		t.Errorf("the processes are %v, want three", pids)
	}
}

// A successor that can't serve changes nothing.
func TestServeUpgradeFails(t *testing.T) {
	file, dir := goodConfig(t)
	p := startProcess(t, "serve", "--config", file)
	address := p.until("serving")["listen"].([]any)[0].(string)
	if err := os.Rename(filepath.Join(dir, "token"), filepath.Join(dir, "token.away")); err != nil {
		t.Fatal(err)
	}
	p.signal(syscall.SIGUSR2)
	for p.lines.Scan() { // the words of the successor are no log
		if strings.Contains(p.lines.Text(), "upgrade failed; this process goes on") {
			break
		}
	}
	awaitAccept(t, address)
	p.signal(syscall.SIGTERM)
	p.until("stopped")
	if state := p.end(); state.ExitCode() != 0 {
		t.Errorf("SIGTERM ends it with %v, want status 0", state)
	}
}
