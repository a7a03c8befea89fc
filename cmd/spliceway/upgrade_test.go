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

	"github.com/spliceway/spliceway/internal/confine"
	"github.com/spliceway/spliceway/internal/testnet"
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

// Who is to end does not wait for a successor that takes its time to serve.
func TestServeTerminatesDuringUpgrade(t *testing.T) {
	file, dir := goodConfig(t)
	p := startProcess(t, "serve", "--config", file)
	p.until("serving")
	pipe := filepath.Join(dir, "pipe")
	if err := errors.Join(syscall.Mkfifo(pipe, 0o600), os.Rename(pipe, file)); err != nil {
		t.Fatal(err)
	}
	p.signal(syscall.SIGUSR2)
	p.signal(syscall.SIGUSR2) // nor for another one
	for deadline := time.Now().Add(20 * time.Second); ; time.Sleep(10 * time.Millisecond) {
		w, err := os.OpenFile(file, os.O_WRONLY|syscall.O_NONBLOCK, 0)
		if err == nil { // the successor reads
			defer w.Close()
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("no successor reads its configuration: %v", err)
		}
	}
	p.signal(syscall.SIGTERM)
	p.until("upgrade failed")
	p.until("stopped")
	if state := p.end(); state.ExitCode() != 0 {
		t.Errorf("SIGTERM ends it with %v, want status 0", state)
	}
}

// A process is confined to what its configuration needs; what is replaced there it
// can read, and what is elsewhere it refuses, as its successor does.
func TestServeConfined(t *testing.T) {
	if confine.Version() == 0 {
		t.Skip("this kernel has no Landlock")
	}
	file, dir := goodConfig(t)
	config := gatewayConfig + "admin: {socket: run/admin.sock}\n" // which a successor opens
	write(t, dir, "config.yaml", config)
	p := startProcess(t, "serve", "--config", file)
	p.until("confined to the files that the configuration needs")
	pid := int(p.until("serving")["pid"].(float64))
	elsewhere := write(t, t.TempDir(), "token", "secret-of-the-gateway\n")
	for range 2 {
		write(t, dir, "config.yaml", strings.Replace(config, "bearerTokenFile: token", "bearerTokenFile: "+elsewhere, 1))
		syscall.Kill(pid, syscall.SIGHUP)
		refused := p.until("configuration refused")
		if text := refused["error"].(string); !strings.Contains(text, filepath.Dir(elsewhere)) || !strings.Contains(text, "restart") {
			t.Errorf("a file elsewhere is refused with %q", text)
		}
		fresh := t.TempDir()
		testnet.NewCA(t).WriteFiles(t, fresh, "gw.test")
		for _, name := range names(t, fresh) {
			name, _, _ = strings.Cut(name, " ")
			if err := os.Rename(filepath.Join(fresh, name), filepath.Join(dir, name)); err != nil {
				t.Fatal(err)
			}
		}
		write(t, dir, "config.yaml", config+"timeouts: {idle: 1m}\n")
		syscall.Kill(pid, syscall.SIGHUP)
		p.until("configuration reloaded")
		syscall.Kill(pid, syscall.SIGUSR2)
		p.until("confined to the files that its predecessor could reach")
		pid = int(p.until("serving")["pid"].(float64))
		t.Cleanup(func() { syscall.Kill(pid, syscall.SIGKILL) })
		p.until("stopped")
	}
	write(t, dir, "config.yaml", strings.Replace(config, "bearerTokenFile: token", "bearerTokenFile: "+elsewhere, 1))
	syscall.Kill(pid, syscall.SIGUSR2)
	said := ""
	for p.lines.Scan() && !strings.Contains(p.lines.Text(), "upgrade failed; this process goes on") { // the successor's words are no log
		said += p.lines.Text() + "\n"
	}
	if !strings.Contains(said, "has given up the right to read "+filepath.Dir(elsewhere)) {
		t.Errorf("the successor says %q", said)
	}
	syscall.Kill(pid, syscall.SIGTERM)
	p.until("stopped")
	p.end()
}
