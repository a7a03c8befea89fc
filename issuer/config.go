package issuer

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"
	"path/filepath"
	"time"

	"github.com/goccy/go-yaml"

	"github.com/spliceway/spliceway/authn"
)

const (
	// defaultLifetime of a token: long enough that renewal is rare, short enough that a deleted user is gone soon.
	defaultLifetime = time.Hour
	minLifetime     = time.Minute
	maxLifetime     = 24 * time.Hour

	defaultListen = ":8444"

	// maxConfigSize keeps a wrong path (a log, a device) from being read into memory.
	maxConfigSize = 8 << 20

	// anyResource in a list of resources stands for all of them.
	anyResource = "*"
)

// Config is the YAML file. Unknown and repeated keys are refused. Relative paths are relative to the file's directory.
type Config struct {
	// Issuer is the claim iss: by custom the URL of this server. Required.
	Issuer string `yaml:"issuer"`
	// Audience is the claim aud, which a gateway compares with its own. Required.
	Audience string `yaml:"audience"`
	// TokenLifetime is between one minute and 24 hours; default one hour. Tokens are to be renewed after two thirds of it.
	TokenLifetime time.Duration `yaml:"tokenLifetime"`
	// Listen is the address to listen on; default ":8444".
	Listen string `yaml:"listen"`
	// TLS is the server's certificate.
	TLS TLSConfig `yaml:"tls"`
	// DataDir holds the signing keys and the self-made certificate authority. It is created with mode 0700. Required.
	DataDir string `yaml:"dataDir"`

	Users     []User     `yaml:"users"`
	Services  []Service  `yaml:"services"`
	Resources []Resource `yaml:"resources"`
}

// TLSConfig names a certificate pair, or the hosts for which to make certificates when there is no pair.
type TLSConfig struct {
	CertificateFile string `yaml:"certificateFile"`
	PrivateKeyFile  string `yaml:"privateKeyFile"`
	// Hosts are DNS names and addresses; default: the host of Issuer, localhost, 127.0.0.1 and ::1.
	Hosts []string `yaml:"hosts"`
}

// User is a person. At least one of PasswordHash, SecretHash and SecretFile is required.
type User struct {
	// Name becomes the user that the API server sees. It must not contain a colon, which ends a name in HTTP Basic.
	Name string `yaml:"name"`
	// ID does not change when the name does; default: the name.
	ID string `yaml:"id"`
	// PasswordHash is a bcrypt hash, as HashPassword makes it.
	PasswordHash string `yaml:"passwordHash"`
	// SecretHash is "sha256:" and the digest of a bearer secret in hexadecimal, as NewSecret makes it.
	SecretHash string `yaml:"secretHash"`
	// SecretFile holds a bearer secret of at least 32 characters; surrounding white space is ignored.
	SecretFile string   `yaml:"secretFile"`
	Groups     []string `yaml:"groups"`
	// Resources are names of Resources; "*" stands for all of them.
	Resources []string `yaml:"resources"`
}

// Service is a machine: a CI job, an operator. One of SecretHash and SecretFile is required.
type Service struct {
	Name string `yaml:"name"`
	// ID does not change when the name does; default: the name.
	ID string `yaml:"id"`
	// KeyID is the user that the API server sees, so that keys can be told apart; default: the ID. No user has it as a name.
	KeyID      string   `yaml:"keyId"`
	SecretHash string   `yaml:"secretHash"`
	SecretFile string   `yaml:"secretFile"`
	Resources  []string `yaml:"resources"`
}

// Resource is a cluster behind a gateway.
type Resource struct {
	Name string `yaml:"name"`
	// ID does not change when the name does; default: the name.
	ID string `yaml:"id"`
	// Address is a host, or a pattern "*.domain" for exactly one label. The gateway finds the cluster by it.
	Address string `yaml:"address"`
	// Aliases are further host names of the same cluster.
	Aliases []string `yaml:"aliases"`
	// Port is the only port that clients may name; 0: any.
	Port int `yaml:"port"`
	// UpstreamPort is the port of the API server, for gateways that take it from the token; default: Port. It needs Port.
	UpstreamPort int `yaml:"upstreamPort"`
	// Type is KUBERNETES, which is the default.
	Type string `yaml:"type"`
}

// loadConfig reads a file, fills in the defaults and checks it. An error of syntax has the line and the column.
func loadConfig(path string) (*Config, error) {
	data, err := readBounded(path)
	if err != nil {
		return nil, fmt.Errorf("issuer: reading the configuration: %w", err)
	}
	cfg, err := parseConfig(data)
	if err != nil {
		return nil, fmt.Errorf("issuer: configuration %s: %w", path, err)
	}
	cfg.resolve(filepath.Dir(path))
	cfg.fill()
	if err := cfg.validate(); err != nil {
		return nil, fmt.Errorf("issuer: configuration %s: %w", path, err)
	}
	return cfg, nil
}

func readBounded(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, maxConfigSize+1))
	if err != nil {
		return nil, err
	}
	if len(data) > maxConfigSize {
		return nil, fmt.Errorf("%s is larger than %d octets", path, maxConfigSize)
	}
	return data, nil
}

func parseConfig(data []byte) (*Config, error) {
	dec := yaml.NewDecoder(bytes.NewReader(data), yaml.Strict())
	var cfg Config
	if err := dec.Decode(&cfg); err != nil {
		if errors.Is(err, io.EOF) {
			return nil, errors.New("the file is empty")
		}
		return nil, errors.New(yaml.FormatError(err, false, true))
	}
	// A second document would be ignored silently, and with it the users that somebody wrote there.
	if err := dec.Decode(new(any)); !errors.Is(err, io.EOF) {
		return nil, errors.New("the file has more than one YAML document")
	}
	return &cfg, nil
}

// resolve makes the paths of the file independent of the working directory.
func (c *Config) resolve(dir string) {
	paths := []*string{&c.DataDir, &c.TLS.CertificateFile, &c.TLS.PrivateKeyFile}
	for i := range c.Users {
		paths = append(paths, &c.Users[i].SecretFile)
	}
	for i := range c.Services {
		paths = append(paths, &c.Services[i].SecretFile)
	}
	for _, p := range paths {
		if *p != "" && !filepath.IsAbs(*p) {
			*p = filepath.Join(dir, *p)
		}
	}
}

func (c *Config) fill() {
	if c.TokenLifetime == 0 {
		c.TokenLifetime = defaultLifetime
	}
	setDefault(&c.Listen, defaultListen)
	if len(c.TLS.Hosts) == 0 {
		c.TLS.Hosts = []string{"localhost", "127.0.0.1", "::1"}
		if u, err := url.Parse(c.Issuer); err == nil && u.Hostname() != "" {
			c.TLS.Hosts = append(c.TLS.Hosts, u.Hostname())
		}
	}
	for i := range c.Users {
		setDefault(&c.Users[i].ID, c.Users[i].Name)
	}
	for i := range c.Services {
		s := &c.Services[i]
		setDefault(&s.ID, s.Name)
		setDefault(&s.KeyID, s.ID)
	}
	for i := range c.Resources {
		r := &c.Resources[i]
		setDefault(&r.ID, r.Name)
		setDefault(&r.Type, authn.ResourceKubernetes)
		if r.UpstreamPort == 0 {
			r.UpstreamPort = r.Port
		}
	}
}

func setDefault(field *string, value string) {
	if *field == "" {
		*field = value
	}
}

// needsRestart reports whether next changes what a running server cannot change.
func (c *Config) needsRestart(next *Config) bool {
	return c.Listen != next.Listen || c.DataDir != next.DataDir ||
		c.TLS.CertificateFile != next.TLS.CertificateFile || c.TLS.PrivateKeyFile != next.TLS.PrivateKeyFile ||
		fmt.Sprint(c.TLS.Hosts) != fmt.Sprint(next.TLS.Hosts)
}

// files returns every file whose content is part of the loaded configuration, path first.
func (c *Config) files(path string) []string {
	files := []string{path}
	for _, u := range c.Users {
		if u.SecretFile != "" {
			files = append(files, u.SecretFile)
		}
	}
	for _, s := range c.Services {
		if s.SecretFile != "" {
			files = append(files, s.SecretFile)
		}
	}
	return files
}
