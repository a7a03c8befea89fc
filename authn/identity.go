package authn

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

const (
	maxName   = 256 // octets in a name
	maxGroups = 512 // groups in a token
)

// Identity is who acts, as an API server is told by impersonation. It does not
// know where it came from. Its groups are shared and must not be modified.
type Identity struct {
	User    string   // never empty, fit for an HTTP field line
	Groups  []string // likewise; in the issuer's order, each once; may be empty
	Subject string   // the issuer's id of the person or the service
	Service bool     // a service rather than a person
	Device  string   // the issuer's id of the device, or empty
}

// identity is whom c names, with the system names in allowed let through.
func (c *Claims) identity(allowed map[string]bool) (Identity, error) {
	id, err := c.subject()
	if err != nil {
		return Identity{}, err
	}
	if err := checkName("subject id", id.Subject); err != nil {
		return Identity{}, err
	}
	if err := checkPrincipal("user name", id.User, allowed); err != nil {
		return Identity{}, err
	}
	if id.Groups, err = checkGroups(id.Groups, allowed); err != nil {
		return Identity{}, err
	}
	if c.Device != nil {
		if err := checkName("device.id", c.Device.ID); err != nil {
			return Identity{}, err
		}
		id.Device = c.Device.ID
	}
	return id, nil
}

// subject is the unchecked identity of the one party that c names.
func (c *Claims) subject() (Identity, error) {
	switch {
	case c.User != nil && c.Service != nil:
		return Identity{}, claimsErrorf("both user and service")
	case c.User != nil:
		return Identity{User: c.User.Username, Groups: c.User.Groups, Subject: c.User.ID}, nil
	case c.Service != nil:
		s := c.Service
		return Identity{User: s.Key.ID, Groups: []string{s.Name, s.ID}, Subject: s.ID, Service: true}, nil
	default:
		return Identity{}, claimsErrorf("neither user nor service")
	}
}

func checkGroups(groups []string, allowed map[string]bool) ([]string, error) {
	if len(groups) > maxGroups {
		return nil, claimsErrorf("%d groups, more than %d", len(groups), maxGroups)
	}
	seen := make(map[string]bool, len(groups))
	var kept []string
	for _, group := range groups {
		if err := checkPrincipal("group", group, allowed); err != nil {
			return nil, err
		}
		if !seen[group] {
			seen[group] = true
			kept = append(kept, group)
		}
	}
	return kept, nil
}

// checkPrincipal checks a name that an API server will be told.
func checkPrincipal(what, name string, allowed map[string]bool) error {
	if err := checkName(what, name); err != nil {
		return err
	}
	if strings.HasPrefix(name, "system:") && !allowed[name] {
		return fmt.Errorf("%w: %s %s", ErrSystemIdentity, what, quote(name))
	}
	return nil
}

// checkName applies the rule for names of the package comment. An empty or
// blank Impersonate-User would make the API server run the request as the
// gateway itself.
func checkName(what, name string) error {
	switch {
	case name == "":
		return claimsErrorf("%s is empty", what)
	case len(name) > maxName:
		return claimsErrorf("%s of %d octets, more than %d", what, len(name), maxName)
	case strings.TrimSpace(name) != name:
		return claimsErrorf("%s has white space around it: %s", what, quote(name))
	case strings.ContainsFunc(name, unfit):
		return claimsErrorf("%s has a character that is not accepted: %s", what, quote(name))
	}
	return nil
}

// unfit also refuses U+FFFD, which is what invalid UTF-8 decodes to, and what
// encoding/json makes of an unpaired surrogate: two different tokens would name
// one user.
func unfit(r rune) bool { return !unicode.IsPrint(r) || r == utf8.RuneError }
