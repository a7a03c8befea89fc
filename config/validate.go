package config

import (
	"fmt"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spliceway/spliceway/audit"
)

// validator checks a decoded configuration, makes its file names absolute and adds
// the defaults that depend on other keys. It is silent about keys whose values the
// decoder could not take.
type validator struct {
	cfg      *Config
	src      *source
	dir      string
	broken   []string
	problems []Problem
}

func (v *validator) problem(key, format string, args ...any) {
	if v.unknown(key) {
		return
	}
	at := v.src.find(key)
	v.problems = append(v.problems, Problem{Key: key, Line: at.line, Column: at.column, Message: fmt.Sprintf(format, args...)})
}

// unknown reports whether the decoder could not take the value of a key, or part of
// it.
func (v *validator) unknown(key string) bool {
	return slices.ContainsFunc(v.broken, func(b string) bool { return b == key || below(b, key) || below(key, b) })
}

// below reports whether a key path is within another.
func below(inner, outer string) bool {
	rest, ok := strings.CutPrefix(inner, outer)
	return ok && rest != "" && (rest[0] == '.' || rest[0] == '[')
}

// written reports whether a key is in the file.
func (v *validator) written(key string) bool {
	_, ok := v.src.keys[key]
	return ok
}

func (v *validator) config() {
	v.listeners()
	v.admin()
	v.tls()
	v.authn()
	v.clusters()
	v.timeouts()
	v.limits()
	v.recordings()
	v.tracing()
	v.outputs()
}

func (v *validator) listeners() {
	if len(v.cfg.Listen) == 0 {
		v.problem("listen", "is required, as \":8443\"")
	}
	taken := make(map[string]string)
	check := func(key, address string) {
		v.address(key, address)
		if first := taken[address]; first != "" {
			v.problem(key, "%s is already the address of %s; choose another port", quoted(address), first)
		}
		taken[address] = key
	}
	for i, address := range v.cfg.Listen {
		check(v.element("listen", i), address)
	}
	if v.cfg.Metrics.Listen != "" {
		check("metrics.listen", v.cfg.Metrics.Listen)
	}
}

// maxSocket is what the address of a Unix socket holds, without the end that the
// gateway adds: a dot and the id of its process.
const maxSocket = 107 - len(".4194304")

func (v *validator) admin() {
	a := &v.cfg.Admin
	v.file("admin.socket", &a.Socket)
	switch {
	case len(a.Socket) > maxSocket:
		v.problem("admin.socket", "has %d octets, and the name of a socket can have no more than %d", len(a.Socket), maxSocket)
	case a.Profiling && a.Socket == "" && !v.unknown("admin.socket"):
		v.problem("admin.profiling", "needs admin.socket, where profiles are had")
	}
}

// element returns the path of a list's element, or of the list where it is written
// as a single value.
func (v *validator) element(list string, i int) string {
	if key := fmt.Sprintf("%s[%d]", list, i); v.written(key) {
		return key
	}
	return list
}

// address checks what is listened on.
func (v *validator) address(key, address string) {
	host, port, err := net.SplitHostPort(address)
	n, numeric := strconv.Atoi(port)
	switch {
	case err != nil && !strings.Contains(address, ":"):
		v.problem(key, "%s has no port; write it as \":8443\" or \"10.0.0.1:8443\"", quoted(address))
	case err != nil:
		v.problem(key, "%s is not host:port; an IPv6 address needs brackets, as \"[::1]:8443\"", quoted(address))
	case numeric != nil || n < 0 || n > 65535:
		v.problem(key, "port %s is not a number between 1 and 65535", quoted(port))
	case host != "" && net.ParseIP(host) == nil && !validName(host):
		v.problem(key, "%s is not an IP address or host name of this machine", quoted(host))
	}
}

func (v *validator) tls() {
	t := &v.cfg.TLS
	if len(t.Pairs()) == 0 && t.IssuingCA.KeyPair == (KeyPair{}) && len(t.IssuingCA.Names) == 0 {
		v.problem("tls", "needs a certificate: set certificateFile and privateKeyFile, certificates, or issuingCA")
	}
	v.pair("tls", &t.KeyPair)
	for i := range t.Certificates {
		key := fmt.Sprintf("tls.certificates[%d]", i)
		if t.Certificates[i] == (KeyPair{}) {
			v.problem(key, "needs certificateFile and privateKeyFile")
		}
		v.pair(key, &t.Certificates[i])
	}
	v.issuingCA(&t.IssuingCA)
}

// pair checks that a certificate and its key are given together.
func (v *validator) pair(key string, p *KeyPair) {
	switch {
	case p.CertificateFile != "" && p.PrivateKeyFile == "":
		v.problem(key+".privateKeyFile", "is required next to certificateFile")
	case p.CertificateFile == "" && p.PrivateKeyFile != "":
		v.problem(key+".certificateFile", "is required next to privateKeyFile")
	}
	v.file(key+".certificateFile", &p.CertificateFile)
	v.file(key+".privateKeyFile", &p.PrivateKeyFile)
}

func (v *validator) issuingCA(ca *IssuingCA) {
	const key = "tls.issuingCA"
	v.pair(key, &ca.KeyPair)
	if ca.KeyPair == (KeyPair{}) {
		if len(ca.Names) > 0 {
			v.problem(key, "needs certificateFile and privateKeyFile")
		}
		return
	}
	if len(ca.Names) == 0 {
		v.problem(key+".names", "is required: the host names and IP addresses that certificates may be made for")
	}
	for i, name := range ca.Names {
		if net.ParseIP(name) == nil && !validName(strings.TrimPrefix(name, "*.")) {
			v.problem(fmt.Sprintf("%s.names[%d]", key, i), "%s is not a host name or IP address", quoted(name))
		}
	}
	if ca.Lifetime < 10*time.Minute {
		v.problem(key+".lifetime", "must be at least 10m")
	}
}

func (v *validator) authn() {
	a := &v.cfg.Authn
	v.required("authn.issuer", a.Issuer, "the iss claim of the tokens")
	v.required("authn.audience", a.Audience, "the aud claim of the tokens")
	switch {
	case a.JWKSURL == "" && a.JWKSFile == "":
		v.problem("authn", "needs the issuer's signing keys: set jwksURL or jwksFile")
	case a.JWKSURL != "" && a.JWKSFile != "":
		v.problem("authn.jwksFile", "cannot be used together with jwksURL; remove one")
	case a.JWKSURL != "":
		v.keysURL("authn.jwksURL", a.JWKSURL)
	case a.JWKSCAFile != "":
		v.problem("authn.jwksCAFile", "is for jwksURL and has no use with jwksFile; remove it")
	case a.CacheFile != "":
		v.problem("authn.cacheFile", "is for jwksURL and has no use with jwksFile; remove it")
	}
	v.file("authn.jwksFile", &a.JWKSFile)
	v.file("authn.jwksCAFile", &a.JWKSCAFile)
	v.file("authn.cacheFile", &a.CacheFile)
	if a.RefreshInterval < time.Second {
		v.problem("authn.refreshInterval", "must be at least 1s")
	}
	if a.MaxStaleness < a.RefreshInterval {
		v.problem("authn.maxStaleness", "must be at least refreshInterval, which is %s", durationText(a.RefreshInterval))
	}
	for i, name := range a.AllowSystemIdentities {
		if !strings.HasPrefix(name, "system:") {
			v.problem(fmt.Sprintf("authn.allowSystemIdentities[%d]", i), "%s does not begin with system: and needs no permission; remove it", quoted(name))
		}
	}
}

// keysURL checks the URL of signing keys. Whoever can change these can be anybody:
// plain HTTP is for an issuer on this machine only.
func (v *validator) keysURL(key, raw string) {
	u, err := url.Parse(raw)
	switch {
	case err != nil || u.Host == "" || u.Scheme != "https" && u.Scheme != "http":
		v.problem(key, "%s is not a URL as https://issuer.example.com/keys", quoted(raw))
	case u.User != nil:
		v.problem(key, "must not have a user or password")
	case u.Scheme == "http" && u.Hostname() != "localhost" && !net.ParseIP(u.Hostname()).IsLoopback():
		v.problem(key, "must begin with https://, or anybody on the way could replace the signing keys")
	}
}

func (v *validator) required(key, value, what string) {
	switch {
	case value == "":
		v.problem(key, "is required: %s", what)
	case strings.TrimSpace(value) != value || strings.ContainsFunc(value, control):
		v.problem(key, "has blanks around it or control characters in it")
	}
}

func control(r rune) bool { return r < ' ' || r == 0x7f }

// fileContent is how tokens and PEM files begin.
var fileContent = regexp.MustCompile(`^(eyJ[A-Za-z0-9_-]{8}|-----BEGIN)`)

// credentials begins the name of a file that systemd passes by LoadCredential=.
const credentials = "${CREDENTIALS_DIRECTORY}/"

// file checks the name of a file and makes it absolute.
func (v *validator) file(key string, name *string) {
	switch {
	case *name == "":
		return
	case fileContent.MatchString(*name) || strings.ContainsFunc(*name, control):
		v.problem(key, "must be the name of a file, not its content")
		return
	}
	if rest, ok := strings.CutPrefix(*name, credentials); ok {
		dir := os.Getenv("CREDENTIALS_DIRECTORY")
		if dir == "" {
			v.problem(key, "%s is for a service of systemd with LoadCredential=, and CREDENTIALS_DIRECTORY is not set here", quoted(*name))
			return
		}
		*name = filepath.Join(dir, rest)
	}
	if !filepath.IsAbs(*name) {
		*name = filepath.Join(v.dir, *name)
	}
}

func (v *validator) timeouts() {
	t := &v.cfg.Timeouts
	for _, d := range []struct {
		key   string
		value time.Duration
	}{
		{"proxyHeader", t.ProxyHeader}, {"handshake", t.Handshake}, {"authentication", t.Authentication}, {"innerHandshake", t.InnerHandshake},
		{"requestHead", t.RequestHead}, {"idle", t.Idle}, {"dial", t.Dial}, {"responseHead", t.ResponseHead},
		{"bodyIdle", t.BodyIdle}, {"streamIdle", t.StreamIdle}, {"queue", t.Queue},
	} {
		// Every wait ends, so zero is not "for ever".
		if d.value < time.Millisecond {
			v.problem("timeouts."+d.key, "must be at least 1ms; there is no waiting for ever")
		}
	}
}

func (v *validator) limits() {
	l := &v.cfg.Limits
	for _, n := range []struct {
		key               string
		value, least, top int64
		text              func(int64) string
	}{
		{"connections", int64(l.Connections), 1, 10_000_000, decimal},
		{"connectionsPerSource", int64(l.ConnectionsPerSource), 0, 10_000_000, decimal},
		{"connectionsPerUser", int64(l.ConnectionsPerUser), 0, 10_000_000, decimal},
		{"unauthenticated", int64(l.Unauthenticated), 1, 10_000_000, decimal},
		{"unauthenticatedPerSource", int64(l.UnauthenticatedPerSource), 0, 10_000_000, decimal},
		{"requestRate", int64(l.RequestRate), 0, 10_000_000, decimal},
		{"requestBurst", int64(l.RequestBurst), 1, 10_000_000, decimal},
		{"streamsPerUser", int64(l.StreamsPerUser), 0, 10_000_000, decimal},
		{"upstream", int64(l.Upstream), 2, 10_000_000, decimal}, // one of them is kept from streams
		{"queue", int64(l.Queue), 0, 1_000_000, decimal},
		{"head", int64(l.Head), 1 << 10, 32 << 10, sizeText}, // the top is what one buffer of package conn holds
		{"line", int64(l.Line), 256, int64(l.Head), sizeText},
		{"fields", int64(l.Fields), 16, 10_000, decimal},
		{"trailer", int64(l.Trailer), 256, 32 << 10, sizeText},
		{"idleUpstream", int64(l.IdleUpstream), 0, 1_000_000, decimal},
	} {
		if n.value < n.least || n.value > n.top {
			v.problem("limits."+n.key, "must be between %s and %s", n.text(n.least), n.text(n.top))
		}
	}
}

func decimal(n int64) string  { return strconv.FormatInt(n, 10) }
func sizeText(n int64) string { return Size(n).String() }

// presentKey returns key if it is in the file.
func (v *validator) presentKey(key string) string {
	if v.written(key) {
		return key
	}
	return ""
}

func (v *validator) outputs() {
	output := &v.cfg.Audit.Output
	switch *output {
	case audit.Stdout:
	case "", "stderr":
		v.problem("audit.output", "must be stdout or the name of a file")
	default:
		v.file("audit.output", output)
	}
	v.oneOf("log.level", v.cfg.Log.Level, "trace", "debug", "info", "warn", "error")
	v.oneOf("log.format", v.cfg.Log.Format, "json", "console")
	v.oneOf("sandbox.landlock", v.cfg.Sandbox.Landlock, LandlockAuto, LandlockRequired, LandlockOff)
}

func (v *validator) oneOf(key, value string, allowed ...string) {
	if slices.Contains(allowed, value) {
		return
	}
	hint := "it is one of " + strings.Join(allowed, ", ")
	if near := nearest(value, allowed); near != "" {
		hint = "did you mean " + near + "?"
	}
	v.problem(key, "%s is unknown; %s", quoted(value), hint)
}

// validName reports whether s is a host name in ASCII.
func validName(s string) bool {
	if len(s) == 0 || len(s) > 253 {
		return false
	}
	for label := range strings.SplitSeq(strings.TrimSuffix(s, "."), ".") {
		if len(label) == 0 || len(label) > 63 || strings.Trim(label, nameOctets) != "" || label[0] == '-' || label[len(label)-1] == '-' {
			return false
		}
	}
	return true
}

const nameOctets = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_"
