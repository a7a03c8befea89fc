package packages

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/spliceway/spliceway/e2e/stack"
	"github.com/spliceway/spliceway/e2e/testcluster"
)

func TestMain(m *testing.M) {
	testcluster.Main()
	os.Exit(m.Run())
}

// An address of loopback that nothing else of this machine listens on.
const address = "127.8.4.43"

const gatewayConfig = `listen: "` + address + `:8443"
tls:
  certificateFile: /etc/spliceway/tls.crt
  privateKeyFile: /etc/spliceway/tls.key
authn:
  issuer: https://` + address + `:8444
  audience: acme
  jwksURL: https://` + address + `:8444/keys
  jwksCAFile: /etc/spliceway/issuer-ca.crt
  cacheFile: /var/cache/spliceway/keys.json
clusters:
  - name: prod
    address: ` + stack.TargetHost + `
    server: SERVER
    certificateAuthorityFile: /etc/spliceway/prod-ca.crt
    bearerTokenFile: /etc/spliceway/prod-token
recordings:
  dir: /var/lib/spliceway/recordings
  minFree: 0B
audit:
  output: /var/log/spliceway/audit.log
`

const issuerConfig = `issuer: https://` + address + `:8444
listen: "` + address + `:8444"
audience: acme
dataDir: /var/lib/spliceway-issuer
users:
  - name: ann@example.com
    SECRETHASH
    groups: [developers]
    resources: [prod]
resources:
  - name: prod
    address: ` + stack.TargetHost + `
`

// From nothing to kubectl by the package, an upgrade under an open session, and away.
// E2E_PACKAGES names two folders: with packages, and with those of a later version.
func TestPackage(t *testing.T) {
	folders := strings.Fields(os.Getenv("E2E_PACKAGES"))
	if len(folders) != 2 {
		t.Skip("make package-test builds the packages that this installs")
	}
	cluster, err := testcluster.Start(t.Context(), testcluster.Config{Dir: filepath.Join(t.TempDir(), "cluster"), Log: os.Stderr})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := cluster.StopPrograms(); err != nil {
			t.Error(err)
		}
	})
	m := startMachine(t, cluster.Kubectl)
	m.write(t, "etc/apt/apt.conf.d/quiet", "quiet 2; Dpkg::Use-Pty no;\n")
	former, later := m.carry(t, folders[0]), m.carry(t, folders[1])
	m.run(t, "apt-get install --yes "+former.deb)
	want(t, m.run(t, "stat --format='%A %U:%G %n' /etc/spliceway /etc/spliceway-issuer"),
		"drwxr-x--- root:spliceway /etc/spliceway\ndrwxr-x--- root:spliceway-issuer /etc/spliceway-issuer")
	setUp(t, m, cluster)
	want(t, m.run(t, ann+"kubectl get pods"), "demo")

	upgrade(t, m, "apt-get install --yes "+later.deb)
	want(t, m.run(t, "spliceway sessions ls --dir /var/lib/spliceway/recordings"), "complete")
	service(t, m)
	takeAway(t, m)
	rpmPackage(t, m, cluster, former.rpm, later.rpm)
}

// packages are files of one version, by their names in the machine.
type packages struct{ deb, rpm string }

// carry copies the packages of a folder into the machine.
func (m *machine) carry(t *testing.T, folder string) packages {
	t.Helper()
	machine := map[string]string{"amd64": "x86_64", "arm64": "aarch64"}[runtime.GOARCH] // as rpm calls it
	one := func(pattern string) string {
		names, err := filepath.Glob(filepath.Join(folder, pattern))
		if err != nil || len(names) != 1 {
			t.Fatalf("%s has %q for %s, %v, want one", folder, names, pattern, err)
		}
		data, err := os.ReadFile(names[0])
		if err != nil {
			t.Fatal(err)
		}
		name := "/root/" + filepath.Base(names[0])
		m.write(t, name, string(data))
		return name
	}
	return packages{one("*_" + runtime.GOARCH + ".deb"), one("*." + machine + ".rpm")}
}

// upgrade installs the later version, by a line, while a session is open.
func upgrade(t *testing.T, m *machine, install string) {
	t.Helper()
	session := openSession(t, m)
	former := m.process(t)
	want(t, m.run(t, install), "this version has taken over; what is open stays with process "+former)
	if now := m.process(t); now == former {
		t.Errorf("the process of the service is still %s", now)
	}
	want(t, m.run(t, ann+"kubectl get pods"), "demo")
	session.say(t, "after the upgrade")
	session.end(t)
	m.run(t, "while kill -0 "+former+" 2>/dev/null; do sleep 0.1; done; systemctl is-active spliceway")
}

// process is the main one of the gateway's service.
func (m *machine) process(t *testing.T) string {
	t.Helper()
	return strings.TrimSpace(m.run(t, "systemctl show --property=MainPID --value spliceway"))
}

// ann runs what follows as a user of the machine.
const ann = "runuser -u ann -- env -C /home/ann HOME=/home/ann "

// asAnn runs what follows with the user manager of ann.
const asAnn = "runuser -u ann -- env XDG_RUNTIME_DIR=/run/user/$(id -u ann) "

// setUp does what the package leaves to its administrator: certificates, credentials,
// configuration, and the start of both services.
func setUp(t *testing.T, m *machine, cluster *testcluster.Cluster) {
	t.Helper()
	files := t.TempDir()
	authority, err := stack.NewAuthority(files, "gateway")
	if err != nil {
		t.Fatal(err)
	}
	certFile, keyFile, err := authority.Issue(files, "tls", address, stack.TargetHost)
	if err != nil {
		t.Fatal(err)
	}
	m.run(t, "useradd --create-home ann")
	secret := strings.Fields(m.run(t, "spliceway issuer hash --secret")) // secret: S secretHash: H
	m.write(t, "etc/spliceway-issuer/issuer.yaml", strings.Replace(issuerConfig, "SECRETHASH", "secretHash: "+secret[3], 1))
	m.write(t, "home/ann/secret", secret[1]+"\n")
	m.copy(t, authority.File, "home/ann/gateway-ca.crt")
	m.run(t, "systemctl enable --now spliceway-issuer")
	m.run(t, "install --mode=644 /var/lib/spliceway-issuer/tls/ca.crt /etc/spliceway/issuer-ca.crt && cp /etc/spliceway/issuer-ca.crt /home/ann")

	m.copy(t, certFile, "etc/spliceway/tls.crt")
	m.copy(t, keyFile, "etc/spliceway/tls.key")
	m.copy(t, cluster.CAFile, "etc/spliceway/prod-ca.crt")
	m.copy(t, cluster.GatewayTokenFile, "etc/spliceway/prod-token")
	startGateway(t, m, cluster)

	const flags = "--gateway " + address + " --gateway-ca gateway-ca.crt --issuer https://" + address + ":8444 --issuer-ca issuer-ca.crt --listen " + address + ":8445 --secret-file secret"
	m.write(t, "home/ann/.config/spliceway/connect.env", "SPLICEWAY_CONNECT=\""+flags+"\"\n")
	m.run(t, "chown -R ann /home/ann && loginctl enable-linger ann")
	waitFor(t, m, asAnn+"systemctl --user is-active default.target")
	m.run(t, asAnn+"systemctl --user enable --now spliceway-connect")
	m.run(t, ann+"spliceway connect kubeconfig --set-current prod "+flags)
}

// startGateway gives the gateway what it reads, and starts it.
func startGateway(t *testing.T, m *machine, cluster *testcluster.Cluster) {
	t.Helper()
	m.run(t, "cd /etc/spliceway && chgrp spliceway tls.key prod-token && chmod 640 tls.key prod-token")
	m.write(t, "etc/spliceway/config.yaml", strings.Replace(gatewayConfig, "SERVER", cluster.Server, 1))
	m.run(t, "spliceway check --config /etc/spliceway/config.yaml")
	m.run(t, "systemctl enable --now spliceway")
	want(t, m.run(t, "systemctl is-active spliceway"), "active")
}

// waitFor waits until a command succeeds, without showing it.
func waitFor(t *testing.T, m *machine, line string) {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); m.command(t.Context(), line).Run() != nil; time.Sleep(50 * time.Millisecond) {
		if time.Now().After(deadline) {
			log, _ := m.command(t.Context(), "journalctl --no-pager --lines=40").CombinedOutput()
			t.Fatalf("%s never succeeded\n%s", line, log)
		}
	}
}

// takeAway removes the package, and then what it has written, except what was recorded.
func takeAway(t *testing.T, m *machine) {
	t.Helper()
	m.run(t, "apt-get remove --yes spliceway")
	if out := m.run(t, "systemctl is-active spliceway spliceway-issuer || true"); strings.Contains(out, "\nactive") || strings.HasPrefix(out, "active") {
		t.Errorf("after the removal the services are %s", out)
	}
	m.run(t, "test -f /etc/spliceway/config.yaml && test ! -e /usr/bin/spliceway")
	want(t, m.run(t, "apt-get purge --yes spliceway"), "/var/lib/spliceway is not empty and was left")
	m.run(t, "test ! -e /etc/spliceway/config.yaml && test ! -e /var/cache/spliceway")
	want(t, m.run(t, "find /var/lib/spliceway/recordings -type f"), ".cast")
}

// session is a shell in a pod.
type session struct {
	in    io.WriteCloser
	out   *bufio.Reader
	ended func() error
}

func openSession(t *testing.T, m *machine) *session {
	t.Helper()
	line := ann + "kubectl exec -i demo -- sh"
	cmd := m.command(t.Context(), line)
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	cmd.Stderr = os.Stderr
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	fmt.Printf("# %s\n", line)
	s := &session{in: in, out: bufio.NewReader(out), ended: cmd.Wait}
	s.say(t, "before the upgrade")
	return s
}

// say has the shell print a text. A shell that was cut off prints nothing.
func (s *session) say(t *testing.T, text string) {
	t.Helper()
	fmt.Fprintf(s.in, "echo %s\n", text)
	got, err := s.out.ReadString('\n')
	if got != text+"\n" {
		t.Fatalf("the session prints %q, %v, want %q", got, err, text)
	}
	fmt.Printf("(in the session) echo %s\n(in the session) %s", text, got)
}

func (s *session) end(t *testing.T) {
	t.Helper()
	s.in.Close()
	if err := s.ended(); err != nil {
		t.Errorf("the session ends with %v", err)
	}
}

func want(t *testing.T, got, want string) {
	t.Helper()
	if !strings.Contains(got, want) {
		t.Fatalf("that printed\n%s\nwhich lacks %q", got, want)
	}
}
