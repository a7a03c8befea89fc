package record

import (
	"encoding/json"
	"maps"
	"strings"
	"sync"
	"testing"
)

func TestPolicyDecide(t *testing.T) {
	policy := Policy{
		Mode: Strict,
		Rules: []Rule{
			{Name: "robots", Users: []string{"ci-*"}, Namespaces: []string{"build", "test-*"}, Exempt: true},
			{Name: "interns", Groups: []string{"interns"}, Mode: Strict},
			{Name: "stage", Clusters: []string{"stage"}, Mode: BestEffort},
			{Name: "anywhere", Users: []string{"root"}, Namespaces: []string{"*"}, Exempt: true},
		},
	}
	if err := policy.Check(); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name string
		s    Subject
		want Decision
	}{
		{"no-rule", Subject{User: "alice", Cluster: "prod"}, Decision{Mode: Strict}},
		{"exempt", Subject{User: "ci-1", Namespace: "build", Cluster: "prod"}, Decision{Off, "robots"}},
		{"exempt-glob", Subject{User: "ci-1", Namespace: "test-7"}, Decision{Off, "robots"}},
		{"one-list-does-not-match", Subject{User: "ci-1", Namespace: "default"}, Decision{Mode: Strict}},
		{"namespace-not-known", Subject{User: "ci-1"}, Decision{Mode: Strict}},
		{"namespace-not-known-any", Subject{User: "root"}, Decision{Mode: Strict}},
		{"any-namespace", Subject{User: "root", Namespace: "x"}, Decision{Off, "anywhere"}},
		{"first-rule-decides", Subject{User: "bob", Groups: []string{"dev", "interns"}, Cluster: "stage"}, Decision{Strict, "interns"}},
		{"cluster", Subject{User: "bob", Cluster: "stage"}, Decision{BestEffort, "stage"}},
		{"no-part-of-a-name", Subject{User: "bob", Cluster: "stage2"}, Decision{Mode: Strict}},
	} {
		if got := policy.Decide(c.s); got != c.want {
			t.Errorf("%s: Decide(%+v) = %+v, want %+v", c.name, c.s, got, c.want)
		}
	}
}

func TestPolicyCheck(t *testing.T) {
	for _, c := range []struct {
		want string
		p    Policy
	}{
		{"no name", Policy{Rules: []Rule{{Users: []string{"a"}}}}},
		{"two rules", Policy{Rules: []Rule{{Name: "a", Users: []string{"a"}}, {Name: "a", Users: []string{"b"}}}}},
		{"say exempt", Policy{Rules: []Rule{{Name: "a", Users: []string{"a"}, Mode: Off}}}},
		{"exempts all", Policy{Rules: []Rule{{Name: "a", Exempt: true}}}},
		{"Mode(9)", Policy{Mode: 9}},
	} {
		if err := c.p.Check(); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("Check(%+v) = %v, want %q", c.p, err, c.want)
		}
	}
	if d := (&Policy{Mode: Off}).Decide(Subject{}); d.Record() {
		t.Error("a policy that is off records")
	}
}

func TestGlob(t *testing.T) {
	for _, c := range []struct {
		pattern, s string
		want       bool
	}{
		{"a", "a", true}, {"a", "ab", false}, {"a*", "ab", true}, {"*b", "ab", true}, {"*", "", true},
		{"a*a", "a", false}, {"a*a", "aa", true}, {"*a*b*", "xaybz", true}, {"*a*b*", "xbya", false}, {"", "", true}, {"", "a", false},
		{"a*b*c", "abcbc", true}, {"[a]", "a", false}, {"?", "a", false},
	} {
		if got := glob(c.pattern, c.s); got != c.want {
			t.Errorf("glob(%q, %q) = %v", c.pattern, c.s, got)
		}
	}
}

func TestModeText(t *testing.T) {
	for _, m := range []Mode{Strict, BestEffort, Off} {
		text, err := json.Marshal(m)
		must(t, err)
		var got Mode
		if err := json.Unmarshal(text, &got); err != nil || got != m {
			t.Errorf("%s: %v, %v", text, got, err)
		}
	}
	var m Mode
	if err := m.UnmarshalText([]byte("none")); err == nil {
		t.Error("a mode that is none: no error")
	}
}

func TestAccountAddsUp(t *testing.T) {
	var mu sync.Mutex
	observed := make(map[Outcome]int)
	account := Account{Observe: func(_ Decision, o Outcome) {
		mu.Lock()
		defer mu.Unlock()
		observed[o]++
	}}
	var group sync.WaitGroup
	for i := range 300 {
		group.Go(func() {
			d := Decision{Mode: Mode(i % 3)}
			entry := account.Begin(d)
			if i%5 == 0 {
				entry.Settle(OutcomeFailed)
			}
			entry.Settle(OutcomeRecorded)
			entry.Settle(OutcomeFailed)
		})
	}
	open := account.Begin(Decision{})
	group.Wait()
	want := map[Outcome]int{OutcomeRecorded: 160, OutcomeExempt: 100, OutcomeFailed: 40}
	if !maps.Equal(observed, want) {
		t.Errorf("with one stream open: observed %v, want %v", observed, want)
	}
	open.Settle(OutcomeRecorded)
	if want[OutcomeRecorded]++; !maps.Equal(observed, want) {
		t.Errorf("observed %v, want %v", observed, want)
	}
}
