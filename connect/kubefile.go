package connect

import (
	"errors"
	"fmt"
	"io/fs"
	"iter"
	"os"
	"path/filepath"
	"slices"
	"time"

	"k8s.io/apimachinery/pkg/api/equality"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/tools/clientcmd"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"
)

const (
	// lockSuffix is clientcmd's: kubectl config and we keep out of each other's way.
	lockSuffix = ".lock"
	// lockPatience is how long another process may hold the lock; kubectl needs it for milliseconds.
	lockPatience = 5 * time.Second
	lockRetry    = 50 * time.Millisecond
)

// kubeconfigFile is a locked file and what it holds. Unlike clientcmd.ModifyConfig it reads after locking, so that no
// change of another process is undone, and never leaves half a file.
type kubeconfigFile struct {
	path   string // what the user calls it
	real   string // behind symbolic links
	lock   string
	config *clientcmdapi.Config
	others []*clientcmdapi.Config // the other files of $KUBECONFIG, in their order
	names  []string               // of others
}

// openKubeconfig locks and reads a file, which need not be there yet. The caller calls unlock.
func openKubeconfig(path string) (*kubeconfigFile, error) {
	f := &kubeconfigFile{path: path}
	if path == "" {
		options := clientcmd.NewDefaultPathOptions()
		f.path = options.GetDefaultFilename()
		f.names = slices.DeleteFunc(options.GetEnvVarFiles(), func(name string) bool { return name == f.path })
	}
	f.real = f.path
	if target, err := filepath.EvalSymlinks(f.path); err == nil {
		f.real = target
	}
	if err := os.MkdirAll(filepath.Dir(f.real), 0o700); err != nil {
		return nil, fmt.Errorf("connect: kubeconfig: %w", err)
	}
	if err := f.acquire(); err != nil {
		return nil, err
	}
	if err := f.load(); err != nil {
		f.unlock()
		return nil, err
	}
	return f, nil
}

func (f *kubeconfigFile) acquire() error {
	lock := f.path + lockSuffix
	for deadline := time.Now().Add(lockPatience); ; time.Sleep(lockRetry) {
		file, err := os.OpenFile(lock, os.O_CREATE|os.O_EXCL, 0)
		if err == nil {
			f.lock = lock
			return file.Close()
		}
		if !errors.Is(err, fs.ErrExist) {
			return fmt.Errorf("connect: kubeconfig: locking: %w", err)
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("connect: kubeconfig: %s is locked; if nothing uses it, delete %s", f.path, lock)
		}
	}
}

func (f *kubeconfigFile) unlock() { os.Remove(f.lock) }

func (f *kubeconfigFile) load() error {
	var err error
	if f.config, err = loadKubeconfig(f.real); err != nil {
		return err
	}
	for _, name := range f.names {
		other, err := loadKubeconfig(name)
		if err != nil {
			return err
		}
		f.others = append(f.others, other)
	}
	return nil
}

// loadKubeconfig returns an empty one for a file that is not there or is empty.
func loadKubeconfig(name string) (*clientcmdapi.Config, error) {
	config, err := clientcmd.LoadFromFile(name)
	if errors.Is(err, fs.ErrNotExist) {
		return clientcmdapi.NewConfig(), nil
	}
	if err != nil {
		return nil, fmt.Errorf("connect: kubeconfig: reading %s: %w", name, err)
	}
	return config, nil
}

// extensionsOf yields the extensions of the cluster, the user and the context of a name.
func (f *kubeconfigFile) extensionsOf(name string) iter.Seq2[string, map[string]runtime.Object] {
	return func(yield func(string, map[string]runtime.Object) bool) {
		if c := f.config.Clusters[name]; c != nil && !yield("cluster", c.Extensions) {
			return
		}
		if u := f.config.AuthInfos[name]; u != nil && !yield("user", u.Extensions) {
			return
		}
		if c := f.config.Contexts[name]; c != nil {
			yield("context", c.Extensions)
		}
	}
}

// elsewhere returns another file that has an entry of a name: of two, kubectl takes one.
func (f *kubeconfigFile) elsewhere(name string) string {
	for i, other := range f.others {
		if other.Clusters[name] != nil || other.AuthInfos[name] != nil || other.Contexts[name] != nil {
			return f.names[i]
		}
	}
	return ""
}

func (f *kubeconfigFile) currentElsewhere() string {
	for _, other := range f.others {
		if other.CurrentContext != "" {
			return other.CurrentContext
		}
	}
	return ""
}

// save writes what has changed since before.
func (f *kubeconfigFile) save(before *clientcmdapi.Config) error {
	if equalConfig(before, f.config) {
		return f.tighten()
	}
	data, err := clientcmd.Write(*f.config)
	if err != nil {
		return fmt.Errorf("connect: kubeconfig: encoding: %w", err)
	}
	temp, err := os.CreateTemp(filepath.Dir(f.real), ".kubeconfig-*") // mode 0600
	if err != nil {
		return fmt.Errorf("connect: kubeconfig: writing: %w", err)
	}
	defer os.Remove(temp.Name()) // does nothing after the rename
	_, err = temp.Write(data)
	if err := errors.Join(err, temp.Sync(), temp.Close()); err != nil {
		return fmt.Errorf("connect: kubeconfig: writing: %w", err)
	}
	if err := os.Rename(temp.Name(), f.real); err != nil {
		return fmt.Errorf("connect: kubeconfig: writing: %w", err)
	}
	return nil
}

// tighten keeps the proxy's secret in a file that is right already from others.
func (f *kubeconfigFile) tighten() error {
	info, err := os.Stat(f.real)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err == nil && info.Mode().Perm()&0o077 != 0 {
		err = os.Chmod(f.real, 0o600)
	}
	if err != nil {
		return fmt.Errorf("connect: kubeconfig: %w", err)
	}
	return nil
}

func equalConfig(a, b any) bool { return equality.Semantic.DeepEqual(a, b) }
