package cluster

import (
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// DefaultDialTimeout is the limit for TCP and TLS together.
const DefaultDialTimeout = 10 * time.Second

// Config describes a cluster. File names are used as they are.
type Config struct {
	Name    string   // required; the word for it in logs and metrics
	Address string   // what a token's resource.address says
	Aliases []string // further CONNECT hosts that mean this cluster

	// Server is the API server's URL, https://host[:port]. Required unless
	// InCluster.
	Server string
	// ServerName is expected in the API server's certificate. If empty, it is the
	// host of Server.
	ServerName string
	// CAFile has the authorities, in PEM, that may sign the API server's
	// certificate. If empty, the system's are used.
	CAFile string

	// The gateway's credential: a file with a bearer token, or a client
	// certificate and its key.
	BearerTokenFile       string
	ClientCertificateFile string
	ClientKeyFile         string

	// InCluster takes what is empty of Server, CAFile and the credential from
	// the service account of the pod that the gateway runs in.
	InCluster bool

	// DialTimeout limits TCP and TLS together. If zero, DefaultDialTimeout.
	DialTimeout time.Duration
}

// ErrNotInCluster is returned when InCluster is set and there is no service
// account.
var ErrNotInCluster = errors.New("cluster: not running in a pod with a service account")

// ServiceAccountDir is where Kubernetes mounts the service account of a pod.
const ServiceAccountDir = "/var/run/secrets/kubernetes.io/serviceaccount"

// complete returns the configuration with what InCluster and the defaults add.
func (c Config) complete(getenv func(string) string, accountDir string) (Config, error) {
	if c.DialTimeout == 0 {
		c.DialTimeout = DefaultDialTimeout
	}
	if !c.InCluster {
		return c, nil
	}
	if c.Server == "" {
		host, port := getenv("KUBERNETES_SERVICE_HOST"), getenv("KUBERNETES_SERVICE_PORT")
		if host == "" || port == "" {
			return Config{}, fmt.Errorf("%w: KUBERNETES_SERVICE_HOST and KUBERNETES_SERVICE_PORT are not set", ErrNotInCluster)
		}
		c.Server = "https://" + net.JoinHostPort(host, port)
	}
	if c.CAFile == "" {
		c.CAFile = filepath.Join(accountDir, "ca.crt")
	}
	if c.BearerTokenFile == "" && c.ClientCertificateFile == "" {
		c.BearerTokenFile = filepath.Join(accountDir, "token")
	}
	for _, file := range []string{c.CAFile, c.BearerTokenFile} {
		if file != "" && filepath.Dir(file) == accountDir {
			if _, err := os.Stat(file); err != nil {
				return Config{}, fmt.Errorf("%w: %w", ErrNotInCluster, err)
			}
		}
	}
	return c, nil
}

// check looks for what contradicts itself in a completed configuration.
func (c Config) check() error {
	switch {
	case c.Name == "":
		return errors.New("has no name")
	case c.Address == "" && len(c.Aliases) == 0:
		return errors.New("has neither address nor alias, so that no token can mean it")
	case (c.ClientCertificateFile == "") != (c.ClientKeyFile == ""):
		return errors.New("needs client certificate and client key together")
	case c.BearerTokenFile == "" && c.ClientCertificateFile == "":
		return errors.New("has no credential: bearer token file, client certificate or in-cluster")
	case c.BearerTokenFile != "" && c.ClientCertificateFile != "":
		return errors.New("has two credentials, bearer token file and client certificate, of which the API server would choose")
	}
	return nil
}

// Server is where an API server is.
type Server struct {
	Host      string // name or IP address, lower case, without brackets
	Port      int
	Authority string // for the Host line: as in the URL, port only if it is there
}

// Addr returns host:port to dial.
func (s Server) Addr() string { return net.JoinHostPort(s.Host, strconv.Itoa(s.Port)) }

// ParseServer reads the URL of an API server: https://host[:port] and nothing
// else, because paths, queries and users would be dropped unseen.
func ParseServer(raw string) (Server, error) {
	u, err := url.Parse(raw)
	if err != nil {
		// The error of url.Parse repeats the URL, which may hold a password.
		return Server{}, errors.New("not a URL; write https://host:port")
	}
	switch {
	case u.Scheme != "https":
		return Server{}, errors.New("must begin with https://")
	case u.User != nil:
		return Server{}, errors.New("must not have a user or password; give the credential as a file")
	case u.Path != "" && u.Path != "/":
		return Server{}, errors.New("must not have a path; write https://host:port")
	case u.RawQuery != "" || u.ForceQuery || u.Fragment != "":
		return Server{}, errors.New("must not have a query or fragment; write https://host:port")
	}
	s := Server{Host: lower(u.Hostname()), Port: 443, Authority: lower(u.Host)}
	if !hostname(s.Host) {
		return Server{}, fmt.Errorf("%q is not a host name or IP address", u.Hostname())
	}
	if strings.HasSuffix(u.Host, ":") {
		return Server{}, errors.New("has a colon without a port")
	}
	if port := u.Port(); port != "" {
		s.Port, err = strconv.Atoi(port)
		if err != nil || s.Port < 1 || s.Port > 65535 {
			return Server{}, fmt.Errorf("port %s is not between 1 and 65535", port)
		}
	}
	return s, nil
}

// hostname reports whether s is an IP address or a name that is safe in a Host
// line.
func hostname(s string) bool {
	if net.ParseIP(s) != nil {
		return true
	}
	for _, c := range []byte(s) {
		switch {
		case 'a' <= c && c <= 'z', '0' <= c && c <= '9', c == '-', c == '.', c == '_':
		default:
			return false
		}
	}
	return len(s) > 0 && len(s) <= 253
}

// lower returns s with ASCII letters in lower case. Unicode's folding would take
// KELVIN SIGN for k.
func lower(s string) string {
	return strings.Map(func(r rune) rune {
		if 'A' <= r && r <= 'Z' {
			return r + ('a' - 'A')
		}
		return r
	}, s)
}
