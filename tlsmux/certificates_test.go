package tlsmux

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/spliceway/spliceway/internal/testnet"
)

// files names a pair in a directory of the test.
func files(t *testing.T) KeyPair {
	dir := t.TempDir()
	return KeyPair{filepath.Join(dir, "tls.crt"), filepath.Join(dir, "tls.key")}
}

func writePair(t *testing.T, cert tls.Certificate, to KeyPair) {
	t.Helper()
	testnet.WritePair(t, cert, to.CertificateFile, to.PrivateKeyFile)
}

// hello is what a client that supports everything says.
func hello(serverName string) *tls.ClientHelloInfo {
	return &tls.ClientHelloInfo{
		ServerName:        serverName,
		SupportedVersions: []uint16{tls.VersionTLS13},
		SignatureSchemes:  []tls.SignatureScheme{tls.ECDSAWithP256AndSHA256},
		SupportedCurves:   []tls.CurveID{tls.X25519},
	}
}

func TestCertificateByName(t *testing.T) {
	ca := testnet.NewCA(t)
	var cfg CertificatesConfig
	for _, names := range [][]string{
		{"default.test", "also.default.test"},
		{"*.int.test"},
		{"exact.int.test"},
		{"10.0.0.1", "2001:db8::1"},
	} {
		pair := files(t)
		writePair(t, ca.Issue(t, names...), pair)
		cfg.Pairs = append(cfg.Pairs, pair)
	}
	certs, err := LoadCertificates(cfg)
	if err != nil {
		t.Fatalf("LoadCertificates = %v", err)
	}
	tests := []struct{ name, serverName, want string }{
		{"first", "default.test", "default.test"},
		{"second-name", "also.default.test", "default.test"},
		{"wildcard", "a.int.test", "*.int.test"},
		{"exact-before-wildcard", "exact.int.test", "exact.int.test"},
		{"case", "EXACT.int.Test", "exact.int.test"},
		{"root-dot", "exact.int.test.", "exact.int.test"},
		{"wildcard-is-one-label", "a.b.int.test", "default.test"},
		{"wildcard-is-not-none", "int.test", "default.test"},
		{"ipv4", "10.0.0.1", "10.0.0.1"},
		{"ipv6", "2001:db8::1", "10.0.0.1"},
		{"ipv6-long", "2001:0db8:0:0:0:0:0:1", "10.0.0.1"},
		{"other-address", "10.0.0.2", "default.test"},
		{"none", "", "default.test"},
		{"unknown", "other.test", "default.test"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			cert, err := certs.Get(hello(test.serverName))
			if err != nil || cert.Leaf.Subject.CommonName != test.want {
				t.Errorf("Get(%q) = %v, %v, want that of %s", test.serverName, cert, err, test.want)
			}
		})
	}
}

// TestCertificateByAlgorithm: a client that cannot verify the first of two
// pairs for a name gets the second one.
func TestCertificateByAlgorithm(t *testing.T) {
	ca := testnet.NewCA(t)
	first, second := files(t), files(t)
	writePair(t, ca.Issue(t, "gateway.test"), first)
	writePair(t, rsaCertificate(t, "gateway.test"), second)
	certs, err := LoadCertificates(CertificatesConfig{Pairs: []KeyPair{first, second}})
	if err != nil {
		t.Fatalf("LoadCertificates = %v", err)
	}
	old := hello("gateway.test")
	old.SignatureSchemes = []tls.SignatureScheme{tls.PSSWithSHA256}
	cert, err := certs.Get(old)
	if err != nil || cert.Leaf.PublicKeyAlgorithm != x509.RSA {
		t.Errorf("Get for a client without ECDSA = %v, %v, want the RSA certificate", cert, err)
	}
	cert, err = certs.Get(hello("gateway.test"))
	if err != nil || cert.Leaf.PublicKeyAlgorithm != x509.ECDSA {
		t.Errorf("Get for a client with ECDSA = %v, %v, want the ECDSA certificate", cert, err)
	}
}

func TestLoadCertificatesErrors(t *testing.T) {
	now := time.Now()
	ca := testnet.NewCA(t)
	tests := []struct {
		name string
		edit func(t *testing.T, cfg *CertificatesConfig)
		want string
	}{
		{"nothing", func(t *testing.T, cfg *CertificatesConfig) { cfg.Pairs = nil }, "neither"},
		{"no-file", func(t *testing.T, cfg *CertificatesConfig) {
			os.Remove(cfg.Pairs[0].PrivateKeyFile)
		}, "no such file"},
		{"other-key", func(t *testing.T, cfg *CertificatesConfig) {
			other := files(t)
			writePair(t, ca.Issue(t, "other.test"), other)
			cfg.Pairs[0].PrivateKeyFile = other.PrivateKeyFile
		}, "does not match"},
		{"no-certificate", func(t *testing.T, cfg *CertificatesConfig) {
			os.WriteFile(cfg.Pairs[0].CertificateFile, []byte("hello"), 0o600)
		}, "tls.crt"},
		{"expired", func(t *testing.T, cfg *CertificatesConfig) {
			writePair(t, ca.IssueValid(t, now.Add(-time.Hour), now.Add(-time.Minute), "gateway.test"), cfg.Pairs[0])
		}, "expired on"},
		{"not-valid-yet", func(t *testing.T, cfg *CertificatesConfig) {
			writePair(t, ca.IssueValid(t, now.Add(time.Minute), now.Add(time.Hour), "gateway.test"), cfg.Pairs[0])
		}, "not valid before"},
		{"authority-is-none", func(t *testing.T, cfg *CertificatesConfig) {
			cfg.Authority = &AuthorityConfig{
				CertificateFile: cfg.Pairs[0].CertificateFile, PrivateKeyFile: cfg.Pairs[0].PrivateKeyFile,
			}
		}, "not a certificate authority"},
		{"authority-without-names", func(t *testing.T, cfg *CertificatesConfig) {
			cfg.Pairs, cfg.Authority = nil, authorityFiles(t, ca)
		}, "own names"},
		{"bad-name", func(t *testing.T, cfg *CertificatesConfig) {
			cfg.Authority = authorityFiles(t, ca)
			cfg.Authority.Names = []string{"gateway.test/x"}
		}, "neither a DNS name"},
		{"bad-host", func(t *testing.T, cfg *CertificatesConfig) {
			cfg.Authority = authorityFiles(t, ca)
			cfg.Authority.Hosts = []string{"a.*.test"}
		}, "neither a DNS name"},
		{"negative-lifetime", func(t *testing.T, cfg *CertificatesConfig) {
			cfg.Authority = authorityFiles(t, ca)
			cfg.Authority.Lifetime = -1
		}, "negative"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			pair := files(t)
			writePair(t, ca.Issue(t, "gateway.test"), pair)
			cfg := CertificatesConfig{Pairs: []KeyPair{pair}}
			test.edit(t, &cfg)
			certs, err := LoadCertificates(cfg)
			if certs != nil || err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("LoadCertificates = %v, %v, want an error with %q", certs, err, test.want)
			}
		})
	}
}

func TestCertificatesReload(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ca := testnet.NewCA(t)
		first, second := files(t), files(t)
		writePair(t, ca.Issue(t, "one.test"), first)
		writePair(t, ca.Issue(t, "two.test"), second)
		certs, err := LoadCertificates(CertificatesConfig{Pairs: []KeyPair{first, second}})
		if err != nil {
			t.Fatalf("LoadCertificates = %v", err)
		}
		var mu sync.Mutex
		var reports []string
		ctx, cancel := context.WithCancel(t.Context())
		var wg sync.WaitGroup
		wg.Go(func() {
			certs.Run(ctx, time.Minute, func(file string, err error) {
				mu.Lock()
				defer mu.Unlock()
				text := "reloaded"
				if err != nil {
					text = err.Error()
				}
				which := map[string]string{first.CertificateFile: "first ", second.CertificateFile: "second "}[file]
				reports = append(reports, which+text)
			})
		})
		// want lets three intervals pass and wants reports, in the order of
		// the pairs, that begin so.
		want := func(prefixes ...string) {
			t.Helper()
			time.Sleep(3 * time.Minute)
			synctest.Wait()
			mu.Lock()
			defer mu.Unlock()
			slices.Sort(reports)
			if len(reports) != len(prefixes) {
				t.Errorf("reports = %q, want %q", reports, prefixes)
			}
			for i := range min(len(reports), len(prefixes)) {
				if !strings.HasPrefix(reports[i], prefixes[i]) {
					t.Errorf("report = %q, want %q", reports[i], prefixes[i])
				}
			}
			reports = nil
		}
		current := func(name string) *tls.Certificate {
			t.Helper()
			cert, err := certs.Get(hello(name))
			if err != nil {
				t.Fatalf("Get(%q) = %v", name, err)
			}
			return cert
		}
		time.Sleep(time.Second)
		want()
		before := current("one.test")

		next := ca.IssueValid(t, time.Now(), time.Now().Add(time.Hour), "one.test")
		writePair(t, next, first)
		want("first reloaded")
		if got := current("one.test"); !got.Leaf.Equal(next.Leaf) {
			t.Errorf("certificate = %v, want the new one, not %v", got.Leaf.SerialNumber, before.Leaf.SerialNumber)
		}
		if got := certs.Expiries(); len(got) != 2 || !got[0].NotAfter.Equal(next.Leaf.NotAfter) || got[0].File != first.CertificateFile {
			t.Errorf("Expiries() = %v, want that of the new certificate first", got)
		}

		// Bad files of one pair keep neither it nor the other one from work.
		os.WriteFile(first.CertificateFile, []byte("not a certificate"), 0o600)
		writePair(t, ca.Issue(t, "two.test"), second)
		want("first tlsmux: loading "+first.CertificateFile, "second reloaded")
		if got := current("one.test"); !got.Leaf.Equal(next.Leaf) {
			t.Error("a bad file has replaced a good certificate")
		}
		if changed, err := certs.Check(); changed || err == nil {
			t.Errorf("Check() = %v, %v, want false and an error", changed, err)
		}

		// The certificate comes before its time.
		early := ca.IssueValid(t, time.Now().Add(10*time.Minute), time.Now().Add(time.Hour), "one.test")
		writePair(t, early, first)
		want("first tlsmux: certificate " + first.CertificateFile + ": not valid before")
		time.Sleep(10 * time.Minute)
		want("first reloaded")
		if got := current("one.test"); !got.Leaf.Equal(early.Leaf) {
			t.Error("the certificate is not in force at its time")
		}
		cancel()
		wg.Wait()
	})
}

// TestCertificateSwapUnderLoad replaces the pair while clients connect: each
// handshake gets the old one or the new one and none fails.
func TestCertificateSwapUnderLoad(t *testing.T) {
	ca := testnet.NewCA(t)
	pair := files(t)
	writePair(t, ca.Issue(t, "gateway.test", "cluster-a.int"), pair)
	certs, err := LoadCertificates(CertificatesConfig{Pairs: []KeyPair{pair}})
	if err != nil {
		t.Fatalf("LoadCertificates = %v", err)
	}
	g := newGateway(t, func(cfg *Config) { cfg.Certificates = certs.Get })
	g.ca = ca
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for range 20 {
				conn := g.ln.Dial()
				outer := tls.Client(conn, &tls.Config{RootCAs: ca.Pool(), ServerName: "gateway.test"})
				if err := outer.Handshake(); err != nil {
					t.Errorf("Handshake = %v", err)
				}
				outer.Close()
			}
		})
	}
	stop := make(chan struct{})
	swapped := make(chan int)
	go func() {
		n := 0
		for {
			select {
			case <-stop:
				swapped <- n
				return
			default:
			}
			writePair(t, ca.Issue(t, "gateway.test", "cluster-a.int"), pair)
			if changed, err := certs.Check(); !changed || err != nil {
				t.Errorf("Check() = %v, %v, want true", changed, err)
			}
			n++
		}
	}()
	wg.Wait()
	close(stop)
	if n := <-swapped; n == 0 {
		t.Error("no certificate was swapped meanwhile")
	}
}

// authorityFiles writes an authority to files.
func authorityFiles(t *testing.T, ca *testnet.CA) *AuthorityConfig {
	t.Helper()
	to := files(t)
	for name, data := range map[string][]byte{to.CertificateFile: ca.PEM(), to.PrivateKeyFile: ca.KeyPEM(t)} {
		if err := os.WriteFile(name+".new", data, 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Rename(name+".new", name); err != nil {
			t.Fatal(err)
		}
	}
	return &AuthorityConfig{CertificateFile: to.CertificateFile, PrivateKeyFile: to.PrivateKeyFile}
}

func TestAuthorityMintsForItsNamesOnly(t *testing.T) {
	ca := testnet.NewCA(t)
	cfg := authorityFiles(t, ca)
	cfg.Names = []string{"Gateway.test", "192.0.2.2"}
	cfg.Hosts = []string{"10.0.0.1", "::ffff:10.0.0.2", "2001:db8::1", "cluster-a.int", "*.pods.int", "gateway.test"}
	certs, err := LoadCertificates(CertificatesConfig{Authority: cfg})
	if err != nil {
		t.Fatalf("LoadCertificates = %v", err)
	}
	own := []string{"gateway.test", "192.0.2.2"}
	tests := []struct {
		name, serverName string
		names            []string
	}{
		{"own-name", "gateway.test", own},
		{"own-address", "192.0.2.2", own},
		{"none", "", own},
		{"unknown", "evil.test", own},
		{"host", "cluster-a.int", []string{"cluster-a.int"}},
		{"host-in-capitals", "CLUSTER-A.INT", []string{"cluster-a.int"}},
		{"address", "10.0.0.1", []string{"10.0.0.1"}},
		{"mapped-address", "10.0.0.2", []string{"10.0.0.2"}},
		{"asked-for-mapped", "::ffff:10.0.0.1", []string{"10.0.0.1"}},
		{"ipv6", "2001:db8:0::1", []string{"2001:db8::1"}},
		{"other-address", "10.0.0.3", own},
		{"wildcard", "a.pods.int", []string{"*.pods.int"}},
		{"two-labels", "a.b.pods.int", own},
		{"literal-wildcard", "*.pods.int", []string{"*.pods.int"}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			cert, err := certs.Get(hello(test.serverName))
			if err != nil {
				t.Fatalf("Get(%q) = %v", test.serverName, err)
			}
			names := slices.Clone(cert.Leaf.DNSNames)
			for _, ip := range cert.Leaf.IPAddresses {
				names = append(names, ip.String())
			}
			if !slices.Equal(names, test.names) {
				t.Errorf("Get(%q) is for %q, want %q", test.serverName, names, test.names)
			}
			again, _ := certs.Get(hello(test.serverName))
			if again != cert {
				t.Errorf("Get(%q) mints anew each time", test.serverName)
			}
			wantLeaf(t, ca, cert, defaultLeafLifetime)
		})
	}
}

// wantLeaf verifies a minted certificate as a client does.
func wantLeaf(t *testing.T, ca *testnet.CA, cert *tls.Certificate, lifetime time.Duration) {
	t.Helper()
	_, err := cert.Leaf.Verify(x509.VerifyOptions{
		Roots: ca.Pool(), KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}, CurrentTime: time.Now(),
	})
	if err != nil {
		t.Errorf("Verify = %v", err)
	}
	if key, ok := cert.PrivateKey.(*ecdsa.PrivateKey); !ok || key.Curve != elliptic.P256() {
		t.Errorf("key = %T, want ECDSA P-256", cert.PrivateKey)
	}
	if left := time.Until(cert.Leaf.NotAfter); left > lifetime || left < lifetime-time.Minute {
		t.Errorf("lifetime = %v, want %v", left, lifetime)
	}
	if cert.Leaf.IsCA || len(cert.Certificate) != 1 {
		t.Errorf("leaf: IsCA %v, chain of %d, want no CA and the leaf alone", cert.Leaf.IsCA, len(cert.Certificate))
	}
}

// TestPairBeforeAuthority: with both, the pair has its names and is the
// default, the authority has the rest.
func TestPairBeforeAuthority(t *testing.T) {
	ca := testnet.NewCA(t)
	pair := files(t)
	writePair(t, ca.Issue(t, "gateway.test"), pair)
	cfg := authorityFiles(t, ca)
	cfg.Hosts = []string{"cluster-a.int", "gateway.test"}
	certs, err := LoadCertificates(CertificatesConfig{Pairs: []KeyPair{pair}, Authority: cfg})
	if err != nil {
		t.Fatalf("LoadCertificates = %v", err)
	}
	for name, want := range map[string]string{
		"gateway.test": "gateway.test", "": "gateway.test", "other.test": "gateway.test", "cluster-a.int": "cluster-a.int",
	} {
		cert, err := certs.Get(hello(name))
		if err != nil || !slices.Equal(cert.Leaf.DNSNames, []string{want}) {
			t.Errorf("Get(%q) = %v, %v, want that of %s", name, cert, err, want)
		}
	}
	if got := certs.Expiries(); len(got) != 2 || got[1].File != cfg.CertificateFile {
		t.Errorf("Expiries() = %v, want the pair and the authority", got)
	}
}

func TestAuthorityRenews(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ca := testnet.NewCA(t)
		cfg := authorityFiles(t, ca)
		cfg.Names, cfg.Lifetime = []string{"gateway.test"}, 3*time.Hour
		certs, err := LoadCertificates(CertificatesConfig{Authority: cfg})
		if err != nil {
			t.Fatalf("LoadCertificates = %v", err)
		}
		first, _ := certs.Get(hello(""))
		wantLeaf(t, ca, first, 3*time.Hour)
		time.Sleep(2*time.Hour - time.Minute)
		if again, _ := certs.Get(hello("")); again != first {
			t.Error("renewed before two thirds of the lifetime")
		}
		time.Sleep(2 * time.Minute)
		second, _ := certs.Get(hello(""))
		if second == first {
			t.Error("not renewed after two thirds of the lifetime")
		}
		wantLeaf(t, ca, second, 3*time.Hour)
		if first.Leaf.SerialNumber.Cmp(second.Leaf.SerialNumber) == 0 {
			t.Error("two certificates with one serial number")
		}
	})
}

func TestAuthorityLeafEndsWithCA(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		end := time.Now().Add(time.Hour)
		ca := testnet.NewCAValid(t, time.Now().Add(-time.Minute), end)
		cfg := authorityFiles(t, ca)
		cfg.Names = []string{"gateway.test"}
		certs, err := LoadCertificates(CertificatesConfig{Authority: cfg})
		if err != nil {
			t.Fatalf("LoadCertificates = %v", err)
		}
		minted := map[*tls.Certificate]bool{}
		for time.Now().Before(end) {
			cert, err := certs.Get(hello(""))
			if err != nil {
				t.Fatalf("Get = %v", err)
			}
			if cert.Leaf.NotAfter.After(end) || cert.Leaf.NotBefore.Before(end.Add(-time.Hour-time.Minute)) {
				t.Fatalf("valid from %v to %v, beyond the CA's end %v", cert.Leaf.NotBefore, cert.Leaf.NotAfter, end)
			}
			minted[cert] = true
			time.Sleep(time.Second)
		}
		if len(minted) < 2 || len(minted) > 10 {
			t.Errorf("%d certificates in the CA's last hour, want a few", len(minted))
		}
		time.Sleep(2 * time.Minute)
		if cert, err := certs.Get(hello("")); cert != nil || err == nil || !strings.Contains(err.Error(), "expired on") {
			t.Errorf("Get = %v, %v, want that the CA has expired", cert, err)
		}

	})
}

// TestAuthorityChanges: what the CA before has signed is not used any longer,
// however fresh it is.
func TestAuthorityChanges(t *testing.T) {
	before, after := testnet.NewCA(t), testnet.NewCA(t)
	cfg := authorityFiles(t, before)
	cfg.Names = []string{"gateway.test"}
	certs, err := LoadCertificates(CertificatesConfig{Authority: cfg})
	if err != nil {
		t.Fatalf("LoadCertificates = %v", err)
	}
	for _, ca := range []*testnet.CA{before, after} {
		fresh := authorityFiles(t, ca)
		os.Rename(fresh.CertificateFile, cfg.CertificateFile)
		os.Rename(fresh.PrivateKeyFile, cfg.PrivateKeyFile)
		if changed, err := certs.Check(); !changed || err != nil {
			t.Fatalf("Check() = %v, %v, want true", changed, err)
		}
		cert, err := certs.Get(hello(""))
		if err != nil {
			t.Fatalf("Get = %v", err)
		}
		wantLeaf(t, ca, cert, defaultLeafLifetime)
	}
}

// TestIntermediateAuthority: a client that knows only the root must get the
// intermediate from us, and has no use for the root.
func TestIntermediateAuthority(t *testing.T) {
	root := testnet.NewCA(t)
	intermediate := root.Intermediate(t)
	cfg := authorityFiles(t, intermediate)
	chain := append(intermediate.PEM(), root.PEM()...)
	if err := os.WriteFile(cfg.CertificateFile, chain, 0o600); err != nil {
		t.Fatal(err)
	}
	cfg.Names, cfg.Hosts = []string{"gateway.test"}, []string{"10.0.0.1"}
	certs, err := LoadCertificates(CertificatesConfig{Authority: cfg})
	if err != nil {
		t.Fatalf("LoadCertificates = %v", err)
	}
	cert, err := certs.Get(hello("10.0.0.1"))
	if err != nil || len(cert.Certificate) != 2 {
		t.Fatalf("Get = chain of %d, %v, want the leaf and the intermediate", len(cert.Certificate), err)
	}
	client, server := testnet.Pipe()
	defer client.Close()
	defer server.Close()
	go tls.Server(server, &tls.Config{GetCertificate: certs.Get, Certificates: []tls.Certificate{*cert}}).Handshake()
	if err := tls.Client(client, &tls.Config{RootCAs: root.Pool(), ServerName: "10.0.0.1"}).Handshake(); err != nil {
		t.Errorf("Handshake = %v", err)
	}
}

// TestGatewayWithAuthority is the whole way: outer TLS by the gateway's name,
// inner TLS to a cluster known by its address.
func TestGatewayWithAuthority(t *testing.T) {
	ca := testnet.NewCA(t)
	cfg := authorityFiles(t, ca)
	cfg.Names, cfg.Hosts = []string{"gateway.test"}, []string{"10.0.0.1", "cluster-a.int"}
	certs, err := LoadCertificates(CertificatesConfig{Authority: cfg})
	if err != nil {
		t.Fatalf("LoadCertificates = %v", err)
	}
	g := newGateway(t, func(cfg *Config) { cfg.Certificates = certs.Get })
	g.ca = ca
	for _, host := range []string{"10.0.0.1", "cluster-a.int"} {
		outer := g.outer(g.ln.Dial())
		outer.Write([]byte(strings.ReplaceAll(goodHead, target, net.JoinHostPort(host, "6443"))))
		wantEstablished(t, outer)
		inner := tls.Client(outer, &tls.Config{RootCAs: ca.Pool(), ServerName: host})
		wantEcho(t, inner)
		inner.Close()
	}
	outer := g.outer(g.ln.Dial())
	outer.Write([]byte(strings.ReplaceAll(goodHead, target, "evil.test:443")))
	wantEstablished(t, outer)
	inner := tls.Client(outer, &tls.Config{RootCAs: ca.Pool(), ServerName: "evil.test"})
	var wrongName x509.HostnameError
	if err := inner.Handshake(); !errors.As(err, &wrongName) {
		t.Errorf("Handshake for a name that is not in the set = %v, want x509.HostnameError", err)
	}
	outer.Close()
}
