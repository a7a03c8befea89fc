package issuer

import (
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/crypto/bcrypt"

	"github.com/spliceway/spliceway/authn"
)

const (
	maxNameLength = 256
	maxGroups     = 256
	maxPort       = 65535

	// maxBcryptCost keeps one wrong password from holding a processor for longer than about a second.
	maxBcryptCost = 14
)

func (c *Config) validate() error {
	if err := validName("issuer", c.Issuer); err != nil {
		return err
	}
	if err := validName("audience", c.Audience); err != nil {
		return err
	}
	if c.TokenLifetime < minLifetime || c.TokenLifetime > maxLifetime {
		return fmt.Errorf("tokenLifetime %v is not between %v and %v", c.TokenLifetime, minLifetime, maxLifetime)
	}
	if c.DataDir == "" {
		return errors.New("dataDir is missing")
	}
	if (c.TLS.CertificateFile == "") != (c.TLS.PrivateKeyFile == "") {
		return errors.New("tls needs both certificateFile and privateKeyFile, or neither")
	}
	resources, err := c.validateResources()
	if err != nil {
		return err
	}
	if err := c.validateUsers(resources); err != nil {
		return err
	}
	return c.validateServices(resources)
}

func (c *Config) validateResources() (names map[string]bool, err error) {
	names = make(map[string]bool)
	hosts := make(map[string]string) // host and port to the resource that has it
	for i := range c.Resources {
		r := &c.Resources[i]
		if err := r.validate(fmt.Sprintf("resources[%d]", i)); err != nil {
			return nil, err
		}
		key := strings.ToLower(r.Name)
		if names[key] {
			return nil, fmt.Errorf("resources[%d]: name %q is used twice", i, r.Name)
		}
		names[key] = true
		for _, host := range append([]string{r.Address}, r.Aliases...) {
			at := fmt.Sprintf("%s:%d", strings.ToLower(host), r.Port)
			if other, taken := hosts[at]; taken && other != r.Name {
				return nil, fmt.Errorf("resources[%d]: %q is a host of %q already", i, host, other)
			}
			hosts[at] = r.Name
		}
	}
	return names, nil
}

func (r *Resource) validate(at string) error {
	if err := validNames(at, "name", r.Name, "id", r.ID); err != nil {
		return err
	}
	if !validAddress(r.Address) {
		return fmt.Errorf("%s.address %q is not a host name, an address or a pattern *.domain", at, r.Address)
	}
	for _, alias := range r.Aliases {
		if !validHostName(alias) {
			return fmt.Errorf("%s.aliases: %q is not a host name", at, alias)
		}
	}
	if r.Port < 0 || r.Port > maxPort || r.UpstreamPort < 0 || r.UpstreamPort > maxPort {
		return fmt.Errorf("%s: a port is not between 1 and %d", at, maxPort)
	}
	if r.Port == 0 && r.UpstreamPort != 0 {
		return fmt.Errorf("%s: upstreamPort needs port, a token has both or neither", at)
	}
	if r.Type != authn.ResourceKubernetes {
		return fmt.Errorf("%s.type %q is not %s", at, r.Type, authn.ResourceKubernetes)
	}
	return nil
}

func (c *Config) validateUsers(resources map[string]bool) error {
	seen := make(map[string]bool)
	for i, u := range c.Users {
		at := fmt.Sprintf("users[%d]", i)
		if err := validNames(at, "name", u.Name, "id", u.ID); err != nil {
			return err
		}
		if strings.Contains(u.Name, ":") && u.PasswordHash != "" {
			return fmt.Errorf("%s.name %q has a colon and cannot be used with a password", at, u.Name)
		}
		if seen[u.Name] {
			return fmt.Errorf("%s: name %q is used twice", at, u.Name)
		}
		seen[u.Name] = true
		if u.PasswordHash == "" && u.SecretHash == "" && u.SecretFile == "" {
			return fmt.Errorf("%s: %q has no passwordHash, secretHash or secretFile", at, u.Name)
		}
		if err := validPasswordHash(u.PasswordHash); err != nil {
			return fmt.Errorf("%s.passwordHash: %w", at, err)
		}
		if len(u.Groups) > maxGroups {
			return fmt.Errorf("%s: more than %d groups", at, maxGroups)
		}
		for _, group := range u.Groups {
			if err := validName(at+".groups", group); err != nil {
				return err
			}
		}
		if err := validReferences(at, u.Resources, resources); err != nil {
			return err
		}
	}
	return nil
}

func (c *Config) validateServices(resources map[string]bool) error {
	seen := make(map[string]bool)
	for _, u := range c.Users {
		seen[u.Name] = true // the API server could not tell them apart
	}
	for i, s := range c.Services {
		at := fmt.Sprintf("services[%d]", i)
		if err := validNames(at, "name", s.Name, "id", s.ID, "keyId", s.KeyID); err != nil {
			return err
		}
		if seen[s.KeyID] {
			return fmt.Errorf("%s: keyId %q is that of another service or the name of a user", at, s.KeyID)
		}
		seen[s.KeyID] = true
		if s.SecretHash == "" && s.SecretFile == "" {
			return fmt.Errorf("%s: %q has no secretHash or secretFile", at, s.Name)
		}
		if err := validReferences(at, s.Resources, resources); err != nil {
			return err
		}
	}
	return nil
}

// validReferences refuses a resource that does not exist: a typing error would otherwise show as "not allowed" much later.
func validReferences(at string, refs []string, resources map[string]bool) error {
	for _, ref := range refs {
		if ref != anyResource && !resources[strings.ToLower(ref)] {
			return fmt.Errorf("%s.resources: there is no resource %q", at, ref)
		}
	}
	return nil
}

func validPasswordHash(hash string) error {
	if hash == "" {
		return nil
	}
	cost, err := bcrypt.Cost([]byte(hash))
	if err != nil {
		return errors.New("not a bcrypt hash")
	}
	if cost > maxBcryptCost {
		return fmt.Errorf("bcrypt cost %d is above %d", cost, maxBcryptCost)
	}
	return nil
}

// validNames checks pairs of a field and its value.
func validNames(at string, pairs ...string) error {
	for i := 0; i < len(pairs); i += 2 {
		if err := validName(at+"."+pairs[i], pairs[i+1]); err != nil {
			return err
		}
	}
	return nil
}

// validName holds names to what a gateway accepts in a token, so that a bad one is found here and not at sign-in.
func validName(at, name string) error {
	switch {
	case name == "":
		return fmt.Errorf("%s is missing", at)
	case len(name) > maxNameLength:
		return fmt.Errorf("%s is longer than %d octets", at, maxNameLength)
	case strings.TrimSpace(name) != name:
		return fmt.Errorf("%s %q begins or ends with white space", at, name)
	case !utf8.ValidString(name) || strings.ContainsFunc(name, unprintable):
		return fmt.Errorf("%s %q has a character that cannot be printed or is not UTF-8", at, name)
	}
	return nil
}

func unprintable(r rune) bool { return !unicode.IsPrint(r) || r == utf8.RuneError }

func validAddress(address string) bool {
	if ip, err := netip.ParseAddr(address); err == nil {
		return ip.Zone() == ""
	}
	return validHostName(strings.TrimPrefix(address, "*."))
}

// validHostName reports whether host consists of DNS labels of letters, digits and hyphens (RFC 1123, Section 2.1).
func validHostName(host string) bool {
	if host == "" || len(host) > 253 {
		return false
	}
	for label := range strings.SplitSeq(host, ".") {
		if !validLabel(label) {
			return false
		}
	}
	return true
}

func validLabel(label string) bool {
	if label == "" || len(label) > 63 || label[0] == '-' || label[len(label)-1] == '-' {
		return false
	}
	for i := range len(label) {
		c := label[i]
		if !('a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || c == '-') {
			return false
		}
	}
	return true
}
