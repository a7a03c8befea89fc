package e2e

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/spliceway/spliceway/e2e/stack"
	"github.com/spliceway/spliceway/e2e/testcluster"
)

const (
	chart       = "../deploy/helm/spliceway"
	chartValues = "../deploy/helm/testdata/"
)

// chartRelease is the chart, installed in a namespace of its own.
type chartRelease struct {
	namespace string
	admin     kubectl // to the API server itself
	helm      kubectl
}

// newChartRelease makes the namespace, in which only pods may be that the strictest
// of the pod security standards allows.
func newChartRelease(t *testing.T, name string) chartRelease {
	t.Helper()
	admin := kubectl{program: run.programs[testcluster.Kubectl], kubeconfig: run.cluster.AdminKubeconfig, env: []string{"HOME=" + t.TempDir()}}
	r := chartRelease{namespace: uniqueName(name), admin: admin}
	r.helm = admin.with("HELM_CACHE_HOME="+t.TempDir(), "HELM_CONFIG_HOME="+t.TempDir(), "HELM_DATA_HOME="+t.TempDir())
	r.helm.program = run.programs[testcluster.Helm]
	admin.run(t, "create", "namespace", r.namespace)
	admin.run(t, "label", "namespace", r.namespace, "pod-security.kubernetes.io/enforce=restricted", "pod-security.kubernetes.io/warn=restricted")
	t.Cleanup(func() { admin.run(t, "delete", "namespace", r.namespace, "--wait=false") })
	return r
}

// install installs the chart without its hooks, for which there is no controller.
// The API server must not warn of anything.
func (r chartRelease) install(t *testing.T, args ...string) {
	t.Helper()
	args = append([]string{"install", "gw", chart, "--namespace=" + r.namespace, "--no-hooks"}, args...)
	stdout, stderr, code := r.helm.try(t, "", args...)
	if code != 0 || stderr != "" {
		t.Fatalf("helm %s: exit status %d\n%s%s", strings.Join(args, " "), code, stdout, stderr)
	}
	wantContains(t, "install", stdout, "STATUS: deployed")
	t.Cleanup(func() {
		r.helm.run(t, "uninstall", "gw", "--namespace="+r.namespace, "--no-hooks", "--ignore-not-found")
	})
}

// TestChart installs the chart with several set-ups. What the operators of
// Prometheus and cert-manager would know is left out.
func TestChart(t *testing.T) {
	for file, args := range map[string][]string{
		"minimal.yaml": nil, "lines.yaml": nil, "existing.yaml": nil, "scratch.yaml": nil,
		"full.yaml": {"--set=podMonitor.enabled=false,serviceMonitor.enabled=false,prometheusRule.enabled=false,tls.source=secret,tls.secretName=gateway-tls"},
	} {
		t.Run(strings.TrimSuffix(file, ".yaml"), func(t *testing.T) {
			t.Parallel()
			r := newChartRelease(t, "chart")
			r.install(t, append(args, "--values="+chartValues+file)...)
			manifest := r.helm.run(t, "get", "manifest", "gw", "--namespace="+r.namespace)
			applied := r.admin.feed(t, manifest, "apply", "--dry-run=server", "--validate=strict", "--namespace="+r.namespace, "-f", "-")
			wantContains(t, "strict validation", applied, "deployment.apps/")
			r.admin.feed(t, r.pod(t), "create", "--dry-run=server", "--validate=strict", "--namespace="+r.namespace, "-f", "-")
		})
	}
}

// pod returns a pod as the Deployment would make it, which the standard for pods is
// enforced on.
func (r chartRelease) pod(t *testing.T) string {
	t.Helper()
	var list struct {
		Items []struct {
			Spec struct{ Template map[string]any }
		}
	}
	if err := json.Unmarshal([]byte(r.admin.run(t, "get", "deployments", "--namespace="+r.namespace, "-o", "json")), &list); err != nil {
		t.Fatal(err)
	}
	if len(list.Items) != 1 {
		t.Fatalf("there are %d deployments, want one", len(list.Items))
	}
	pod := list.Items[0].Spec.Template
	pod["apiVersion"], pod["kind"] = "v1", "Pod"
	pod["metadata"].(map[string]any)["name"] = "probe"
	text, err := json.Marshal(pod)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// TestChartUpgrade changes the configuration, which makes new pods, and removes the
// release, which leaves the recordings.
func TestChartUpgrade(t *testing.T) {
	t.Parallel()
	r := newChartRelease(t, "chart")
	values := []string{"--values=" + chartValues + "minimal.yaml", "--set=recordings.storage=claim"}
	r.install(t, values...)
	checksum := func() string {
		return r.admin.run(t, "get", "deployment", "gw-spliceway", "--namespace="+r.namespace,
			"-o", `jsonpath={.spec.template.metadata.annotations.checksum/config}`)
	}
	before := checksum()
	upgrade := append([]string{"upgrade", "gw", chart, "--namespace=" + r.namespace, "--no-hooks"}, values...)
	wantContains(t, "upgrade", r.helm.run(t, append(upgrade, "--set=replicas=3")...), "REVISION: 2")
	wantEqual(t, "checksum after a change of something else", checksum(), before)
	wantContains(t, "upgrade", r.helm.run(t, append(upgrade, "--set=config.timeouts.idle=3m")...), "REVISION: 3")
	if after := checksum(); before == "" || after == before {
		t.Errorf("checksum of the configuration: %q, and %q after it changed", before, after)
	}
	wantContains(t, "refused upgrade", r.helm.fails(t, append(upgrade, "--set=config.timeouts.idel=3m")...), "additional properties 'idel' not allowed")
	kept := r.helm.run(t, "uninstall", "gw", "--namespace="+r.namespace, "--no-hooks")
	wantContains(t, "uninstall", kept, "[PersistentVolumeClaim] gw-spliceway-recordings")
	wantContains(t, "volume", r.admin.run(t, "get", "pvc", "--namespace="+r.namespace), "gw-spliceway-recordings")
}

// TestChartAuthority does what the hook does, as its account, which may do nothing
// else.
func TestChartAuthority(t *testing.T) {
	t.Parallel()
	r := newChartRelease(t, "chart")
	r.install(t, "--values="+chartValues+"minimal.yaml")
	hooks := r.helm.run(t, "get", "hooks", "gw", "--namespace="+r.namespace)
	wantContains(t, "hooks", r.admin.feed(t, hooks, "apply", "--validate=strict", "--namespace="+r.namespace, "-f", "-"), "job.batch/gw-spliceway-authority created")

	dir := t.TempDir()
	program := kubectl{program: run.binary}
	wantContains(t, "authority", program.run(t, "authority", "--dir", dir), "created")
	as := "--as=system:serviceaccount:" + r.namespace + ":gw-spliceway-authority"
	create := []string{"create", "secret", "tls", "gw-spliceway-authority", "--namespace=" + r.namespace, as,
		"--cert=" + filepath.Join(dir, "ca.crt"), "--key=" + filepath.Join(dir, "ca.key")}
	r.admin.run(t, create...)
	wantContains(t, "second time", r.admin.fails(t, create...), "already exists")
	wantContains(t, "reading it", r.admin.fails(t, "get", "secrets", "--namespace="+r.namespace, as), "Forbidden")
}

// token writes a token of the account of the gateway to a file.
func (r chartRelease) token(t *testing.T) (file string) {
	t.Helper()
	file = filepath.Join(t.TempDir(), "token")
	token := r.admin.run(t, "create", "token", "gw-spliceway", "--namespace="+r.namespace, "--duration=1h")
	if err := os.WriteFile(file, []byte(token), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

// TestChartRights has a gateway with the account of the chart. It can impersonate
// whom the values name, and nobody else.
func TestChartRights(t *testing.T) {
	t.Parallel()
	r := newChartRelease(t, "chart")
	r.install(t, "--values="+chartValues+"minimal.yaml", "--set=rbac.users={ann@example.com,eve@example.com}", "--set=rbac.groups={developers,on-call}")
	eve := stack.User{Name: "eve@example.com", Secret: "eve-0123456789abcdef0123456789abcdef", Groups: []string{"developers", "admins"}}
	s := newStack(t, func(c *stack.Config) {
		c.Users, c.Token = []stack.User{ann, vic, eve}, r.token(t)
	})
	pods := []string{"get", "--raw", "/api/v1/namespaces/" + run.cluster.Namespace + "/pods"} // without discovery, whose errors kubectl does not show
	wantContains(t, "ann", kubectlThrough(t, s, ann).run(t, pods...), "demo")
	wantContains(t, "another user", kubectlThrough(t, s, vic).fails(t, pods...), `cannot impersonate resource "users"`)
	wantContains(t, "another group", kubectlThrough(t, s, eve).fails(t, pods...), `cannot impersonate resource "groups"`)

	account := r.account(t)
	wantContains(t, "the account itself", account.fails(t, "get", "pods"), "Forbidden")
	wantContains(t, "the account as administrators", account.fails(t, "get", "pods", "--as=ann@example.com", "--as-group=system:masters"), "Forbidden")
}

// account returns kubectl with the credential of the gateway's account.
func (r chartRelease) account(t *testing.T) kubectl {
	t.Helper()
	kubeconfig := filepath.Join(t.TempDir(), "kubeconfig")
	k := kubectl{program: r.admin.program, kubeconfig: kubeconfig, env: r.admin.env}
	k.run(t, "config", "set-cluster", "c", "--server="+run.cluster.Server, "--certificate-authority="+run.cluster.CAFile)
	token, err := os.ReadFile(r.token(t))
	if err != nil {
		t.Fatal(err)
	}
	k.run(t, "config", "set-credentials", "u", "--token="+string(token))
	k.run(t, "config", "set-context", "x", "--cluster=c", "--user=u")
	k.run(t, "config", "use-context", "x")
	return k
}

// TestChartConstrained has a gateway that may do for people what values list, and
// less than these people themselves.
func TestChartConstrained(t *testing.T) {
	t.Parallel()
	r := newChartRelease(t, "chart")
	values := filepath.Join(t.TempDir(), "values.yaml")
	text := `rbac:
  groups: [developers, on-call]
  constrained:
    enabled: true
    rules:
      - {apiGroups: [""], resources: [pods], verbs: [get, list]}
      - {nonResourceURLs: ["*"], verbs: [get]}
`
	if err := os.WriteFile(values, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	r.install(t, "--values="+chartValues+"minimal.yaml", "--values="+values)
	s := newStack(t, func(c *stack.Config) {
		c.Users, c.Token = []stack.User{ann}, r.token(t)
	})
	k := kubectlThrough(t, s, ann)
	wantContains(t, "list", k.run(t, "get", "pods"), "demo")
	wantContains(t, "what ann may do and the gateway not", k.fails(t, "get", "configmaps"), "cannot impersonate")
	wantContains(t, "the same without a gateway", r.admin.run(t, "auth", "can-i", "get", "configmaps", "--as="+ann.Name, "--as-group=developers"), "yes")

	account := r.account(t)
	wantContains(t, "as a person", account.run(t, "get", "pods", "--as=ann@example.com", "--as-group=developers"), "demo")
	for _, other := range []string{"system:node:sim-node", "system:serviceaccount:gateway:gateway"} {
		wantContains(t, "as "+other, account.fails(t, "get", "pods", "--as="+other), "Forbidden")
	}
}
