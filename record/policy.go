package record

import (
	"errors"
	"fmt"
	"strings"
)

// A Mode says what happens to a session that cannot be recorded.
type Mode uint8

// The modes. The zero value is the one that loses nothing.
const (
	Strict     Mode = iota // it ends
	BestEffort             // it goes on, and what is lost is counted
	Off                    // sessions are not recorded
)

var modeNames = [...]string{Strict: "strict", BestEffort: "best-effort", Off: "off"}

// String returns the word of the configuration for m.
func (m Mode) String() string {
	if int(m) < len(modeNames) {
		return modeNames[m]
	}
	return fmt.Sprintf("Mode(%d)", uint8(m))
}

// MarshalText returns the word of the configuration for m.
func (m Mode) MarshalText() ([]byte, error) { return []byte(m.String()), nil }

// UnmarshalText reads the word of the configuration.
func (m *Mode) UnmarshalText(text []byte) error {
	for mode, name := range modeNames {
		if name == string(text) {
			*m = Mode(mode)
			return nil
		}
	}
	return fmt.Errorf("record: mode %.40q is not one of strict, best-effort, off", text)
}

// A Policy says which sessions are recorded and how. It is a value: Decide
// changes nothing.
type Policy struct {
	Mode  Mode   // of sessions that no rule is about
	Rules []Rule // the first that matches decides
}

// A Rule is about the sessions that match all of its lists that are not empty.
// An element of a list matches the value that it equals; a * in it stands for
// any octets, none included. What is not known of a session, such as the
// namespace of an exec through a node's proxy, is matched by no element.
type Rule struct {
	Name       string // for the logs; required and unique
	Users      []string
	Groups     []string // one of the user's is enough
	Namespaces []string
	Clusters   []string

	Mode   Mode // of the sessions; Off is refused, see Exempt
	Exempt bool // they are not recorded
}

// A Subject is what a rule can tell sessions apart by.
type Subject struct {
	User      string
	Groups    []string
	Namespace string // empty if not known
	Cluster   string
}

// A Decision is what a policy says of one session.
type Decision struct {
	Mode Mode   // Off if it is not recorded
	Rule string // that said so; empty if it is the policy's own mode
}

// Record tells whether the session is to be recorded.
func (d Decision) Record() bool { return d.Mode != Off }

// Check returns what is wrong with the policy. Sessions are exempt by rules
// that have a name and a condition, or all of them by Mode.
func (p *Policy) Check() error {
	names := make(map[string]bool, len(p.Rules))
	for i := range p.Rules {
		r := &p.Rules[i]
		switch {
		case r.Name == "":
			return fmt.Errorf("record: rule %d has no name", i+1)
		case names[r.Name]:
			return fmt.Errorf("record: two rules have the name %q", r.Name)
		case r.Mode == Off && !r.Exempt:
			return fmt.Errorf("record: rule %q has the mode off; say exempt", r.Name)
		case r.Exempt && len(r.Users)+len(r.Groups)+len(r.Namespaces)+len(r.Clusters) == 0:
			return fmt.Errorf("record: rule %q exempts all sessions", r.Name)
		case int(r.Mode) >= len(modeNames):
			return fmt.Errorf("record: rule %q: %s", r.Name, r.Mode)
		}
		names[r.Name] = true
	}
	if int(p.Mode) >= len(modeNames) {
		return errors.New("record: policy: " + p.Mode.String())
	}
	return nil
}

// Decide returns what the policy says of a session.
func (p *Policy) Decide(s Subject) Decision {
	for i := range p.Rules {
		r := &p.Rules[i]
		if !r.matches(&s) {
			continue
		}
		if r.Exempt {
			return Decision{Mode: Off, Rule: r.Name}
		}
		return Decision{Mode: r.Mode, Rule: r.Name}
	}
	return Decision{Mode: p.Mode}
}

func (r *Rule) matches(s *Subject) bool {
	return allowed(r.Users, s.User) &&
		allowed(r.Groups, s.Groups...) &&
		allowed(r.Namespaces, s.Namespace) &&
		allowed(r.Clusters, s.Cluster)
}

// allowed tells whether a list is empty or has a pattern for one of the values.
func allowed(list []string, values ...string) bool {
	if len(list) == 0 {
		return true
	}
	for _, pattern := range list {
		for _, value := range values {
			if value != "" && glob(pattern, value) {
				return true
			}
		}
	}
	return false
}

// glob tells whether pattern, in which * stands for any octets, is s.
func glob(pattern, s string) bool {
	head, rest, star := strings.Cut(pattern, "*")
	if !star {
		return pattern == s
	}
	s, ok := strings.CutPrefix(s, head)
	if !ok {
		return false
	}
	for {
		part, more, star := strings.Cut(rest, "*")
		if !star {
			return strings.HasSuffix(s, part)
		}
		i := strings.Index(s, part)
		if i < 0 {
			return false
		}
		s, rest = s[i+len(part):], more
	}
}
