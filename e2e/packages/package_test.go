package packages

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"path/filepath"
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
// E2E_PACKAGES names two files: a package, and one of a later version.
func TestPackage(t *testing.T) {
	packages := strings.Fields(os.Getenv("E2E_PACKAGES"))
	if len(packages) != 2 {
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
	for i, name := range packages {
		data, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		packages[i] = "/root/" + filepath.Base(name)
		m.write(t, packages[i], string(data))
	}
	m.run(t, "apt-get install --yes "+packages[0])
	want(t, m.run(t, "stat --format='%A %U:%G %n' /etc/spliceway /etc/spliceway-issuer"),
		"drwxr-x--- root:spliceway /etc/spliceway\ndrwxr-x--- root:spliceway-issuer /etc/spliceway-issuer")
	setUp(t, m, cluster)
	want(t, m.run(t, ann+"kubectl get pods"), "demo")

	session := openSession(t, m)
	former := m.run(t, "systemctl show --property=MainPID --value spliceway")
	want(t, m.run(t, "apt-get install --yes "+packages[1]), "this version has taken over; what is open stays with process "+strings.TrimSpace(former))
	if now := m.run(t, "systemctl show --property=MainPID --value spliceway"); now == former {
		t.Errorf("the process of the service is still %s", now)
	}
	want(t, m.run(t, ann+"kubectl get pods"), "demo")
	session.say(t, "after the upgrade")
	session.end(t)
	m.run(t, "while kill -0 "+strings.TrimSpace(former)+" 2>/dev/null; do sleep 0.1; done; systemctl is-active spliceway")
	want(t, m.run(t, "spliceway sessions ls --dir /var/lib/spliceway/recordings"), "complete")
	takeAway(t, m)
}

// ann runs what follows as a user of the machine.
const ann = "runuser -u ann -- env -C /home/ann HOME=/home/ann "

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
	waitFor(t, m, "test -s /var/lib/spliceway-issuer/tls/ca.crt")
	m.run(t, "install --mode=644 /var/lib/spliceway-issuer/tls/ca.crt /etc/spliceway/issuer-ca.crt && cp /etc/spliceway/issuer-ca.crt /home/ann")

	m.copy(t, certFile, "etc/spliceway/tls.crt")
	m.copy(t, keyFile, "etc/spliceway/tls.key")
	m.copy(t, cluster.CAFile, "etc/spliceway/prod-ca.crt")
	m.copy(t, cluster.GatewayTokenFile, "etc/spliceway/prod-token")
	m.run(t, "cd /etc/spliceway && chgrp spliceway tls.key prod-token && chmod 640 tls.key prod-token")
	m.write(t, "etc/spliceway/config.yaml", strings.Replace(gatewayConfig, "SERVER", cluster.Server, 1))
	m.run(t, "spliceway check --config /etc/spliceway/config.yaml")
	m.run(t, "systemctl enable --now spliceway")
	want(t, m.run(t, "systemctl is-active spliceway"), "active")

	const flags = " --gateway " + address + " --gateway-ca gateway-ca.crt --issuer https://" + address + ":8444 --issuer-ca issuer-ca.crt --listen " + address + ":8445 --secret-file secret"
	m.run(t, "systemd-run --quiet --unit=connect --uid=ann --working-directory=/home/ann --setenv=HOME=/home/ann spliceway connect"+flags)
	waitFor(t, m, "grep --quiet '"+hex(address)+":20FD .* 0A ' /proc/net/tcp")
	m.run(t, ann+"spliceway connect kubeconfig --set-current prod"+flags)
}

// hex is an IPv4 address as the kernel prints it.
func hex(address string) string {
	var b [4]int
	fmt.Sscanf(address, "%d.%d.%d.%d", &b[0], &b[1], &b[2], &b[3])
	return fmt.Sprintf("%02X%02X%02X%02X", b[3], b[2], b[1], b[0])
}

// waitFor waits until a command succeeds, without showing it.
func waitFor(t *testing.T, m *machine, line string) {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); m.command(t.Context(), line).Run() != nil; time.Sleep(50 * time.Millisecond) {
		if time.Now().After(deadline) {
			log, _ := m.command(t.Context(), "journalctl --no-pager --lines=40").CombinedOutput()
			t.Fatalf("%s never succeeded\n%s", line, log)
		}
	}
}

// takeAway removes the package, and then what it has written, except what was recorded.
func takeAway(t *testing.T, m *machine) {
	t.Helper()
	m.run(t, "systemctl stop connect")
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
