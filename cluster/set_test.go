package cluster

import (
	"errors"
	"strings"
	"testing"
)

// set returns a set without files behind it.
func set(t *testing.T, configs ...Config) *Set {
	t.Helper()
	clusters := make([]*Cluster, len(configs))
	for i, cfg := range configs {
		clusters[i] = &Cluster{cfg: cfg}
	}
	s, err := NewSet(clusters)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestMatch(t *testing.T) {
	s := set(t,
		Config{Name: "prod", Address: "10.0.0.1", Aliases: []string{"prod.int", "Prod-Alt.INT."}},
		Config{Name: "stage", Address: "stage.int"},
		Config{Name: "east", Address: "lb.int", Aliases: []string{"east.int"}},
		Config{Name: "west", Address: "LB.int", Aliases: []string{"west.int"}},
		Config{Name: "named", Aliases: []string{"named.int"}},
	)
	for _, row := range []struct {
		name, host, address, want string
		err                       error
	}{
		{"address", "10.0.0.1", "10.0.0.1", "prod", nil},
		{"address-any-case", "STAGE.int", "Stage.INT", "stage", nil},
		{"address-by-pattern", "x.other.int", "10.0.0.1", "prod", nil},
		{"host-only", "stage.int", "*.int", "stage", nil},
		{"host-trailing-dot", "stage.int.", "*.int", "stage", nil},
		{"alias", "prod.int", "10.0.0.1", "prod", nil},
		{"alias-any-case-and-dot", "prod-alt.int", "10.0.0.1", "prod", nil},
		{"alias-without-address", "named.int", "whatever", "named", nil},
		{"alias-with-an-unknown-address", "prod.int", "*.int", "prod", nil},
		{"alias-of-one-address-of-another", "prod.int", "stage.int", "", ErrAmbiguous},
		{"same-address-east", "east.int", "lb.int", "east", nil},
		{"same-address-west", "west.int", "lb.int", "west", nil},
		{"same-address-unsaid", "lb.int", "lb.int", "", ErrAmbiguous},
		{"host-of-one-address-of-another", "stage.int", "10.0.0.1", "", ErrAmbiguous},
		{"none", "x.int", "y.int", "", ErrNoMatch},
		{"empty", "", "", "", ErrNoMatch},
		{"dot", ".", ".", "", ErrNoMatch},
		{"alias-in-the-address-does-not-count", "x.int", "prod.int", "", ErrNoMatch},
		{"kelvin-sign-is-not-k", "\u212a8s.int", "x", "", ErrNoMatch},
		{"suffix", "evil-stage.int", "x", "", ErrNoMatch},
	} {
		t.Run(row.name, func(t *testing.T) {
			c, err := s.Match(row.host, row.address)
			if row.err != nil {
				if c != nil || !errors.Is(err, row.err) {
					t.Errorf("Match(%q, %q) = %v, %v, want %v", row.host, row.address, c, err, row.err)
				}
				return
			}
			if err != nil || c.Name() != row.want {
				t.Errorf("Match(%q, %q) = %v, %v, want %s", row.host, row.address, c, err, row.want)
			}
		})
	}
}

func TestMatchErrorIsBounded(t *testing.T) {
	_, err := set(t).Match(strings.Repeat("a\n", 5000), strings.Repeat("b", 5000))
	if len(err.Error()) > 600 || strings.Contains(err.Error(), "\n") {
		t.Errorf("error has %d octets: %.100q", len(err.Error()), err)
	}
}

func TestConflicts(t *testing.T) {
	for _, row := range []struct {
		name    string
		configs []Config
		field   string // empty: none
		text    string
	}{
		{"none", []Config{{Name: "a", Address: "1"}, {Name: "b", Address: "2"}}, "", ""},
		{"same-name", []Config{{Name: "a", Address: "1"}, {Name: "a", Address: "2"}}, "Name", `two clusters have the name "a"`},
		{"same-alias", []Config{{Name: "a", Aliases: []string{"x"}}, {Name: "b", Aliases: []string{"X."}}}, "Aliases", `"a" and "b" have the same alias "X."`},
		{"alias-twice-in-one", []Config{{Name: "a", Aliases: []string{"x", "X"}}}, "", ""},
		{"same-address-no-aliases", []Config{{Name: "a", Address: "1"}, {Name: "b", Address: "1"}}, "Address", `give each an alias`},
		{"same-address-one-alias", []Config{{Name: "a", Address: "1"}, {Name: "b", Address: "1", Aliases: []string{"x"}}}, "Address", `give each an alias`},
		{"same-address-aliases", []Config{{Name: "a", Address: "1", Aliases: []string{"y"}}, {Name: "b", Address: "1", Aliases: []string{"x"}}}, "", ""},
		{"no-addresses", []Config{{Name: "a", Aliases: []string{"y"}}, {Name: "b", Aliases: []string{"x"}}}, "", ""},
		{"alias-is-own-address", []Config{{Name: "a", Address: "1", Aliases: []string{"1"}}}, "", ""},
		{"alias-is-address-of-other", []Config{{Name: "a", Address: "1"}, {Name: "b", Address: "2", Aliases: []string{"1"}}}, "Address", `is an alias of "b"`},
	} {
		t.Run(row.name, func(t *testing.T) {
			got := Conflicts(row.configs)
			if row.field == "" {
				if len(got) != 0 {
					t.Errorf("Conflicts() = %v, want none", got)
				}
				return
			}
			if len(got) != 1 || got[0].Field != row.field || !strings.Contains(got[0].Text, row.text) {
				t.Fatalf("Conflicts() = %v, want one of %s with %q", got, row.field, row.text)
			}
			clusters := []*Cluster{{cfg: row.configs[0]}, {cfg: row.configs[1]}}
			if s, err := NewSet(clusters); s != nil || err == nil || !strings.Contains(err.Error(), row.text) {
				t.Errorf("NewSet() = %v, %v, want error with %q", s, err, row.text)
			}
		})
	}
}

func TestClustersKeepsTheOrder(t *testing.T) {
	s := set(t, Config{Name: "b", Address: "1"}, Config{Name: "a", Address: "2"})
	list := s.Clusters()
	if len(list) != 2 || list[0].Name() != "b" || list[1].Name() != "a" {
		t.Errorf("Clusters() = %v", list)
	}
	list[0] = nil
	if s.Clusters()[0] == nil {
		t.Error("the caller's slice is the set's")
	}
}
