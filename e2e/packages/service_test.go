package packages

import (
	"strings"
	"testing"
)

// service does what docs/operations.md says of the service, and leaves it stopped.
func service(t *testing.T, m *machine) {
	t.Helper()
	rotateLog(t, m)
	stopAfterUpgrade(t, m)
	crashAfterUpgrade(t, m)
	hang(t, m)
	config := m.run(t, "cat /etc/spliceway/config.yaml")
	loadCredentials(t, m, config)
	holdSockets(t, m)
	m.run(t, "systemctl disable --now spliceway.socket && systemctl stop spliceway-metrics.socket spliceway && systemctl reset-failed && rm -r /etc/systemd/system/spliceway*.d /etc/systemd/system/spliceway-metrics.socket && systemctl daemon-reload")
}

// upgradeInPlace has the program replace itself, and returns the process that it was.
func upgradeInPlace(t *testing.T, m *machine) (former string) {
	t.Helper()
	former = m.process(t)
	m.run(t, "systemctl kill --kill-whom=main --signal=USR2 spliceway")
	waitFor(t, m, `test "$(systemctl show --property=MainPID --value spliceway)" != `+former)
	return former
}

// rotateLog moves the audit log; what happens then is in a new one.
func rotateLog(t *testing.T, m *machine) {
	t.Helper()
	m.run(t, "logrotate --force /etc/logrotate.d/spliceway")
	want(t, m.run(t, ann+"kubectl get pods"), "demo")
	waitFor(t, m, "grep --quiet '\"verb\":\"list\"' /var/log/spliceway/audit.log")
	want(t, m.run(t, "ls -l /var/log/spliceway"), "audit.log.1")
}

// stopAfterUpgrade stops the service while a session is with the former process.
func stopAfterUpgrade(t *testing.T, m *machine) {
	t.Helper()
	session := openSession(t, m)
	upgradeInPlace(t, m)
	m.run(t, "systemctl stop --no-block spliceway")
	waitFor(t, m, `test "$(systemctl is-active spliceway)" = deactivating`)
	session.say(t, "while the service stops")
	session.end(t)
	waitFor(t, m, `test "$(systemctl is-active spliceway)" = inactive`)
	want(t, m.run(t, "systemctl show --property=Result spliceway"), "success")
	if out := m.run(t, "journalctl --no-pager --unit=spliceway --grep='SIGKILL|not our child' || true"); strings.Contains(out, "SIGKILL") || strings.Contains(out, "not our child") {
		t.Errorf("the journal has %s", out)
	}
	m.run(t, "systemctl start spliceway")
}

// crashAfterUpgrade kills the new process while a session is with the former one.
func crashAfterUpgrade(t *testing.T, m *machine) {
	t.Helper()
	session := openSession(t, m)
	upgradeInPlace(t, m)
	crashed := m.process(t)
	m.run(t, "kill -KILL "+crashed)
	waitFor(t, m, `test "$(systemctl show --property=MainPID --value spliceway)" != `+crashed+" && systemctl is-active spliceway")
	want(t, m.run(t, ann+"kubectl get pods"), "demo")
	session.in.Close()
	if session.ended() == nil {
		t.Error("the session has not been cut, so something was left of the service")
	}
}

// hang has accept(2) of the gateway take a minute, which the watchdog notices.
func hang(t *testing.T, m *machine) {
	t.Helper()
	m.write(t, "etc/systemd/system/spliceway.service.d/watchdog.conf", "[Service]\nWatchdogSec=4s\n")
	m.run(t, "systemctl daemon-reload && systemctl restart spliceway")
	former := m.process(t)
	m.run(t, "systemd-run --quiet --unit=hang strace --follow-forks --output=/dev/null --attach="+former+" --trace=accept4 --inject=accept4:delay_enter=60s")
	waitFor(t, m, "journalctl --quiet --unit=spliceway --grep='Watchdog timeout'")
	want(t, m.run(t, "journalctl --no-pager --quiet --unit=spliceway --grep='a listener does not accept'"), address)
	m.run(t, "systemctl kill --signal=KILL hang") // which holds on to what it traces
	waitFor(t, m, `test "$(systemctl show --property=MainPID --value spliceway)" != `+former+" && systemctl is-active spliceway")
	want(t, m.run(t, ann+"kubectl get pods"), "demo")
	m.run(t, "rm /etc/systemd/system/spliceway.service.d/watchdog.conf && systemctl daemon-reload")
}

// loadCredentials leaves the key and the token to root, and has systemd hand them on.
func loadCredentials(t *testing.T, m *machine, config string) {
	t.Helper()
	m.run(t, "cd /etc/spliceway && chown root:root tls.key prod-token && chmod 600 tls.key prod-token")
	m.write(t, "etc/systemd/system/spliceway.service.d/credentials.conf",
		"[Service]\nLoadCredential=tls.key:/etc/spliceway/tls.key\nLoadCredential=prod-token:/etc/spliceway/prod-token\n")
	config = strings.NewReplacer("/etc/spliceway/tls.key", "${CREDENTIALS_DIRECTORY}/tls.key", "/etc/spliceway/prod-token", "${CREDENTIALS_DIRECTORY}/prod-token").Replace(config)
	m.write(t, "etc/spliceway/config.yaml", config+"metrics:\n  listen: "+address+":9090\n")
	m.run(t, "CREDENTIALS_DIRECTORY=/etc/spliceway spliceway check --config /etc/spliceway/config.yaml")
	m.run(t, "systemctl daemon-reload && systemctl restart spliceway")
	want(t, m.run(t, ann+"kubectl get pods"), "demo")
	upgradeInPlace(t, m) // the successor reads them as well
	want(t, m.run(t, ann+"kubectl get pods"), "demo")
}

// holdSockets has systemd listen, and start the service for who connects.
func holdSockets(t *testing.T, m *machine) {
	t.Helper()
	m.write(t, "etc/systemd/system/spliceway.socket.d/address.conf", "[Socket]\nListenStream=\nListenStream="+address+":8443\n")
	m.write(t, "etc/systemd/system/spliceway-metrics.socket",
		"[Socket]\nListenStream="+address+":9090\nFileDescriptorName=metrics\nService=spliceway.service\n")
	m.run(t, "systemctl daemon-reload && systemctl stop spliceway && systemctl enable --now spliceway.socket && systemctl start spliceway-metrics.socket")
	want(t, m.run(t, "systemctl is-active spliceway || true"), "inactive")
	want(t, m.run(t, ann+"kubectl get pods"), "demo")
	want(t, m.run(t, "systemctl is-active spliceway"), "active")
	want(t, m.run(t, "systemctl restart --no-block spliceway && "+ann+"kubectl get pods"), "demo")
	upgradeInPlace(t, m)
	want(t, m.run(t, ann+"kubectl get pods"), "demo")
	m.run(t, "sed -i s/:9090/:9091/ /etc/spliceway/config.yaml && ! systemctl restart spliceway")
	want(t, m.run(t, "journalctl --no-pager --lines=5 --unit=spliceway"), "which metrics.listen does not name")
}
