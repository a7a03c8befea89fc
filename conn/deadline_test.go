package conn

import (
	"testing"
	"testing/synctest"
	"time"
)

// A deadline is set as rarely as its promise allows: a wait ends between 3/4 and
// 1 of it.
func TestDeadline(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var sets []time.Duration // from now; negative: none or passed
		d := deadline{set: func(at time.Time) error {
			wait := time.Until(at)
			if at.IsZero() || wait < 0 {
				wait = -1
			}
			sets = append(sets, wait)
			return nil
		}}
		want := func(what string, want ...time.Duration) {
			t.Helper()
			if len(sets) != len(want) || len(want) > 0 && sets[0] != want[0] {
				t.Errorf("%s: the deadline was set to %v, want %v", what, sets, want)
			}
			sets = nil
		}
		d.clear()
		want("clear without a deadline")
		d.extend(time.Minute)
		want("first extend", time.Minute)
		time.Sleep(14 * time.Second)
		d.extend(time.Minute)
		want("extend within the first quarter")
		time.Sleep(time.Second)
		d.extend(time.Minute)
		want("extend behind it", time.Minute)
		d.extend(time.Second)
		want("another wait", time.Second)
		if d.passed() {
			t.Error("the deadline has passed too early")
		}
		time.Sleep(time.Second)
		if !d.passed() {
			t.Error("the deadline has not passed")
		}
		d.extend(time.Second)
		want("extend behind the end", time.Second)
		d.extend(0)
		want("extend for ever", -1)
		d.extend(0)
		want("extend for ever again")
		d.extend(time.Minute)
		want("extend after that", time.Minute)
		d.expire()
		want("expire", -1)
		d.forget()
		d.extend(time.Minute)
		want("extend after expire", time.Minute)
		d.expire()
		d.forget()
		sets = nil
		d.clear()
		want("clear after expire", -1)
	})
}
