package config

import (
	"fmt"
	"net"
	"regexp"
	"strings"

	"github.com/spliceway/spliceway/cluster"
)

// oneWord is safe in metrics, logs and file names.
var oneWord = regexp.MustCompile(`^[A-Za-z0-9]([A-Za-z0-9._-]{0,61}[A-Za-z0-9])?$`)

func (v *validator) clusters() {
	if len(v.cfg.Clusters) == 0 {
		v.problem("clusters", "needs at least one cluster")
	}
	var named []cluster.Config
	var index []int // of each named one
	for i := range v.cfg.Clusters {
		c := &v.cfg.Clusters[i]
		v.cluster(fmt.Sprintf("clusters[%d]", i), c)
		if c.Name != "" {
			named, index = append(named, c.Config(0)), append(index, i)
		}
	}
	for _, conflict := range cluster.Conflicts(named) {
		field := strings.ToLower(conflict.Field) // Name, Address, Aliases
		v.problem(fmt.Sprintf("clusters[%d].%s", index[conflict.Index], field), "%s", conflict.Text)
	}
}

func (v *validator) cluster(key string, c *Cluster) {
	switch {
	case c.Name == "":
		v.problem(key+".name", "is required: the word for this cluster in logs and metrics")
	case !oneWord.MatchString(c.Name):
		v.problem(key+".name", "%s must be up to 63 letters, digits, dots, dashes and underscores", quoted(c.Name))
	}
	if c.Address == "" && len(c.Aliases) == 0 {
		v.problem(key+".address", "is required: what a token's resource.address says")
	} else if c.Address != "" {
		v.host(key+".address", c.Address)
	}
	for i, alias := range c.Aliases {
		v.host(fmt.Sprintf("%s.aliases[%d]", key, i), alias)
	}
	v.server(key, c)
	if c.ServerName != "" && net.ParseIP(c.ServerName) == nil && !validName(c.ServerName) {
		v.problem(key+".serverName", "%s is not a host name or IP address", quoted(c.ServerName))
	}
	v.credential(key, c)
	v.file(key+".certificateAuthorityFile", &c.CertificateAuthorityFile)
	v.file(key+".bearerTokenFile", &c.BearerTokenFile)
	v.file(key+".clientCertificateFile", &c.ClientCertificateFile)
	v.file(key+".clientKeyFile", &c.ClientKeyFile)
}

// host checks a name by which tokens and clients mean a cluster.
func (v *validator) host(key, host string) {
	switch {
	case net.ParseIP(host) != nil, validName(strings.TrimPrefix(host, "*.")):
	case strings.Contains(host, "://"):
		v.problem(key, "%s is a URL and must be a host name or IP address only", quoted(host))
	case strings.Contains(host, ":"):
		v.problem(key, "%s must be a host name or IP address without a port", quoted(host))
	default:
		v.problem(key, "%s is not a host name or IP address", quoted(host))
	}
}

func (v *validator) server(key string, c *Cluster) {
	if c.Server == "" {
		if !c.InCluster && !v.unknown(key+".inCluster") {
			v.problem(key+".server", "is required, as https://10.0.0.1:6443, unless inCluster is true")
		}
		return
	}
	if _, err := cluster.ParseServer(c.Server); err != nil {
		v.problem(key+".server", "%s: %v", quoted(c.Server), err)
	}
}

func (v *validator) credential(key string, c *Cluster) {
	certificate, clientKey := c.ClientCertificateFile != "", c.ClientKeyFile != ""
	switch {
	case certificate && !clientKey:
		v.problem(key+".clientKeyFile", "is required next to clientCertificateFile")
	case clientKey && !certificate:
		v.problem(key+".clientCertificateFile", "is required next to clientKeyFile")
	case certificate && c.BearerTokenFile != "":
		v.problem(key+".bearerTokenFile", "cannot be used together with clientCertificateFile, because the API server would choose; remove one")
	case !certificate && c.BearerTokenFile == "" && !c.InCluster:
		v.problem(key, "needs the gateway's credential: set bearerTokenFile, or clientCertificateFile and clientKeyFile, or inCluster: true")
	}
}
