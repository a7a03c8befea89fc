package issuer

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"github.com/spliceway/spliceway/internal/testnet"
)

func TestAuthorityIsKept(t *testing.T) {
	dir := t.TempDir()
	first, err := openAuthority(dir, []string{"issuer.example.com", "127.0.0.1"})
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	pool.AddCert(first.cert)
	second, err := openAuthority(dir, []string{"other.example.com", "127.0.0.1"})
	if err != nil {
		t.Fatal(err)
	}
	leaf, err := second.certificate(nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, host := range []string{"other.example.com", "127.0.0.1"} {
		if _, err := leaf.Leaf.Verify(x509.VerifyOptions{Roots: pool, DNSName: host}); err != nil {
			t.Errorf("Verify for %s = %v, want nil: clients of before have to go on", host, err)
		}
	}
	if _, err := leaf.Leaf.Verify(x509.VerifyOptions{Roots: pool, DNSName: "issuer.example.com"}); err == nil {
		t.Error("the certificate is good for a host that is not configured any more")
	}
	info, err := os.Stat(filepath.Join(dir, "tls", "ca.key"))
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("ca.key: %v, %v, want mode 0600", info, err)
	}
}

func TestLeafIsRenewed(t *testing.T) {
	a, err := openAuthority(t.TempDir(), []string{"issuer.example.com"})
	if err != nil {
		t.Fatal(err)
	}
	leaf, err := a.certificate(nil)
	if err != nil {
		t.Fatal(err)
	}
	if same, _ := a.certificate(nil); same != leaf {
		t.Error("a fresh certificate was made anew")
	}
	old, err := a.issue(time.Now().Add(-leafLifetime + leafRenewal - time.Minute))
	if err != nil {
		t.Fatal(err)
	}
	a.leaf = old
	if renewed, _ := a.certificate(nil); renewed == old {
		t.Error("a certificate near its end was kept")
	}
}

func TestConfiguredPair(t *testing.T) {
	dir := t.TempDir()
	ca := testnet.NewCA(t)
	ca.WriteFiles(t, dir, "issuer.example.com")
	config := filepath.Join(dir, "issuer.yaml")
	replaceFile(t, config, minimal+"tls: {certificateFile: tls.crt, privateKeyFile: tls.key}\n")
	s, err := New(config, zerolog.Nop())
	if err != nil {
		t.Fatal(err)
	}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- s.Serve(ctx, ln) }()
	defer func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("Serve = %v", err)
		}
	}()
	conn, err := tls.Dial("tcp", ln.Addr().String(), &tls.Config{RootCAs: ca.Pool(), ServerName: "issuer.example.com"})
	if err != nil {
		t.Fatalf("Dial = %v, want the configured certificate", err)
	}
	conn.Close()
	if _, err := os.Stat(filepath.Join(dir, "data", "tls")); err == nil || s.CAFile() != "" {
		t.Error("an authority was made although a pair is configured")
	}
}

func TestServeEndsWithListener(t *testing.T) {
	f := &fixture{t: t, dir: t.TempDir(), log: &lockedBuffer{}}
	f.writeConfig("")
	s, err := New(f.config(), zerolog.Nop())
	if err != nil {
		t.Fatal(err)
	}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ln.Close()
	if err := s.Serve(context.Background(), ln); err == nil {
		t.Error("Serve on a closed listener = nil, want an error")
	}
}
