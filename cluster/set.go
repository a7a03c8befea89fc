package cluster

import (
	"errors"
	"fmt"
	"slices"
	"strings"
)

// Errors of Set.Match.
var (
	ErrNoMatch   = errors.New("cluster: no configured cluster matches")
	ErrAmbiguous = errors.New("cluster: more than one configured cluster matches")
)

// Set is the clusters that a gateway serves. It is immutable.
type Set struct {
	clusters  []*Cluster
	byAlias   map[string]*Cluster   // by lower-case alias
	byAddress map[string][]*Cluster // by lower-case address
}

// NewSet returns the set of clusters. It refuses those that Match could never tell
// apart.
func NewSet(clusters []*Cluster) (*Set, error) {
	configs := make([]Config, len(clusters))
	for i, c := range clusters {
		configs[i] = c.cfg
	}
	if conflicts := Conflicts(configs); len(conflicts) > 0 {
		return nil, fmt.Errorf("cluster: %s", conflicts[0].Text)
	}
	s := &Set{
		clusters:  slices.Clone(clusters),
		byAlias:   make(map[string]*Cluster),
		byAddress: make(map[string][]*Cluster),
	}
	for _, c := range clusters {
		for _, alias := range c.cfg.Aliases {
			s.byAlias[fold(alias)] = c
		}
		if address := fold(c.cfg.Address); address != "" {
			s.byAddress[address] = append(s.byAddress[address], c)
		}
	}
	return s, nil
}

// Clusters returns all clusters in the order of the configuration.
func (s *Set) Clusters() []*Cluster { return slices.Clone(s.clusters) }

// Match returns the cluster that a connection means. host is that of the CONNECT,
// proven to be allowed by the token; address is the token's resource.address. The
// error is ErrNoMatch or ErrAmbiguous, with what was looked for.
func (s *Set) Match(host, address string) (*Cluster, error) {
	host, address = fold(host), fold(address)
	if c := s.byAlias[host]; c != nil {
		// The token means one cluster by its address and another by its alias:
		// whoever wrote one of them down wrong, it is not ours to choose.
		if others := s.byAddress[address]; len(others) > 0 && !slices.Contains(others, c) {
			return nil, fmt.Errorf("%w host %.128q is an alias of %s, address %.128q means %s",
				ErrAmbiguous, host, c.cfg.Name, address, others[0].cfg.Name)
		}
		return c, nil
	}
	var found []*Cluster
	if host != "" {
		found = append(found, s.byAddress[host]...)
	}
	if address != "" && address != host {
		found = append(found, s.byAddress[address]...)
	}
	switch len(found) {
	case 0:
		return nil, fmt.Errorf("%w host %.128q, address %.128q", ErrNoMatch, host, address)
	case 1:
		return found[0], nil
	}
	names := make([]string, len(found))
	for i, c := range found {
		names[i] = c.cfg.Name
	}
	return nil, fmt.Errorf("%w host %.128q, address %.128q: %s", ErrAmbiguous, host, address, strings.Join(names, ", "))
}

// Conflict is a reason why a configuration of several clusters cannot work.
type Conflict struct {
	Index int    // of the later one of the two clusters
	Field string // Name, Address or Aliases
	Text  string // a sentence that names both and what to do
}

// Conflicts finds clusters that could never be told apart: two of one name, two
// with the same alias, an alias that is the address of another, and several with
// one address unless each has an alias.
func Conflicts(configs []Config) []Conflict {
	var all []Conflict
	names := make(map[string]bool)
	owner := make(map[string]int) // by alias
	for i, c := range configs {
		if names[c.Name] {
			all = append(all, Conflict{i, "Name", fmt.Sprintf("two clusters have the name %q; rename one", c.Name)})
		}
		names[c.Name] = true
		for _, alias := range c.Aliases {
			first, taken := owner[fold(alias)]
			if taken && first != i {
				all = append(all, Conflict{i, "Aliases", fmt.Sprintf("%q and %q have the same alias %q; remove it from one", configs[first].Name, c.Name, alias)})
				continue
			}
			owner[fold(alias)] = i
		}
	}
	return append(all, addressConflicts(configs, owner)...)
}

func addressConflicts(configs []Config, owner map[string]int) []Conflict {
	var all []Conflict
	byAddress := make(map[string]int)
	for i, c := range configs {
		address := fold(c.Address)
		if address == "" {
			continue
		}
		if other, taken := owner[address]; taken && other != i {
			all = append(all, Conflict{i, "Address", fmt.Sprintf("the address %q of %q is an alias of %q, which would always be chosen; remove one", c.Address, c.Name, configs[other].Name)})
		}
		first, taken := byAddress[address]
		if !taken {
			byAddress[address] = i
			continue
		}
		for _, j := range []int{first, i} {
			if len(configs[j].Aliases) == 0 {
				all = append(all, Conflict{i, "Address", fmt.Sprintf("%q and %q have the same address %q; give each an alias to tell them apart", configs[first].Name, c.Name, c.Address)})
				break
			}
		}
	}
	return all
}

// fold returns the form in which hosts are compared: ASCII lower case, without the
// dot that ends a fully qualified name.
func fold(host string) string { return strings.TrimSuffix(lower(host), ".") }
