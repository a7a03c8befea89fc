package connect

import (
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"maps"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"k8s.io/apimachinery/pkg/runtime"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"

	"github.com/spliceway/spliceway/issuer"
)

const (
	// extensionName marks the entries that are ours. Other tools keep extensions that they do not know.
	extensionName = "spliceway"

	// placeholderToken keeps kubectl from asking for a user name and a password, which it does for a user without
	// any credential. It is sent inside the tunnel, and the gateway removes it.
	placeholderToken = "placeholder-the-gateway-adds-the-identity"
)

// KubeconfigOptions says what to write. Each field is a flag of the command line, or what other flags lead to.
type KubeconfigOptions struct {
	// File is the file to change; default: as kubectl config does, the first file of $KUBECONFIG that exists, or
	// ~/.kube/config.
	File string
	// Prefix goes before the name of every cluster, user and context.
	Prefix string
	// ProxyAddress is where the proxy listens; default: DefaultListen.
	ProxyAddress string
	// ProxySecret is what LoadProxySecret returns. Required.
	ProxySecret string
	// CA holds the certificates, in PEM, that the gateway's certificates for the clusters' names chain to. Required.
	CA []byte
	// Issuer is the URL of the issuer; it tells our entries of one issuer from those of another. Required.
	Issuer string
	// Resources are what to write entries for. A resource whose address is a pattern needs an alias.
	Resources []issuer.ResourceInfo
	// SetCurrent is the resource (or its context) that becomes the current context. If empty, the current context stays,
	// unless there is none: then the first resource's becomes it.
	SetCurrent string
	// Prune removes our entries of this issuer for which there is no resource any more.
	Prune bool
}

// KubeconfigResult says what was done.
type KubeconfigResult struct {
	File    string   // the file that was changed, or would have been
	Written []string // contexts that are new or were changed
	Kept    []string // contexts that were right already
	Pruned  []string // contexts that were removed
	Skipped []string // resources without a host name
	Current string   // the current context
}

// mark is the value of our extension.
type mark struct {
	Issuer   string `json:"issuer"`
	Resource string `json:"resource"`
}

// WriteKubeconfig makes or updates a cluster, a user and a context for each resource, named by its first alias, or
// else by its name. Everything else in the file stays: other entries, and the namespace of a context of ours. An entry of
// the same name that is not ours is an error, and then nothing is written.
//
// The file is locked as kubectl config does it, written as a whole under another name, and renamed; it gets mode 0600,
// because proxy-url has the proxy's secret. Comments and the order of entries are lost when it is changed, as with
// kubectl config. When nothing is to be changed, the file is not touched.
func WriteKubeconfig(options KubeconfigOptions) (*KubeconfigResult, error) {
	if err := options.check(); err != nil {
		return nil, err
	}
	file, err := openKubeconfig(options.File)
	if err != nil {
		return nil, err
	}
	defer file.unlock()
	before := file.config.DeepCopy()
	result := &KubeconfigResult{File: file.path}
	m := &merge{options: options, file: file, result: result}
	if err := m.entries(); err != nil {
		return nil, err
	}
	if options.Prune {
		m.prune()
	}
	if err := m.setCurrent(); err != nil {
		return nil, err
	}
	if err := file.save(before); err != nil {
		return nil, err
	}
	return result, nil
}

func (o *KubeconfigOptions) check() error {
	if o.ProxyAddress == "" {
		o.ProxyAddress = DefaultListen
	}
	switch {
	case o.ProxySecret == "":
		return errors.New("connect: kubeconfig: the proxy's secret is missing")
	case len(o.CA) == 0:
		return errors.New("connect: kubeconfig: the gateway's certificate authority is missing")
	case !isCertificates(o.CA):
		return errors.New("connect: kubeconfig: the gateway's certificate authority is not in PEM, or has something else with it than certificates")
	case o.Issuer == "":
		return errors.New("connect: kubeconfig: the issuer is missing")
	}
	return nil
}

// isCertificates keeps what no client could read, and keys, out of kubeconfigs.
func isCertificates(text []byte) bool {
	block, rest := pem.Decode(text)
	for found := block; found != nil; found, rest = pem.Decode(rest) {
		if found.Type != "CERTIFICATE" {
			return false
		}
		if _, err := x509.ParseCertificate(found.Bytes); err != nil {
			return false
		}
	}
	return block != nil
}

// merge is one run of WriteKubeconfig.
type merge struct {
	options KubeconfigOptions
	file    *kubeconfigFile
	result  *KubeconfigResult
	ours    []string          // contexts in the order of resources
	names   map[string]string // resource to context
}

func (m *merge) entries() error {
	m.names = make(map[string]string)
	for i := range m.options.Resources {
		resource := &m.options.Resources[i]
		host := hostOf(resource)
		if host == "" {
			m.result.Skipped = append(m.result.Skipped, resource.Name)
			continue
		}
		name := m.options.Prefix + resource.Name
		if len(resource.Aliases) > 0 {
			name = m.options.Prefix + resource.Aliases[0]
		}
		if slices.Contains(m.ours, name) {
			return fmt.Errorf("connect: kubeconfig: two resources want the name %q", name)
		}
		if err := m.entry(name, host, resource); err != nil {
			return err
		}
		m.ours = append(m.ours, name)
		m.names[resource.Name] = name
	}
	return nil
}

// hostOf returns the host for the server's URL: the first alias, or the address if it is not a pattern.
func hostOf(r *issuer.ResourceInfo) string {
	if len(r.Aliases) > 0 {
		return r.Aliases[0]
	}
	if strings.HasPrefix(r.Address, "*") {
		return ""
	}
	return r.Address
}

func serverURL(host string, port int) string {
	if port != 0 && port != 443 {
		return "https://" + net.JoinHostPort(host, strconv.Itoa(port))
	}
	if addr, err := netip.ParseAddr(host); err == nil && addr.Is6() {
		return "https://[" + host + "]"
	}
	return "https://" + host
}

// entry writes one resource's cluster, user and context.
func (m *merge) entry(name, host string, resource *issuer.ResourceInfo) error {
	if err := m.conflict(name); err != nil {
		return err
	}
	config := m.file.config
	before := [3]any{config.Clusters[name].DeepCopy(), config.AuthInfos[name].DeepCopy(), config.Contexts[name].DeepCopy()}
	extension := m.extension(resource.Name)

	cluster := orNew(config.Clusters, name, clientcmdapi.NewCluster)
	cluster.Server = serverURL(host, resource.Port)
	cluster.CertificateAuthority, cluster.CertificateAuthorityData = "", m.options.CA
	cluster.InsecureSkipTLSVerify, cluster.TLSServerName = false, ""
	cluster.ProxyURL = proxyURL(m.options.ProxyAddress, m.options.ProxySecret)
	setExtension(&cluster.Extensions, extension)

	// A new one: whatever credential somebody has put into it, the gateway would throw away.
	user := clientcmdapi.NewAuthInfo()
	user.Token = placeholderToken
	if old := config.AuthInfos[name]; old != nil {
		user.Extensions, user.LocationOfOrigin = old.Extensions, old.LocationOfOrigin
	}
	setExtension(&user.Extensions, extension)
	config.AuthInfos[name] = user

	context := orNew(config.Contexts, name, clientcmdapi.NewContext)
	context.Cluster, context.AuthInfo = name, name
	setExtension(&context.Extensions, extension)

	if equalConfig(before, [3]any{cluster, user, context}) {
		m.result.Kept = append(m.result.Kept, name)
	} else {
		m.result.Written = append(m.result.Written, name)
	}
	return nil
}

// orNew returns the entry of a name and makes it if it is not there.
func orNew[T any](entries map[string]*T, name string, make func() *T) *T {
	if entries[name] == nil {
		entries[name] = make()
	}
	return entries[name]
}

func (m *merge) extension(resource string) runtime.Object {
	raw, err := json.Marshal(mark{Issuer: m.options.Issuer, Resource: resource})
	if err != nil {
		panic("connect: internal error: a mark cannot be encoded: " + err.Error())
	}
	return &runtime.Unknown{Raw: raw, ContentType: runtime.ContentTypeJSON}
}

func setExtension(extensions *map[string]runtime.Object, value runtime.Object) {
	if *extensions == nil {
		*extensions = make(map[string]runtime.Object)
	}
	// What is equal stays as it was read, so that it compares equal.
	if old, isOurs := markOf(*extensions); isOurs {
		if fresh, _ := markOf(map[string]runtime.Object{extensionName: value}); fresh == old {
			return
		}
	}
	(*extensions)[extensionName] = value
}

func markOf(extensions map[string]runtime.Object) (mark, bool) {
	unknown, ok := extensions[extensionName].(*runtime.Unknown)
	if !ok {
		return mark{}, false
	}
	var value mark
	if json.Unmarshal(unknown.Raw, &value) != nil || value.Issuer == "" {
		return mark{}, false
	}
	return value, true
}

// conflict refuses to take over an entry that somebody else has made, here or in another file of $KUBECONFIG.
func (m *merge) conflict(name string) error {
	for kind, extensions := range m.file.extensionsOf(name) {
		owner, isOurs := markOf(extensions)
		if isOurs && owner.Issuer == m.options.Issuer {
			continue
		}
		return fmt.Errorf("connect: kubeconfig: there is a %s %q that is not ours; use a prefix", kind, name)
	}
	if other := m.file.elsewhere(name); other != "" {
		return fmt.Errorf("connect: kubeconfig: %s has an entry %q too; use a prefix or that file", other, name)
	}
	return nil
}

// prune removes entries of ours whose resource has gone. Each kind on its own, for the case that somebody has removed
// one of the three.
func (m *merge) prune() {
	config := m.file.config
	gone := func(name string, extensions map[string]runtime.Object) bool {
		owner, isOurs := markOf(extensions)
		return isOurs && owner.Issuer == m.options.Issuer && !slices.Contains(m.ours, name)
	}
	for _, name := range slices.Sorted(maps.Keys(config.Contexts)) {
		if !gone(name, config.Contexts[name].Extensions) {
			continue
		}
		delete(config.Contexts, name)
		m.result.Pruned = append(m.result.Pruned, name)
		if config.CurrentContext == name {
			config.CurrentContext = ""
		}
	}
	maps.DeleteFunc(config.Clusters, func(name string, c *clientcmdapi.Cluster) bool { return gone(name, c.Extensions) })
	maps.DeleteFunc(config.AuthInfos, func(name string, u *clientcmdapi.AuthInfo) bool { return gone(name, u.Extensions) })
}

func (m *merge) setCurrent() error {
	config := m.file.config
	if want := m.options.SetCurrent; want != "" {
		name, ok := m.names[want]
		if !ok && slices.Contains(m.ours, want) {
			name, ok = want, true
		}
		if !ok {
			return fmt.Errorf("connect: kubeconfig: there is no resource %q to make current", want)
		}
		config.CurrentContext = name
	} else if config.CurrentContext == "" && m.file.currentElsewhere() == "" && len(m.ours) > 0 {
		config.CurrentContext = m.ours[0]
	}
	m.result.Current = config.CurrentContext
	if m.result.Current == "" {
		m.result.Current = m.file.currentElsewhere()
	}
	return nil
}
