package packages

import (
	"testing"

	"github.com/spliceway/spliceway/e2e/testcluster"
)

// rpmPackage does with the rpm what was done with the package for Debian, of which the
// certificates and credentials are left. Its scripts are called by rpm itself, which
// Debian has as well; only what they need has another name there.
func rpmPackage(t *testing.T, m *machine, cluster *testcluster.Cluster, former, later string) {
	t.Helper()
	const rpm = "rpm --nodeps "
	want(t, m.run(t, rpm+"--install "+former), "systemctl enable --now spliceway")
	want(t, m.run(t, "stat --format='%A %U:%G %n' /etc/spliceway /etc/spliceway-issuer"),
		"drwxr-x--- root:spliceway /etc/spliceway\ndrwxr-x--- root:spliceway-issuer /etc/spliceway-issuer")
	m.run(t, "systemctl enable --now spliceway-issuer")
	startGateway(t, m, cluster)
	m.run(t, asAnn+"systemctl --user restart spliceway-connect")
	want(t, m.run(t, ann+"kubectl get pods"), "demo")

	upgrade(t, m, rpm+"--upgrade "+later)
	m.run(t, "grep --quiet "+address+" /etc/spliceway/config.yaml && spliceway version") // it was not replaced
	m.run(t, rpm+"--erase spliceway")
	want(t, m.run(t, "systemctl is-active spliceway spliceway-issuer || true"), "inactive\ninactive")
	want(t, m.run(t, "ls /etc/spliceway /usr/bin/spliceway || true"), "config.yaml.rpmsave")
	want(t, m.run(t, "find /var/lib/spliceway/recordings -type f"), ".cast")
}
