package issuer

import (
	"fmt"
	"strings"

	"golang.org/x/crypto/bcrypt"
)

// directory is one version of the configuration, indexed for the handlers. It is immutable once built.
type directory struct {
	config *Config
	// users holds those who may use a password, by name.
	users map[string]*subject
	// bearers holds users and services by the digest of a secret. Looking up a digest in a map leaks nothing of use:
	// whoever could steer the digest would have to know the secret.
	bearers map[digest]*subject
	// decoy is the most expensive password hash; it is compared for users that do not exist.
	decoy []byte
}

// subject is who a token is minted for.
type subject struct {
	name         string
	id           string
	keyID        string // services only
	service      bool
	groups       []string
	passwordHash []byte
	resources    []*Resource
}

// label names the subject in logs, as the API server will.
func (s *subject) label() string {
	if s.service {
		return s.keyID
	}
	return s.name
}

// loadDirectory reads the configuration and every file it names.
func loadDirectory(path string) (*directory, error) {
	cfg, err := loadConfig(path)
	if err != nil {
		return nil, err
	}
	d := &directory{config: cfg, users: make(map[string]*subject), bearers: make(map[digest]*subject)}
	for i := range cfg.Users {
		if err := d.addUser(&cfg.Users[i]); err != nil {
			return nil, fmt.Errorf("issuer: configuration %s: users[%d]: %w", path, i, err)
		}
	}
	for i := range cfg.Services {
		if err := d.addService(&cfg.Services[i]); err != nil {
			return nil, fmt.Errorf("issuer: configuration %s: services[%d]: %w", path, i, err)
		}
	}
	return d, nil
}

func (d *directory) addUser(u *User) error {
	s := &subject{name: u.Name, id: u.ID, groups: u.Groups, resources: d.config.selectResources(u.Resources)}
	if u.PasswordHash != "" {
		s.passwordHash = []byte(u.PasswordHash)
		d.users[u.Name] = s
		d.setDecoy(s.passwordHash)
	}
	return d.addBearer(s, u.SecretHash, u.SecretFile)
}

func (d *directory) addService(v *Service) error {
	s := &subject{name: v.Name, id: v.ID, keyID: v.KeyID, service: true, resources: d.config.selectResources(v.Resources)}
	return d.addBearer(s, v.SecretHash, v.SecretFile)
}

func (d *directory) addBearer(s *subject, secretHash, secretFile string) error {
	if secretHash != "" {
		sum, err := parseSecretHash(secretHash)
		if err != nil {
			return fmt.Errorf("secretHash: %w", err)
		}
		if err := d.claim(sum, s); err != nil {
			return err
		}
	}
	if secretFile != "" {
		sum, err := readSecretFile(secretFile)
		if err != nil {
			return fmt.Errorf("secretFile: %w", err)
		}
		return d.claim(sum, s)
	}
	return nil
}

// claim refuses a secret that two subjects share: nobody could say who has used it.
func (d *directory) claim(sum digest, s *subject) error {
	if other, taken := d.bearers[sum]; taken && other != s {
		return fmt.Errorf("%q has the secret of %q", s.name, other.name)
	}
	d.bearers[sum] = s
	return nil
}

func (d *directory) setDecoy(hash []byte) {
	cost, _ := bcrypt.Cost(hash) // both were validated
	if best, err := bcrypt.Cost(d.decoy); err != nil || cost > best {
		d.decoy = hash
	}
}

// selectResources returns the named resources in the order of the configuration.
func (c *Config) selectResources(names []string) []*Resource {
	var selected []*Resource
	for i := range c.Resources {
		for _, name := range names {
			if name == anyResource || strings.EqualFold(name, c.Resources[i].Name) {
				selected = append(selected, &c.Resources[i])
				break
			}
		}
	}
	return selected
}

// resource finds what the subject may reach by name, address or alias, in this order; nil if there is none.
func (s *subject) resource(ref string) *Resource {
	for _, r := range s.resources {
		if strings.EqualFold(r.Name, ref) {
			return r
		}
	}
	for _, r := range s.resources {
		if strings.EqualFold(r.Address, ref) {
			return r
		}
		for _, alias := range r.Aliases {
			if strings.EqualFold(alias, ref) {
				return r
			}
		}
	}
	return nil
}
