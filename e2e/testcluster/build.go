package testcluster

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"syscall"
	"time"
)

// Names of programs that Build knows next to those of the cluster.
const (
	Kubectl     = "kubectl"      // of the same version as the API server
	KubectlSPDY = "kubectl-spdy" // an old one that speaks SPDY only
	Helm        = "helm"
)

// modulePath is the module whose go.mod pins the cluster's versions.
const modulePath = "github.com/spliceway/spliceway/e2e"

// program says where a program comes from. Its version is the one that the
// go.mod in folder pins.
type program struct {
	folder  string // within module e2e; "." is that module itself
	pkg     string
	release string // module whose version is stamped into the program, or ""
}

const kubernetesModule = "k8s.io/kubernetes"

var programs = map[string]program{
	"etcd":                    {".", "go.etcd.io/etcd/server/v3", ""},
	"kube-apiserver":          {".", "k8s.io/kubernetes/cmd/kube-apiserver", kubernetesModule},
	"kube-controller-manager": {".", "k8s.io/kubernetes/cmd/kube-controller-manager", kubernetesModule},
	"kube-scheduler":          {".", "k8s.io/kubernetes/cmd/kube-scheduler", kubernetesModule},
	Kubectl:                   {".", "k8s.io/kubernetes/cmd/kubectl", kubernetesModule},
	KubectlSPDY:               {"oldkubectl", "k8s.io/kubernetes/cmd/kubectl", kubernetesModule},
	Helm:                      {"helm", "helm.sh/helm/v3/cmd/helm", ""},
}

// Build returns the path of each named program, by name. What is not in the
// cache is built, which takes minutes and is announced on log. The cache is
// $XDG_CACHE_HOME/spliceway-e2e; several processes may call Build at once. The
// working directory must be inside module e2e, whose go.mod files say what to
// build.
func Build(ctx context.Context, log io.Writer, names ...string) (map[string]string, error) {
	root, err := ModuleDir(ctx)
	if err != nil {
		return nil, err
	}
	cache, err := os.UserCacheDir()
	if err != nil {
		return nil, err
	}
	cache = filepath.Join(cache, "spliceway-e2e")
	if err := os.MkdirAll(cache, 0o755); err != nil {
		return nil, err
	}
	unlock, err := lockFile(filepath.Join(cache, "lock"))
	if err != nil {
		return nil, err
	}
	defer unlock()
	paths := make(map[string]string, len(names))
	for _, name := range names {
		p, known := programs[name]
		if !known {
			return nil, fmt.Errorf("testcluster: no program is named %q", name)
		}
		if paths[name], err = p.build(ctx, log, root, cache, name); err != nil {
			return nil, fmt.Errorf("building %s: %w", name, err)
		}
	}
	return paths, nil
}

// ModuleDir returns the directory of module e2e, which the working directory
// must be in.
func ModuleDir(ctx context.Context) (string, error) {
	cmd := exec.CommandContext(ctx, "go", "list", "-m", "-f", "{{.Dir}}", modulePath)
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err != nil {
		return "", fmt.Errorf("finding module %s (run this in its folder): %w", modulePath, err)
	}
	return strings.TrimSpace(string(out)), nil
}

// build returns the cached program, after building it if it is not there.
func (p program) build(ctx context.Context, log io.Writer, root, cache, name string) (string, error) {
	folder := filepath.Join(root, p.folder)
	goMod, err := os.ReadFile(filepath.Join(folder, "go.mod"))
	if err != nil {
		return "", err
	}
	goSum, err := os.ReadFile(filepath.Join(folder, "go.sum"))
	if err != nil {
		return "", err
	}
	sum := sha256.Sum256([]byte(string(goMod) + string(goSum) + runtime.Version()))
	dir := filepath.Join(cache, hex.EncodeToString(sum[:8]))
	target := filepath.Join(dir, name)
	if _, err := os.Stat(target); err == nil {
		return target, nil
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return "", err
	}
	fmt.Fprintf(log, "building %s (minutes, the first time) ...\n", name)
	start := time.Now()
	cmd := exec.CommandContext(ctx, "go", "build", "-mod=readonly", "-buildvcs=false", "-trimpath",
		"-ldflags", p.ldflags(goMod), "-o", target+".tmp", p.pkg)
	cmd.Dir = folder
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOWORK=off", "GOFLAGS=")
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("%w\n%s", err, out)
	}
	fmt.Fprintf(log, "built %s in %s\n", name, time.Since(start).Round(time.Second))
	return target, os.Rename(target+".tmp", target)
}

// ldflags stamps the version into a Kubernetes program, as its release build
// does: kubectl and the API server tell each other what they are.
func (p program) ldflags(goMod []byte) string {
	flags := []string{"-s", "-w"}
	version := pinned(goMod, p.release)
	if version == "" {
		return strings.Join(flags, " ")
	}
	parts := strings.Split(strings.TrimPrefix(version, "v"), ".")
	for _, pkg := range []string{"k8s.io/component-base/version", "k8s.io/client-go/pkg/version"} {
		flags = append(flags,
			"-X", pkg+".gitVersion="+version,
			"-X", pkg+".gitMajor="+parts[0],
			"-X", pkg+".gitMinor="+parts[1],
			"-X", pkg+".gitTreeState=clean")
	}
	return strings.Join(flags, " ")
}

// pinned returns the version of a module that a go.mod requires, or "".
func pinned(goMod []byte, module string) string {
	if module == "" {
		return ""
	}
	line := regexp.MustCompile(`(?m)^\s*(?:require )?` + regexp.QuoteMeta(module) + ` (v\S+)`)
	if match := line.FindSubmatch(goMod); match != nil {
		return string(match[1])
	}
	return ""
}

// lockFile takes the lock of a file, waiting for its owner if there is one.
func lockFile(path string) (unlock func(), err error) {
	lock, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o644)
	if err != nil {
		return nil, err
	}
	if err := syscall.Flock(int(lock.Fd()), syscall.LOCK_EX); err != nil {
		lock.Close()
		return nil, err
	}
	return func() { lock.Close() }, nil // closing unlocks
}
