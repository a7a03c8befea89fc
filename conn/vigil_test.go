package conn

import (
	"testing"
	"testing/synctest"
	"time"
)

func TestVigilForgetsWhoIsRemoved(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var v vigil
		all := make([]uplink, 4)
		for i := range all {
			v.add(&all[i])
		}
		time.Sleep(watchDelay) // all have been seen once
		for _, i := range []int{1, 3, 0, 2} {
			if !v.remove(&all[i]) {
				t.Errorf("remove(%d) = false before its watch has begun", i)
			}
			if v.remove(&all[i]) {
				t.Errorf("remove(%d) = true once more", i)
			}
		}
		time.Sleep(10 * watchDelay) // a watch that begins would panic
		v.mu.Lock()
		defer v.mu.Unlock()
		if v.running || len(v.waiting) > 0 {
			t.Errorf("running is %v with %d waiting, want neither", v.running, len(v.waiting))
		}
	})
}

func TestVigilBeginsWithinTwoDelays(t *testing.T) {
	conversation(t, func(s *site) {
		c := s.connect()
		c.says(request("GET /api/v1/pods"))
		up := s.accepts()
		up.hears(forwarded(1, "GET /api/v1/pods"))
		after(2*watchDelay + 1)
		c.Close() // only who watches finds out
		up.hearsEnd()
	})
}
