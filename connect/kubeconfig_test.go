package connect

import (
	"bytes"
	"errors"
	"net/http"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"k8s.io/client-go/tools/clientcmd"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"

	"github.com/spliceway/spliceway/internal/authority"
	"github.com/spliceway/spliceway/issuer"
)

// messy is a file that has seen other tools: comments, extensions of others, relative paths, an exec user, a context
// that leads nowhere, nulls, and a namespace.
const messy = `# written by hand
apiVersion: v1
kind: Config
preferences: {}
current-context: work
clusters:
- name: work
  cluster:
    server: https://work.example.com:6443
    certificate-authority: certs/work.crt   # relative
    extensions:
    - name: minikube.sigs.k8s.io
      extension: {provider: minikube.sigs.k8s.io, version: v1.33.0}
- name: orphan
  cluster: {server: "http://localhost:8080", insecure-skip-tls-verify: true}
contexts:
- name: work
  context: {cluster: work, user: sso, namespace: team-a}
- name: dangling
  context: {cluster: nowhere, user: nobody}
users:
- name: sso
  user:
    exec:
      apiVersion: client.authentication.k8s.io/v1
      command: get-token
      args: [--cluster, work]
      env: [{name: A, value: b}]
      interactiveMode: IfAvailable
      provideClusterInfo: false
- name: empty
  user: null
`

var testResources = []issuer.ResourceInfo{
	{Name: "prod", Address: "10.0.0.1", Aliases: []string{"prod.int", "other.int"}},
	{Name: "edge", Address: "edge.example.com", Port: 6443},
	{Name: "six", Address: "2001:db8::1"},
	{Name: "pods", Address: "*.pods.example.com"},
}

func kubeOptions(file string) KubeconfigOptions {
	return KubeconfigOptions{
		File: file, ProxySecret: "s3cret", CA: testAuthority().certificate, Issuer: testIssuer, Resources: testResources,
	}
}

func mustWrite(t *testing.T, options KubeconfigOptions) *KubeconfigResult {
	t.Helper()
	result, err := WriteKubeconfig(options)
	if err != nil {
		t.Fatalf("WriteKubeconfig = %v", err)
	}
	return result
}

func mustLoad(t *testing.T, file string) *clientcmdapi.Config {
	t.Helper()
	config, err := clientcmd.LoadFromFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return config
}

func newKubeconfig(t *testing.T, text string) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "config")
	if text != "" {
		if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return file
}

func TestKubeconfigEntries(t *testing.T) {
	file := filepath.Join(t.TempDir(), "new", "config")
	result := mustWrite(t, kubeOptions(file))
	if want := []string{"prod.int", "edge", "six"}; !slices.Equal(result.Written, want) || !slices.Equal(result.Skipped, []string{"pods"}) {
		t.Errorf("result = %+v, want %v written and pods skipped", result, want)
	}
	config := mustLoad(t, file)
	for name, server := range map[string]string{
		"prod.int": "https://prod.int", "edge": "https://edge.example.com:6443", "six": "https://[2001:db8::1]",
	} {
		cluster := config.Clusters[name]
		if cluster.Server != server || !bytes.Equal(cluster.CertificateAuthorityData, testAuthority().certificate) ||
			cluster.ProxyURL != "http://spliceway:s3cret@"+DefaultListen {
			t.Errorf("cluster %s = %+v, want server %s", name, cluster, server)
		}
		if context := config.Contexts[name]; context.Cluster != name || context.AuthInfo != name {
			t.Errorf("context %s = %+v", name, context)
		}
	}
	if config.CurrentContext != "prod.int" || result.Current != "prod.int" {
		t.Errorf("current context of a new file = %q, want the first", config.CurrentContext)
	}
	if info, err := os.Stat(file); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v, %v, want mode 0600", info.Mode(), err)
	}
	if _, err := os.Stat(file + ".lock"); !os.IsNotExist(err) {
		t.Errorf("the lock is left: %v", err)
	}
}

// TestKubeconfigAsksNobody loads the file as kubectl does: it prompts for a user name when a user has no credential.
func TestKubeconfigAsksNobody(t *testing.T) {
	file := newKubeconfig(t, "")
	mustWrite(t, kubeOptions(file))
	rules := &clientcmd.ClientConfigLoadingRules{ExplicitPath: file}
	terminal := readerFunc(func([]byte) (int, error) {
		t.Error("kubectl would ask for a user name")
		return 0, errors.New("nobody is here")
	})
	config, err := clientcmd.NewInteractiveDeferredLoadingClientConfig(rules, &clientcmd.ConfigOverrides{}, terminal).ClientConfig()
	if err != nil {
		t.Fatal(err)
	}
	r, _ := http.NewRequest("GET", "https://prod.int/api", nil)
	proxy, err := config.Proxy(r)
	if err != nil || proxy.Host != DefaultListen || proxy.User.String() != "spliceway:s3cret" {
		t.Errorf("proxy = %v, %v", proxy, err)
	}
}

type readerFunc func([]byte) (int, error)

func (f readerFunc) Read(p []byte) (int, error) { return f(p) }

func TestKubeconfigDisturbsNothing(t *testing.T) {
	file := newKubeconfig(t, messy)
	before := mustLoad(t, file)
	result := mustWrite(t, kubeOptions(file))
	after := mustLoad(t, file)
	if after.CurrentContext != "work" || result.Current != "work" {
		t.Errorf("current context = %q, want work as before", after.CurrentContext)
	}
	for name, want := range before.Clusters {
		if !reflect.DeepEqual(after.Clusters[name], want) {
			t.Errorf("cluster %s = %+v, want %+v", name, after.Clusters[name], want)
		}
	}
	for name, want := range before.AuthInfos {
		if !reflect.DeepEqual(after.AuthInfos[name], want) {
			t.Errorf("user %s = %+v, want %+v", name, after.AuthInfos[name], want)
		}
	}
	for name, want := range before.Contexts {
		if !reflect.DeepEqual(after.Contexts[name], want) {
			t.Errorf("context %s = %+v, want %+v", name, after.Contexts[name], want)
		}
	}
	if len(after.Contexts) != len(before.Contexts)+3 {
		t.Errorf("%d contexts, want 3 more than %d", len(after.Contexts), len(before.Contexts))
	}
}

func TestKubeconfigIsIdempotent(t *testing.T) {
	file := newKubeconfig(t, messy)
	mustWrite(t, kubeOptions(file))
	past := time.Now().Add(-time.Hour).Truncate(time.Second)
	if err := os.Chtimes(file, past, past); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(file, 0o644); err != nil {
		t.Fatal(err)
	}
	options := kubeOptions(file)
	options.Prune = true
	result := mustWrite(t, options)
	if len(result.Written) != 0 || len(result.Kept) != 3 || len(result.Pruned) != 0 {
		t.Errorf("the second run = %+v, want 3 kept", result)
	}
	info, err := os.Stat(file)
	if err != nil || !info.ModTime().Equal(past) {
		t.Errorf("the second run has written the file: %v, %v", info.ModTime(), err)
	}
	if info.Mode().Perm() != 0o600 {
		t.Errorf("mode %04o, want 0600 even so", info.Mode().Perm())
	}
}

func TestKubeconfigUpdates(t *testing.T) {
	file := newKubeconfig(t, messy)
	mustWrite(t, kubeOptions(file))
	// What users do to our entries.
	config := mustLoad(t, file)
	config.Contexts["prod.int"].Namespace = "team-b"
	config.Contexts["work"].Namespace = "team-c"
	config.AuthInfos["edge"].Token = "of another gateway"
	config.CurrentContext = "edge"
	if err := clientcmd.WriteToFile(*config, file); err != nil {
		t.Fatal(err)
	}

	options := kubeOptions(file)
	options.ProxyAddress, options.SetCurrent = "127.0.0.1:9999", "prod"
	result := mustWrite(t, options)
	if len(result.Written) != 3 || result.Current != "prod.int" {
		t.Errorf("result = %+v, want 3 written and prod.int current", result)
	}
	after := mustLoad(t, file)
	if after.Contexts["prod.int"].Namespace != "team-b" || after.Contexts["work"].Namespace != "team-c" {
		t.Error("a namespace is lost")
	}
	if !strings.HasSuffix(after.Clusters["edge"].ProxyURL, "@127.0.0.1:9999") || after.AuthInfos["edge"].Token != placeholderToken {
		t.Errorf("edge = %+v, %+v, want the new proxy and the placeholder", after.Clusters["edge"], after.AuthInfos["edge"])
	}
}

func TestKubeconfigPrunes(t *testing.T) {
	file := newKubeconfig(t, messy)
	other := kubeOptions(file)
	other.Issuer, other.Prefix = "https://other.example.com", "other-"
	mustWrite(t, other)
	options := kubeOptions(file)
	options.SetCurrent = "edge"
	mustWrite(t, options)

	options = kubeOptions(file)
	options.Resources = testResources[:1]
	if result := mustWrite(t, options); len(result.Pruned) != 0 {
		t.Errorf("pruned %v without being told", result.Pruned)
	}
	options.Prune = true
	result := mustWrite(t, options)
	if want := []string{"edge", "six"}; !slices.Equal(result.Pruned, want) {
		t.Errorf("pruned %v, want %v", result.Pruned, want)
	}
	after := mustLoad(t, file)
	for _, name := range []string{"edge", "six"} {
		if after.Contexts[name] != nil || after.Clusters[name] != nil || after.AuthInfos[name] != nil {
			t.Errorf("%s is left in part", name)
		}
	}
	for _, name := range []string{"work", "dangling", "prod.int", "other-edge"} {
		if after.Contexts[name] == nil {
			t.Errorf("%s is gone", name)
		}
	}
	if after.CurrentContext != "prod.int" {
		t.Errorf("current context = %q, want prod.int in place of the one that was pruned", after.CurrentContext)
	}
}

// testAuthority makes one authority for all tests, which write files again and compare them.
var testAuthority = sync.OnceValue(func() (made struct{ certificate, key []byte }) {
	var err error
	if made.certificate, made.key, err = authority.New("test"); err != nil {
		panic(err)
	}
	return made
})

func TestKubeconfigRefusals(t *testing.T) {
	tests := []struct {
		name   string
		text   string
		change func(*KubeconfigOptions)
		want   string
	}{
		{"foreign-context", strings.ReplaceAll(messy, "dangling", "prod.int"), nil, `context "prod.int" that is not ours; use a prefix`},
		{"foreign-cluster", strings.ReplaceAll(messy, "orphan", "edge"), nil, `cluster "edge" that is not ours`},
		{"foreign-user", strings.ReplaceAll(messy, "name: empty", "name: six"), nil, `user "six" that is not ours`},
		{"same-name-twice", messy, func(o *KubeconfigOptions) {
			o.Resources = append(slices.Clone(testResources), issuer.ResourceInfo{Name: "prod.int", Address: "10.9.9.9"})
		}, "two resources want"},
		{"unknown-current", messy, func(o *KubeconfigOptions) { o.SetCurrent = "pods" }, `no resource "pods"`},
		{"broken-file", "clusters: [", nil, "reading"},
		{"no-secret", messy, func(o *KubeconfigOptions) { o.ProxySecret = "" }, "secret is missing"},
		{"no-authority", messy, func(o *KubeconfigOptions) { o.CA = nil }, "authority is missing"},
		{"no-certificate", messy, func(o *KubeconfigOptions) { o.CA = []byte("gateway-ca.crt") }, "not in PEM"},
		{"no-der", messy, func(o *KubeconfigOptions) {
			o.CA = []byte("-----BEGIN CERTIFICATE-----\nMAA=\n-----END CERTIFICATE-----\n")
		}, "not in PEM"},
		{"key-in-authority", messy, func(o *KubeconfigOptions) {
			o.CA = slices.Concat(testAuthority().certificate, testAuthority().key)
		}, "something else"},
		{"no-issuer", messy, func(o *KubeconfigOptions) { o.Issuer = "" }, "issuer is missing"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			file := newKubeconfig(t, tt.text)
			options := kubeOptions(file)
			if tt.change != nil {
				tt.change(&options)
			}
			if _, err := WriteKubeconfig(options); err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("WriteKubeconfig = %v, want an error with %q", err, tt.want)
			}
			if after, err := os.ReadFile(file); err != nil || string(after) != tt.text {
				t.Errorf("the file was changed by a run that failed: %v", err)
			}
			if _, err := os.Stat(file + ".lock"); !os.IsNotExist(err) {
				t.Errorf("the lock is left: %v", err)
			}
		})
	}
}

func TestKubeconfigThroughSymlink(t *testing.T) {
	file := newKubeconfig(t, messy)
	link := filepath.Join(t.TempDir(), "link")
	if err := os.Symlink(file, link); err != nil {
		t.Fatal(err)
	}
	mustWrite(t, kubeOptions(link))
	if info, err := os.Lstat(link); err != nil || info.Mode()&os.ModeSymlink == 0 {
		t.Errorf("the link was replaced: %v", err)
	}
	if mustLoad(t, file).Contexts["prod.int"] == nil {
		t.Error("the file behind the link has no entry")
	}
}

func TestKubeconfigOfEnvironment(t *testing.T) {
	dir := t.TempDir()
	missing, first, second := filepath.Join(dir, "missing"), filepath.Join(dir, "first"), filepath.Join(dir, "second")
	writeTestFile(t, first, []byte("apiVersion: v1\nkind: Config\n"))
	writeTestFile(t, second, []byte(messy))
	t.Setenv("KUBECONFIG", strings.Join([]string{missing, first, second}, string(os.PathListSeparator)))
	result := mustWrite(t, kubeOptions(""))
	if result.File != first || result.Current != "work" {
		t.Errorf("result = %+v, want the first file that is there, and the current context of the second", result)
	}
	if mustLoad(t, first).CurrentContext != "" {
		t.Error("the current context of the second file is overruled")
	}
	writeTestFile(t, second, []byte(strings.ReplaceAll(messy, "dangling", "edge")))
	if _, err := WriteKubeconfig(kubeOptions("")); err == nil || !strings.Contains(err.Error(), "second") {
		t.Errorf("WriteKubeconfig with a twin in another file = %v, want an error", err)
	}
}

func TestKubeconfigIsLocked(t *testing.T) {
	file := newKubeconfig(t, messy)
	writeTestFile(t, file+".lock", nil)
	timer := time.AfterFunc(4*lockRetry, func() { os.Remove(file + ".lock") })
	defer timer.Stop()
	start := time.Now()
	mustWrite(t, kubeOptions(file))
	if waited := time.Since(start); waited < 4*lockRetry {
		t.Errorf("WriteKubeconfig took %v while another process had the lock", waited)
	}
}
