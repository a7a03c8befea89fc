package limit

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// gateBed is a gate, and who has come of those that were sent to it. It lives in a
// bubble.
type gateBed struct {
	t *testing.T
	*Gate
	mu  sync.Mutex
	got []string // guarded by mu; name, and what came of it unless it was let in
	all sync.WaitGroup
}

func newGateBed(t *testing.T, config GateConfig) *gateBed {
	return &gateBed{t: t, Gate: NewGate(config)}
}

// send has users come one after the other. Two who have the first letter in common
// are of one user.
func (b *gateBed) send(ctx context.Context, kind Kind, names ...string) {
	for _, name := range names {
		b.all.Go(func() { // ends with the wait
			word := name
			if err := b.Enter(ctx, name[:1], kind); err != nil {
				word += " " + strings.TrimPrefix(err.Error(), "limit: ")
			}
			b.mu.Lock()
			defer b.mu.Unlock()
			b.got = append(b.got, word)
		})
		synctest.Wait()
	}
}

// want fails unless exactly these have come since the last call.
func (b *gateBed) want(names ...string) {
	b.t.Helper()
	synctest.Wait()
	b.mu.Lock()
	defer b.mu.Unlock()
	if !slices.Equal(b.got, names) {
		b.t.Errorf("came: %q, want %q", b.got, names)
	}
	b.got = nil
}

func TestGateBorder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newGateBed(t, GateConfig{Most: 4, Queue: 8, Wait: time.Minute})
		b.send(t.Context(), Short, "a1", "a2", "a3", "a4")
		b.want("a1", "a2", "a3", "a4")
		b.send(t.Context(), Short, "b1")
		b.want()
		if s := b.Stats(); s.In[Short] != 4 || s.Waiting[Short] != 1 {
			t.Errorf("%+v, want four in and one waiting", s)
		}
		b.Leave(Short)
		b.want("b1")
		for range 4 {
			b.Leave(Short)
		}
		if s := b.Stats(); s != (GateStats{}) {
			t.Errorf("%+v at the end, want nobody", s)
		}
	})
}

func TestGateIsFairAmongUsers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newGateBed(t, GateConfig{Most: 2, Queue: 100, Wait: time.Minute})
		b.send(t.Context(), Short, "a1", "a2", "a3", "a4", "a5", "a6", "b1", "c1", "c2")
		b.want("a1", "a2")
		for _, next := range []string{"a3", "b1", "c1", "a4", "c2", "a5", "a6"} {
			b.Leave(Short)
			b.want(next)
		}
	})
}

func TestGateKeepsAShareForShortRequests(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newGateBed(t, GateConfig{Most: 8, Queue: 8, Wait: time.Minute})
		b.send(t.Context(), Stream, "a1", "a2", "a3", "a4", "a5", "a6", "a7")
		b.want("a1", "a2", "a3", "a4", "a5", "a6") // a quarter is kept
		b.send(t.Context(), Short, "b1", "b2")
		b.want("b1", "b2")
		b.send(t.Context(), Short, "b3")
		b.want()
		b.Leave(Short)
		b.want("b3")
		b.Leave(Stream)
		b.want("a7")
		if s := b.Stats(); s.In != [kinds]int{2, 6} {
			t.Errorf("%+v, want 2 and 6 streams", s)
		}
	})
}

// Neither kind starves where both wait for the same places.
func TestGateKindsTakeTurns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newGateBed(t, GateConfig{Most: 4, Queue: 8, Wait: time.Minute})
		b.send(t.Context(), Short, "a1", "a2", "a3", "a4", "a5", "a6", "a7")
		b.send(t.Context(), Stream, "s1", "s2", "s3", "s4")
		b.want("a1", "a2", "a3", "a4")
		for _, next := range []string{"a5", "s1", "a6", "s2"} {
			b.Leave(Short)
			b.want(next)
		}
		b.Leave(Short)
		b.want("a7")
		b.Leave(Short)
		b.want("s3")
		b.Leave(Short) // the last place is for short requests
		b.want()
		b.send(t.Context(), Short, "b1")
		b.want("b1")
	})
}

// When a line is full, those of whom most wait make room, and a user who has a fair
// share of it gets no more.
func TestGateQueueLength(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newGateBed(t, GateConfig{Most: 2, Queue: 4, Wait: time.Minute})
		b.send(t.Context(), Short, "a1", "a2", "a3", "a4", "a5", "a6")
		b.want("a1", "a2")
		b.send(t.Context(), Short, "a7")
		b.want("a7 too many wait already")
		b.send(t.Context(), Short, "b1", "b2")
		b.want("a6 too many wait already", "a5 too many wait already")
		b.send(t.Context(), Short, "b3", "c1")
		b.want("b3 too many wait already", "a4 too many wait already")
		for _, next := range []string{"a3", "b1", "c1", "b2"} {
			b.Leave(Short)
			b.want(next)
		}
	})
}

func TestGateQueueTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var waits []time.Duration
		b := newGateBed(t, GateConfig{Most: 2, Queue: 4, Wait: time.Minute, Waited: func(kind Kind, took time.Duration) {
			if kind != Short {
				t.Errorf("a %v has waited", kind)
			}
			waits = append(waits, took)
		}})
		b.send(t.Context(), Short, "a1", "a2", "a3")
		time.Sleep(time.Minute - 1)
		b.want("a1", "a2")
		b.send(t.Context(), Short, "a4")
		time.Sleep(time.Nanosecond)
		b.want("a3 no place has become free in time")
		b.Leave(Short)
		b.want("a4")
		if want := []time.Duration{time.Minute, 1}; !slices.Equal(waits, want) {
			t.Errorf("waits %v, want %v", waits, want)
		}
	})
}

func TestGateContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newGateBed(t, GateConfig{Most: 2, Queue: 4, Wait: time.Minute})
		ctx, cancel := context.WithCancelCause(t.Context())
		b.send(ctx, Short, "a1", "a2", "a3")
		cancel(errors.New("all is over"))
		b.want("a1", "a2", "a3 all is over")
		b.Leave(Short)
		b.Leave(Short)
		if s := b.Stats(); s != (GateStats{}) {
			t.Errorf("%+v at the end, want nobody", s)
		}
	})
}

func TestGateConfigure(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		config := GateConfig{Most: 2, Queue: 4, Wait: time.Minute}
		b := newGateBed(t, config)
		b.send(t.Context(), Short, "a1", "a2", "a3", "a4", "a5")
		b.want("a1", "a2")
		for config.Most = 3; config.Most <= 4; config.Most++ {
			b.Configure(config)
			b.want(fmt.Sprintf("a%d", config.Most))
		}
		config.Most = 2
		b.Configure(config)
		b.Leave(Short)
		b.Leave(Short)
		b.want()
		b.Leave(Short)
		b.want("a5")
	})
}

func TestGateWithoutQueue(t *testing.T) {
	g := NewGate(GateConfig{Most: 2})
	for range 2 {
		if err := g.Enter(t.Context(), "a", Short); err != nil {
			t.Fatal(err)
		}
	}
	if err := g.Enter(t.Context(), "b", Short); !errors.Is(err, ErrQueueFull) {
		t.Errorf("Enter = %v, want ErrQueueFull", err)
	}
}

// Whatever comes and goes in which order: never too many are in, and nobody is
// forgotten.
func TestGateRandom(t *testing.T) {
	for seed := range uint64(50) {
		synctest.Test(t, func(t *testing.T) {
			random := rand.New(rand.NewPCG(seed, 1))
			g := NewGate(GateConfig{Most: 2 + random.IntN(6), Queue: 1 + random.IntN(20), Wait: time.Duration(1+random.IntN(1000)) * time.Millisecond})
			var all sync.WaitGroup
			for i := range 300 {
				kind, user := Kind(random.IntN(2)), fmt.Sprint(random.IntN(1+i%5))
				hold := time.Duration(random.IntN(100)) * time.Millisecond
				ctx, cancel := context.WithTimeout(t.Context(), time.Duration(random.IntN(2000))*time.Millisecond)
				all.Go(func() { // ends when it has left
					defer cancel()
					if g.Enter(ctx, user, kind) != nil {
						return
					}
					if in := g.Stats().In; in[Short]+in[Stream] > g.config.Most || in[Stream] > g.most[Stream] {
						t.Errorf("seed %d: %v of %+v", seed, in, g.config)
					}
					time.Sleep(hold)
					g.Leave(kind)
				})
				time.Sleep(time.Duration(random.IntN(20)) * time.Millisecond)
			}
			all.Wait()
			if s := g.Stats(); s != (GateStats{}) {
				t.Errorf("seed %d: %+v at the end, want nobody", seed, s)
			}
			for k := range g.lines {
				if l := &g.lines[k]; len(l.users) != 0 || l.ring.Len() != 0 {
					t.Errorf("seed %d: %d users are left in a line", seed, len(l.users))
				}
			}
		})
	}
}

func TestGateAllocs(t *testing.T) {
	g := NewGate(GateConfig{Most: 2, Queue: 1, Wait: time.Minute})
	got := testing.AllocsPerRun(100, func() {
		g.TryEnter(Short)
		g.Leave(Short)
	})
	if got != 0 {
		t.Errorf("%v allocations, want 0", got)
	}
}

// BenchmarkRequest is what the limits cost a request: the place at the gate of its
// cluster, which all requests of a gateway come by, and its user's allowance.
func BenchmarkRequest(b *testing.B) {
	g := NewGate(GateConfig{Most: 1 << 20, Queue: 1, Wait: time.Minute})
	a := NewAccounts(AccountConfig{Rate: 1 << 30, Burst: 1 << 30}).Open("ann")
	for _, row := range []struct {
		limit string
		take  func(now time.Time) bool
		leave func()
	}{
		{"gate", func(time.Time) bool { return g.TryEnter(Short) }, func() { g.Leave(Short) }},
		{"rate", a.Request, func() {}},
	} {
		b.Run("limit="+row.limit, func(b *testing.B) {
			b.ReportAllocs()
			now := time.Now()
			b.RunParallel(func(p *testing.PB) {
				for p.Next() {
					if !row.take(now) {
						b.Error("refused")
						return
					}
					row.leave()
				}
			})
		})
	}
}
