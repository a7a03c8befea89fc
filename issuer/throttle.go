package issuer

import (
	"crypto/sha256"
	"net/netip"
	"sync"
	"time"
)

const (
	// freeFailures are allowed before waiting begins: typing errors and a password manager with an old entry.
	freeFailures = 5
	maxWait      = time.Minute
	// forgetAfter the last failure the count begins anew.
	forgetAfter = 10 * time.Minute
	// maxThrottled bounds the table; each entry is below 100 octets.
	maxThrottled = 4096
)

// throttle slows down guessing of a user's password from one address. Its zero value is ready.
type throttle struct {
	mu      sync.Mutex
	entries map[throttleKey]throttleEntry // guarded by mu
}

// throttleKey is a digest, so that a long user name takes no more room than a short one.
type throttleKey [sha256.Size]byte

type throttleEntry struct {
	failures int
	last     time.Time
}

func newThrottleKey(user string, addr netip.Addr) throttleKey {
	addr = addr.Unmap()
	if addr.Is6() {
		// One subscriber has a /64: counting single addresses would count nothing.
		prefix, _ := addr.WithZone("").Prefix(64)
		addr = prefix.Addr()
	}
	return sha256.Sum256([]byte(addr.String() + "\x00" + user))
}

// wait returns for how long the pair is closed; 0: it is open.
func (t *throttle) wait(key throttleKey, now time.Time) time.Duration {
	t.mu.Lock()
	defer t.mu.Unlock()
	entry, known := t.entries[key]
	if !known || entry.failures < freeFailures || now.Sub(entry.last) >= forgetAfter {
		return 0
	}
	// 1 s, 2 s, 4 s and so on; the shift is bounded because failures past a minute's wait add nothing.
	closed := min(time.Second<<min(entry.failures-freeFailures, 6), maxWait)
	return max(0, closed-now.Sub(entry.last))
}

func (t *throttle) failed(key throttleKey, now time.Time) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.entries == nil {
		t.entries = make(map[throttleKey]throttleEntry)
	}
	entry, known := t.entries[key]
	if !known && len(t.entries) >= maxThrottled {
		t.makeRoomLocked(now)
	}
	if now.Sub(entry.last) >= forgetAfter {
		entry.failures = 0
	}
	entry.failures++
	entry.last = now
	t.entries[key] = entry
}

func (t *throttle) succeeded(key throttleKey) {
	t.mu.Lock()
	defer t.mu.Unlock()
	delete(t.entries, key)
}

// makeRoomLocked drops what is forgotten anyway, or else the entry that is longest ago. The scan is cheap beside the
// password hash that every failure has cost.
func (t *throttle) makeRoomLocked(now time.Time) {
	var oldest throttleKey
	var oldestAt time.Time
	for key, entry := range t.entries {
		if now.Sub(entry.last) >= forgetAfter {
			delete(t.entries, key)
			continue
		}
		if oldestAt.IsZero() || entry.last.Before(oldestAt) {
			oldest, oldestAt = key, entry.last
		}
	}
	if len(t.entries) >= maxThrottled {
		delete(t.entries, oldest)
	}
}
