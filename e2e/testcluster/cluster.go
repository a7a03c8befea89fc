package testcluster

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"syscall"
	"time"

	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/clientcmd"
)

// startTimeout bounds a start, once the programs are built.
const startTimeout = 2 * time.Minute

// nodeEnv tells a process that it is the node of the cluster in the directory
// it names.
const nodeEnv = "SPLICEWAY_TESTCLUSTER_NODE"

// Config says what kind of cluster to start.
type Config struct {
	Dir         string    // directory of the cluster; made by Start, and its content replaced if it was a cluster's
	Controllers bool      // run kube-controller-manager and kube-scheduler
	Detach      bool      // let the programs outlive this process
	Log         io.Writer // told what takes long; if nil, nobody is
}

// Cluster is one running cluster. Everything it writes is in its directory.
type Cluster struct {
	Info
	dir         string
	controllers bool
	detach      bool
	log         io.Writer
}

// Main is the first thing that main or TestMain calls in a program that uses
// Start. In a process that was started as a cluster's node it is the whole
// program and does not return; in all others it does nothing.
func Main() {
	dir := os.Getenv(nodeEnv)
	if dir == "" {
		return
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := runNode(ctx, &Cluster{dir: dir, controllers: os.Getenv(nodeEnv+"_CONTROLLERS") != ""}); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	os.Exit(0)
}

// Start builds what is missing and starts a cluster. If that fails, and when ctx
// is cancelled before it is up, what had been started is stopped, and the logs
// are kept.
func Start(ctx context.Context, config Config) (c *Cluster, err error) {
	dir, err := filepath.Abs(config.Dir)
	if err != nil {
		return nil, err
	}
	c = &Cluster{dir: dir, controllers: config.Controllers, detach: config.Detach, log: config.Log}
	if c.log == nil {
		c.log = io.Discard
	}
	if slices.ContainsFunc(c.processes(), process.alive) {
		return nil, fmt.Errorf("testcluster: a cluster is already running in %s", dir)
	}
	programs, err := Build(ctx, c.log, c.programs()...)
	if err != nil {
		return nil, err
	}
	if err := c.makeDir(); err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	if err := c.startAll(ctx, programs); err != nil {
		return nil, errors.Join(err, c.StopPrograms())
	}
	return c, nil
}

// Open returns the running cluster of a directory, which another process has
// started.
func Open(dir string) (*Cluster, error) {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return nil, err
	}
	c := &Cluster{dir: dir, detach: true, log: io.Discard}
	if !slices.ContainsFunc(c.processes(), process.alive) {
		return nil, fmt.Errorf("testcluster: no cluster is running in %s", dir)
	}
	data, err := os.ReadFile(c.file("cluster.json"))
	if err != nil {
		return nil, err
	}
	return c, json.Unmarshal(data, &c.Info)
}

// Stop ends the programs and removes the directory.
func (c *Cluster) Stop() error {
	if err := c.StopPrograms(); err != nil {
		return err
	}
	return os.RemoveAll(c.dir)
}

// KillAPIServer ends the API server without any warning to its clients.
func (c *Cluster) KillAPIServer() error {
	p, err := c.process("kube-apiserver")
	if err != nil {
		return err
	}
	return p.kill()
}

// StartAPIServer starts the API server again, with the same address and keys,
// and waits until it is ready.
func (c *Cluster) StartAPIServer(ctx context.Context) error {
	p, err := c.process("kube-apiserver")
	if err != nil {
		return err
	}
	if err := c.start(p); err != nil {
		return err
	}
	client, err := c.client()
	if err != nil {
		return err
	}
	return c.waitReady(ctx, client)
}

// programs are those that Start needs.
func (c *Cluster) programs() []string {
	names := []string{"etcd", "kube-apiserver", Kubectl}
	if c.controllers {
		names = append(names, "kube-controller-manager", "kube-scheduler")
	}
	return names
}

// startAll starts the programs and makes the objects that tests rely on.
func (c *Cluster) startAll(ctx context.Context, programs map[string]string) error {
	ports, err := freePorts(5)
	if err != nil {
		return err
	}
	server := fmt.Sprintf("https://127.0.0.1:%d", ports[0])
	if err := c.writeFiles(server); err != nil {
		return err
	}
	etcd, etcdPeer := fmt.Sprintf("https://127.0.0.1:%d", ports[1]), fmt.Sprintf("http://127.0.0.1:%d", ports[2])
	if err := c.start(process{Name: "etcd", Path: programs["etcd"], Args: c.etcdArgs(etcd, etcdPeer)}); err != nil {
		return err
	}
	apiServer := process{Name: "kube-apiserver", Path: programs["kube-apiserver"], Args: c.apiServerArgs(etcd, ports[0])}
	if err := c.start(apiServer); err != nil {
		return err
	}
	client, err := c.client()
	if err != nil {
		return err
	}
	if err := c.waitReady(ctx, client); err != nil {
		return err
	}
	if err := c.startControllers(programs, ports[3], ports[4]); err != nil {
		return err
	}
	if err := c.startNode(); err != nil {
		return err
	}
	return c.bootstrap(ctx, client, server, programs[Kubectl])
}

func (c *Cluster) etcdArgs(url, peer string) []string {
	return []string{
		"--data-dir=" + c.file("etcd"), "--unsafe-no-fsync",
		"--listen-client-urls=" + url, "--advertise-client-urls=" + url,
		"--listen-peer-urls=" + peer, "--initial-advertise-peer-urls=" + peer,
		"--initial-cluster=default=" + peer,
		"--cert-file=" + c.file("etcd.crt"), "--key-file=" + c.file("etcd.key"),
		"--client-cert-auth", "--trusted-ca-file=" + c.file("ca.crt"),
	}
}

func (c *Cluster) apiServerArgs(etcd string, port int) []string {
	return []string{
		"--etcd-servers=" + etcd, "--etcd-cafile=" + c.file("ca.crt"),
		"--etcd-certfile=" + c.file("apiserver.crt"), "--etcd-keyfile=" + c.file("apiserver.key"),
		"--bind-address=127.0.0.1", "--advertise-address=127.0.0.1", fmt.Sprintf("--secure-port=%d", port),
		"--tls-cert-file=" + c.file("apiserver.crt"), "--tls-private-key-file=" + c.file("apiserver.key"),
		"--client-ca-file=" + c.file("ca.crt"),
		"--authorization-mode=Node,RBAC", "--allow-privileged",
		"--service-account-issuer=https://kubernetes.default.svc",
		"--service-account-key-file=" + c.file("sa.key"), "--service-account-signing-key-file=" + c.file("sa.key"),
		"--service-cluster-ip-range=10.96.0.0/16", "--endpoint-reconciler-type=none",
		"--kubelet-certificate-authority=" + c.file("ca.crt"),
		"--kubelet-client-certificate=" + c.file("apiserver-kubelet-client.crt"),
		"--kubelet-client-key=" + c.file("apiserver-kubelet-client.key"),
		"--kubelet-preferred-address-types=InternalIP",
		"--audit-policy-file=" + c.file("audit-policy.yaml"), "--audit-log-path=" + c.file("audit.log"),
	}
}

// startControllers starts the real controllers, if they are wanted.
func (c *Cluster) startControllers(programs map[string]string, managerPort, schedulerPort int) error {
	if !c.controllers {
		return nil
	}
	serving := []string{
		"--kubeconfig=" + c.file("admin.kubeconfig"), "--leader-elect=false", "--bind-address=127.0.0.1",
		"--tls-cert-file=" + c.file("apiserver.crt"), "--tls-private-key-file=" + c.file("apiserver.key"),
	}
	manager := append(slices.Clone(serving), fmt.Sprintf("--secure-port=%d", managerPort),
		"--root-ca-file="+c.file("ca.crt"), "--service-account-private-key-file="+c.file("sa.key"),
		"--use-service-account-credentials")
	scheduler := append(slices.Clone(serving), fmt.Sprintf("--secure-port=%d", schedulerPort))
	for name, args := range map[string][]string{"kube-controller-manager": manager, "kube-scheduler": scheduler} {
		if err := c.start(process{Name: name, Path: programs[name], Args: args}); err != nil {
			return err
		}
	}
	return nil
}

// startNode starts this program once more, to be the node; see Main.
func (c *Cluster) startNode() error {
	self, err := os.Executable()
	if err != nil {
		return err
	}
	env := []string{nodeEnv + "=" + c.dir}
	if c.controllers {
		env = append(env, nodeEnv+"_CONTROLLERS=1")
	}
	return c.start(process{Name: "node", Path: self, Env: env})
}

// writeFiles makes keys, certificates, kubeconfigs and the audit policy.
func (c *Cluster) writeFiles(server string) error {
	ca, err := newAuthority(c.dir)
	if err != nil {
		return err
	}
	for _, cert := range [][]string{ // file, common name (user), organizations (groups)
		{"etcd", "etcd"},
		{"apiserver", "kube-apiserver"},
		{"apiserver-kubelet-client", kubeletClient, "system:masters"},
		{"kubelet", "system:node:" + nodeName, "system:nodes"},
		{"admin", "kubernetes-admin", "system:masters"},
	} {
		if err := ca.issue(cert[0], cert[1], cert[2:]...); err != nil {
			return err
		}
	}
	if _, err := writeKey(c.file("sa.key")); err != nil {
		return err
	}
	policy := "apiVersion: audit.k8s.io/v1\nkind: Policy\nomitStages: [RequestReceived]\nrules:\n- level: Metadata\n"
	if err := os.WriteFile(c.file("audit-policy.yaml"), []byte(policy), 0o600); err != nil {
		return err
	}
	return c.writeKubeconfig("admin", server, func(user *clientUser) {
		user.ClientCertificate, user.ClientKey = c.file("admin.crt"), c.file("admin.key")
	})
}

// client returns an administrator's client.
func (c *Cluster) client() (*kubernetes.Clientset, error) {
	config, err := clientcmd.BuildConfigFromFlags("", c.file("admin.kubeconfig"))
	if err != nil {
		return nil, err
	}
	config.QPS, config.Burst = 100, 200
	return kubernetes.NewForConfig(config)
}

func (c *Cluster) waitReady(ctx context.Context, client *kubernetes.Clientset) error {
	return c.waitFor(ctx, "the API server", func() error {
		return client.Discovery().RESTClient().Get().AbsPath("/readyz").Do(ctx).Error()
	})
}

// waitFor calls ready until it succeeds. It gives up when ctx ends or one of
// the programs has exited.
func (c *Cluster) waitFor(ctx context.Context, what string, ready func() error) error {
	for {
		err := ready()
		if err == nil {
			return nil
		}
		for _, p := range c.processes() {
			if !p.alive() {
				return fmt.Errorf("%s has exited; its log ends:\n%s", p.Name, c.tail(p.Name))
			}
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("waiting for %s: %w (last error: %v)", what, ctx.Err(), err)
		case <-time.After(50 * time.Millisecond):
		}
	}
}

// StopPrograms ends the programs, last started first, and leaves the directory
// with their logs.
func (c *Cluster) StopPrograms() error {
	processes := c.processes()
	slices.Reverse(processes)
	var errs []error
	for _, p := range processes {
		errs = append(errs, p.stop())
	}
	if err := errors.Join(errs...); err != nil {
		return err
	}
	os.Remove(c.file("processes.json"))
	return nil
}

func (c *Cluster) file(name string) string { return filepath.Join(c.dir, name) }

// marker is a file that tells our directories from any other.
const marker = ".testcluster"

// makeDir makes the directory, in place of that of an earlier cluster, but of
// no other.
func (c *Cluster) makeDir() error {
	entries, err := os.ReadDir(c.dir)
	if err != nil && !os.IsNotExist(err) {
		return err
	}
	if len(entries) > 0 {
		if _, err := os.Stat(c.file(marker)); err != nil {
			return fmt.Errorf("testcluster: %s is not empty and not a cluster's directory", c.dir)
		}
		if err := os.RemoveAll(c.dir); err != nil {
			return err
		}
	}
	if err := os.MkdirAll(c.dir, 0o700); err != nil {
		return err
	}
	return os.WriteFile(c.file(marker), nil, 0o600)
}
