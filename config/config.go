package config

import (
	"net/netip"
	"time"

	"github.com/spliceway/spliceway/cluster"
)

// Config is a valid configuration. It is made by Load and not to be changed.
type Config struct {
	Listen        Strings       `yaml:"listen"`
	TLS           TLS           `yaml:"tls"`
	ProxyProtocol ProxyProtocol `yaml:"proxyProtocol"`
	Metrics       Metrics       `yaml:"metrics"`
	Admin         Admin         `yaml:"admin"`
	Authn         Authn         `yaml:"authn"`
	Clusters      []Cluster     `yaml:"clusters"`
	Timeouts      Timeouts      `yaml:"timeouts"`
	Limits        Limits        `yaml:"limits"`
	Drain         Drain         `yaml:"drain"`
	Recordings    Recordings    `yaml:"recordings"`
	Audit         Audit         `yaml:"audit"`
	Tracing       Tracing       `yaml:"tracing"`
	Log           Log           `yaml:"log"`
	Sandbox       Sandbox       `yaml:"sandbox"`

	source *source // where everything is written, for CheckFiles
}

// Strings is one string or a list of them.
type Strings []string

// TLS is where the gateway's own certificates come from. At least one source is
// set.
type TLS struct {
	KeyPair      `yaml:",inline"`
	Certificates []KeyPair `yaml:"certificates"` // further ones, chosen by server name
	IssuingCA    IssuingCA `yaml:"issuingCA"`
}

// Pairs returns all certificates that are files, the single one first.
func (t *TLS) Pairs() []KeyPair {
	if t.KeyPair == (KeyPair{}) {
		return t.Certificates
	}
	return append([]KeyPair{t.KeyPair}, t.Certificates...)
}

// KeyPair is a certificate with its chain and its private key, in PEM.
type KeyPair struct {
	CertificateFile string `yaml:"certificateFile"`
	PrivateKeyFile  string `yaml:"privateKeyFile"`
}

// IssuingCA makes certificates for a fixed set of names. It is off if its files
// are not set.
type IssuingCA struct {
	KeyPair  `yaml:",inline"`
	Names    []string      `yaml:"names"` // host names and IP addresses
	Lifetime time.Duration `yaml:"lifetime"`
}

// Enabled reports whether there is an issuing CA.
func (ca *IssuingCA) Enabled() bool { return ca.CertificateFile != "" }

// ProxyProtocol is from which peers a PROXY header is taken.
type ProxyProtocol struct {
	TrustedCIDRs []netip.Prefix `yaml:"trustedCIDRs"`
}

// Metrics is where /metrics, /healthz and /readyz are; empty: nowhere.
type Metrics struct {
	Listen string `yaml:"listen"`
}

// Admin is what operators of this machine can look at.
type Admin struct {
	Socket    string `yaml:"socket"`    // Unix socket for spliceway status; empty: none
	Profiling bool   `yaml:"profiling"` // profiles of the process on the socket
}

// Authn is whose tokens are taken.
type Authn struct {
	Issuer                string        `yaml:"issuer"`
	Audience              string        `yaml:"audience"`
	JWKSURL               string        `yaml:"jwksURL"`    // this or JWKSFile
	JWKSFile              string        `yaml:"jwksFile"`   // re-read when it changes
	JWKSCAFile            string        `yaml:"jwksCAFile"` // empty: the system's authorities
	CacheFile             string        `yaml:"cacheFile"`  // keys of JWKSURL, to survive a start while the issuer is down; empty: none
	RefreshInterval       time.Duration `yaml:"refreshInterval"`
	MaxStaleness          time.Duration `yaml:"maxStaleness"` // keys that could not be refreshed for so long are no longer used
	AllowSystemIdentities []string      `yaml:"allowSystemIdentities"`
}

// Cluster is an API server, its names and the gateway's credential there.
type Cluster struct {
	Name                     string   `yaml:"name"`
	Address                  string   `yaml:"address"`
	Aliases                  []string `yaml:"aliases"`
	Server                   string   `yaml:"server"`
	ServerName               string   `yaml:"serverName"`
	CertificateAuthorityFile string   `yaml:"certificateAuthorityFile"`
	BearerTokenFile          string   `yaml:"bearerTokenFile"`
	ClientCertificateFile    string   `yaml:"clientCertificateFile"`
	ClientKeyFile            string   `yaml:"clientKeyFile"`
	InCluster                bool     `yaml:"inCluster"`
	ImpersonateExtra         bool     `yaml:"impersonateExtra"` // send the connection id as Impersonate-Extra
}

// Config returns the settings for cluster.New.
func (c *Cluster) Config(dialTimeout time.Duration) cluster.Config {
	return cluster.Config{
		Name:                  c.Name,
		Address:               c.Address,
		Aliases:               c.Aliases,
		Server:                c.Server,
		ServerName:            c.ServerName,
		CAFile:                c.CertificateAuthorityFile,
		BearerTokenFile:       c.BearerTokenFile,
		ClientCertificateFile: c.ClientCertificateFile,
		ClientKeyFile:         c.ClientKeyFile,
		InCluster:             c.InCluster,
		DialTimeout:           dialTimeout,
	}
}

// Timeouts are how long the gateway waits, each for one thing.
type Timeouts struct {
	ProxyHeader    time.Duration `yaml:"proxyHeader"`    // accept to the end of the PROXY header
	Handshake      time.Duration `yaml:"handshake"`      // outer TLS and CONNECT together
	Authentication time.Duration `yaml:"authentication"` // token and proof
	InnerHandshake time.Duration `yaml:"innerHandshake"` // inner TLS
	RequestHead    time.Duration `yaml:"requestHead"`    // first to last octet of a head
	Idle           time.Duration `yaml:"idle"`           // between two requests
	Dial           time.Duration `yaml:"dial"`           // TCP and TLS to an API server
	ResponseHead   time.Duration `yaml:"responseHead"`   // end of the request to the response's head; not for long-running ones
	BodyIdle       time.Duration `yaml:"bodyIdle"`       // between two octets of a body; not for long-running ones
	StreamIdle     time.Duration `yaml:"streamIdle"`     // between two octets of a stream, watch or log
	Queue          time.Duration `yaml:"queue"`          // for one of Limits.Upstream to be free
}

// Limits are how much the gateway takes.
type Limits struct {
	Connections              int  `yaml:"connections"`              // client connections at once
	ConnectionsPerSource     int  `yaml:"connectionsPerSource"`     // of one source at once; 0: no limit
	ConnectionsPerUser       int  `yaml:"connectionsPerUser"`       // of one user at once; 0: no limit
	Unauthenticated          int  `yaml:"unauthenticated"`          // not yet authenticated, at once
	UnauthenticatedPerSource int  `yaml:"unauthenticatedPerSource"` // of one source; 0: no limit
	RequestRate              int  `yaml:"requestRate"`              // requests a second of one user; 0: no limit
	RequestBurst             int  `yaml:"requestBurst"`             // at once after a pause
	StreamsPerUser           int  `yaml:"streamsPerUser"`           // long-running requests of one user; 0: no limit
	Upstream                 int  `yaml:"upstream"`                 // connections in use per cluster
	Queue                    int  `yaml:"queue"`                    // requests that wait for one of these, of each kind
	Head                     Size `yaml:"head"`                     // of a request or response
	Line                     Size `yaml:"line"`                     // of one line in it
	Fields                   int  `yaml:"fields"`                   // number of header fields
	Trailer                  Size `yaml:"trailer"`                  // of all trailer fields of a body
	IdleUpstream             int  `yaml:"idleUpstream"`             // idle connections kept per cluster
}

// Drain is how the gateway stops.
type Drain struct {
	Delay   time.Duration `yaml:"delay"`   // connections are still taken for so long, while readiness fails
	Timeout time.Duration `yaml:"timeout"` // connections still open then are closed
}

// Audit is where events are written.
type Audit struct {
	Output string `yaml:"output"` // audit.Stdout or a file
}

// Log is how diagnostics are written.
type Log struct {
	Level  string `yaml:"level"`
	Format string `yaml:"format"` // json or console
}

// Sandbox is what the process gives up once it serves.
type Sandbox struct {
	Landlock string `yaml:"landlock"`
}

// Values of Sandbox.Landlock.
const (
	LandlockAuto     = "auto" // as much as the kernel can do
	LandlockRequired = "required"
	LandlockOff      = "off"
)

// defaults returns what is in force where the file says nothing.
func defaults() Config {
	return Config{
		Listen:  Strings{":8443"},
		TLS:     TLS{IssuingCA: IssuingCA{Lifetime: 24 * time.Hour}},
		Metrics: Metrics{Listen: "127.0.0.1:9090"},
		Authn:   Authn{RefreshInterval: 10 * time.Minute, MaxStaleness: 24 * time.Hour},
		Timeouts: Timeouts{
			ProxyHeader:    5 * time.Second,
			Handshake:      10 * time.Second,
			Authentication: 10 * time.Second,
			InnerHandshake: 10 * time.Second,
			RequestHead:    10 * time.Second,
			Idle:           2 * time.Minute,
			Dial:           cluster.DefaultDialTimeout,
			ResponseHead:   2 * time.Minute,
			BodyIdle:       time.Minute,
			StreamIdle:     4 * time.Hour,
			Queue:          10 * time.Second,
		},
		Limits: Limits{
			Connections:              16384,
			ConnectionsPerSource:     8192,
			ConnectionsPerUser:       4096,
			Unauthenticated:          2048,
			UnauthenticatedPerSource: 512,
			RequestRate:              5000,
			RequestBurst:             10000,
			StreamsPerUser:           1024,
			Upstream:                 8192,
			Queue:                    1024,
			Head:                     32 << 10,
			Line:                     16 << 10,
			Fields:                   128,
			Trailer:                  4 << 10,
			IdleUpstream:             256,
		},
		Drain: Drain{Timeout: time.Hour},
		Recordings: Recordings{
			Format:     FormatV2,
			Fsync:      Sync(time.Second),
			Checkpoint: 5 * time.Second,
			MaxSession: 1 << 30,
			MinFree:    1 << 30,
		},
		Audit:   Audit{Output: "stdout"},
		Tracing: Tracing{Ratio: 1},
		Log:     Log{Level: "info", Format: "json"},
		Sandbox: Sandbox{Landlock: LandlockAuto},
	}
}
