package connect

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// leaseFixture is a lease of a number that counts its fetches. Everything happens in a bubble with its own time.
type leaseFixture struct {
	lease[int]
	tasks   sync.WaitGroup
	fetches int
	takes   time.Duration
	err     error
	told    atomic.Int32 // by fetches that do not wait for each other
}

func newLease(t *testing.T) *leaseFixture {
	f := &leaseFixture{takes: time.Second}
	ctx, cancel := context.WithCancel(context.Background())
	t.Cleanup(cancel)
	f.base, f.lease.tasks = ctx, &f.tasks
	f.failed = func(error, time.Time) { f.told.Add(1) }
	f.fetch = func(ctx context.Context) (held[int], error) {
		f.fetches++
		n, err := f.fetches, f.err
		if !sleep(ctx, f.takes) {
			return held[int]{}, ctx.Err()
		}
		if err != nil {
			return held[int]{}, err
		}
		now := time.Now()
		return held[int]{value: n, fetched: now, renewAt: now.Add(time.Minute), expires: now.Add(2 * time.Minute)}, nil
	}
	return f
}

func (f *leaseFixture) want(t *testing.T, want string) {
	t.Helper()
	got, err := f.get(t.Context())
	text := fmt.Sprint(got.value)
	if err != nil {
		text = err.Error()
	}
	if text != want {
		t.Errorf("get = %s, want %s", text, want)
	}
}

func TestLeaseIsRenewedInTheBackground(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newLease(t)
		start := time.Now()
		f.want(t, "1")
		if waited := time.Since(start); waited != time.Second {
			t.Errorf("the first get took %v, want the fetch's second", waited)
		}
		time.Sleep(59 * time.Second)
		f.want(t, "1")
		synctest.Wait()
		if f.fetches != 1 {
			t.Errorf("%d fetches before the renewal time, want 1", f.fetches)
		}
		time.Sleep(2 * time.Second)
		start = time.Now()
		f.want(t, "1") // does not wait
		f.want(t, "1")
		if waited := time.Since(start); waited != 0 {
			t.Errorf("get after the renewal time took %v, want 0", waited)
		}
		time.Sleep(2 * time.Second)
		f.want(t, "2")
		if f.fetches != 2 {
			t.Errorf("%d fetches, want 2", f.fetches)
		}
	})
}

func TestLeaseExpires(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newLease(t)
		f.want(t, "1")
		time.Sleep(2 * time.Minute)
		f.want(t, "2")
	})
}

func TestLeaseGoesOnWhileRenewalFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newLease(t)
		f.want(t, "1")
		f.err = errors.New("down")
		time.Sleep(61 * time.Second)
		for range 5 {
			f.want(t, "1")
			time.Sleep(2 * time.Second)
		}
		f.tasks.Wait()
		// At 61, 67 and 71 seconds or so: not at every call.
		if f.fetches < 3 || f.fetches > 4 || int(f.told.Load()) != f.fetches-1 {
			t.Errorf("%d fetches and %d reports in 10 s of failing renewal", f.fetches, f.told.Load())
		}
		time.Sleep(time.Minute)
		f.want(t, "down")
	})
}

func TestLeaseRemembersFailureForAWhile(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newLease(t)
		f.err = errors.New("wrong password")
		for range 5 {
			f.want(t, "wrong password")
		}
		if f.fetches != 1 {
			t.Errorf("%d fetches for 5 calls in a row, want 1", f.fetches)
		}
		f.err = nil
		time.Sleep(failureMemory)
		f.want(t, "2")
	})
}

func TestLeaseSharesOneFetch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newLease(t)
		impatient, cancel := context.WithTimeout(t.Context(), time.Millisecond)
		defer cancel()
		var callers sync.WaitGroup
		callers.Go(func() {
			if _, err := f.get(impatient); !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("get of a caller who went away = %v", err)
			}
		})
		for range 9 {
			callers.Go(func() { f.want(t, "1") })
		}
		callers.Wait()
		if f.fetches != 1 {
			t.Errorf("%d fetches for 10 callers, want 1", f.fetches)
		}
	})
}

func TestLeaseDropKeepsNewerValue(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newLease(t)
		first, err := f.get(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		f.drop(first.fetched)
		f.want(t, "2")
		f.drop(first.fetched)
		f.want(t, "2")
	})
}

func TestLeaseFetchEndsWithItsOwner(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newLease(t)
		f.takes = time.Hour
		ctx, cancel := context.WithCancel(context.Background())
		f.base = ctx
		time.AfterFunc(time.Second, cancel)
		start := time.Now()
		f.want(t, "context canceled")
		f.tasks.Wait()
		if waited := time.Since(start); waited != time.Second {
			t.Errorf("get took %v, want 1s", waited)
		}
	})
}
