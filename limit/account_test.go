package limit

import (
	"strconv"
	"testing"
	"testing/synctest"
	"time"
)

func TestAccountConnections(t *testing.T) {
	s := NewAccounts(AccountConfig{Connections: 2})
	first, second := s.Open("ann"), s.Open("ann")
	if first == nil || first != second {
		t.Fatalf("accounts %p and %p, want one", first, second)
	}
	if s.Open("ann") != nil {
		t.Error("a third connection is let in")
	}
	bob := s.Open("bob")
	if bob == nil {
		t.Fatal("another user is refused")
	}
	first.Close()
	if s.Open("ann") == nil {
		t.Error("the place that was given back is refused")
	}
	if connections, _ := s.Highest(); connections != 2 {
		t.Errorf("Highest = %d, want 2", connections)
	}
	bob.Close()
	first.Close()
	first.Close()
	if len(s.open) != 0 {
		t.Errorf("%d accounts are left, want none", len(s.open))
	}
}

func TestAccountStreams(t *testing.T) {
	a := NewAccounts(AccountConfig{Streams: 2}).Open("ann")
	for range 2 {
		if !a.OpenStream() {
			t.Fatal("one of two is refused")
		}
	}
	if a.OpenStream() {
		t.Error("a third stream is let in")
	}
	a.CloseStream()
	if !a.OpenStream() {
		t.Error("the place that was given back is refused")
	}
}

func TestAccountRate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := NewAccounts(AccountConfig{Rate: 10, Burst: 3})
		a := s.Open("ann")
		for i := range 3 {
			if !a.Request(time.Now()) {
				t.Fatalf("request %d of a burst of three is refused", i+1)
			}
		}
		if a.Request(time.Now()) {
			t.Error("a fourth request is let in")
		}
		// To connect anew gives no new allowance.
		a.Close()
		if a = s.Open("ann"); a.Request(time.Now()) {
			t.Error("a new connection has a new allowance")
		}
		time.Sleep(100 * time.Millisecond)
		if !a.Request(time.Now()) {
			t.Error("the request that a tenth of a second allows is refused")
		}
		if a.Request(time.Now()) {
			t.Error("two requests for a tenth of a second")
		}
		a.Close()
	})
}

func TestAccountsConfigure(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := NewAccounts(AccountConfig{Connections: 1, Rate: 1, Burst: 1})
		a := s.Open("ann")
		if !a.Request(time.Now()) || a.Request(time.Now()) {
			t.Fatal("a burst of one is not one")
		}
		s.Configure(AccountConfig{Connections: 2})
		for range 100 {
			if !a.Request(time.Now()) {
				t.Fatal("refused without a limit")
			}
		}
		if s.Open("ann") == nil {
			t.Error("a second connection is refused")
		}
		s.Configure(AccountConfig{Connections: 1})
		a.Close()
		if s.Open("ann") != nil {
			t.Error("a second connection is let in beside one")
		}
		a.Close()
		if len(s.open) != 0 {
			t.Errorf("%d accounts are left, want none", len(s.open))
		}
	})
}

// Users who come and go leave nothing behind for longer than their allowance takes
// to be whole.
func TestAccountsAreForgotten(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := NewAccounts(AccountConfig{Rate: 10, Burst: 10})
		for i := range 10_000 {
			a := s.Open(strconv.Itoa(i))
			a.Request(time.Now())
			a.Close()
			time.Sleep(10 * time.Millisecond) // ten are within the 100 ms that one request takes
			if len(s.open) > 2*sweepSize {
				t.Fatalf("%d accounts after %d users", len(s.open), i+1)
			}
		}
	})
}

func TestAccountAllocs(t *testing.T) {
	a := NewAccounts(AccountConfig{Connections: 1, Streams: 1, Rate: 1 << 30, Burst: 1 << 30}).Open("ann")
	got := testing.AllocsPerRun(100, func() {
		a.Request(time.Now())
		a.OpenStream()
		a.CloseStream()
	})
	if got != 0 {
		t.Errorf("%v allocations, want 0", got)
	}
}
