package limit

import (
	"sync"
	"time"

	"golang.org/x/time/rate"
)

// AccountConfig is how much each user may have. Zero fields are no limits.
type AccountConfig struct {
	Connections int // open at once
	Streams     int // open at once
	Rate        int // requests a second, in the long run
	Burst       int // requests at once after a pause; if there is a Rate, at least 1
}

// Accounts holds the accounts of the users that are connected.
type Accounts struct {
	mu     sync.Mutex
	config AccountConfig       // guarded by mu
	open   map[string]*Account // guarded by mu; by user
	sweep  int                 // guarded by mu; size of open at which forgotten ones are looked for
}

// Account is what one user has in use, over all connections.
type Account struct {
	in   *Accounts
	user string
	rate *rate.Limiter

	connections int // guarded by in.mu
	streams     int // guarded by in.mu
}

// sweepSize is the least number of accounts that is worth looking through.
const sweepSize = 64

// NewAccounts returns accounts of which none is open.
func NewAccounts(config AccountConfig) *Accounts {
	return &Accounts{config: config, open: make(map[string]*Account), sweep: sweepSize}
}

// Configure changes what each user may have from now on.
func (s *Accounts) Configure(config AccountConfig) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.config = config
	for _, a := range s.open {
		a.rate.SetLimit(config.limit())
		a.rate.SetBurst(max(config.Burst, 1))
	}
}

// limit is the rate as package rate has it.
func (c *AccountConfig) limit() rate.Limit {
	if c.Rate == 0 {
		return rate.Inf
	}
	return rate.Limit(c.Rate)
}

// Open adds a connection to the account of a user until Close. It returns nil if
// the user has as many as may be.
func (s *Accounts) Open(user string) *Account {
	s.mu.Lock()
	defer s.mu.Unlock()
	a := s.open[user]
	if a == nil {
		a = s.add(user)
	}
	if s.config.Connections > 0 && a.connections >= s.config.Connections {
		return nil
	}
	a.connections++
	return a
}

// add makes an account. It is called with mu held.
func (s *Accounts) add(user string) *Account {
	if len(s.open) >= s.sweep {
		now := time.Now()
		for _, a := range s.open {
			s.forget(a, now)
		}
		s.sweep = max(2*len(s.open), sweepSize)
	}
	a := &Account{in: s, user: user, rate: rate.NewLimiter(s.config.limit(), max(s.config.Burst, 1))}
	s.open[user] = a
	return a
}

// forget removes an account that a new one would be the same as. It is called with
// mu held.
func (s *Accounts) forget(a *Account, now time.Time) {
	if a.connections == 0 && (a.rate.Limit() == rate.Inf || a.rate.TokensAt(now) >= float64(a.rate.Burst())) {
		delete(s.open, a.user)
	}
}

// Highest returns how many connections and how many streams the users have that
// have most of them. It looks at all.
func (s *Accounts) Highest() (connections, streams int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, a := range s.open {
		connections, streams = max(connections, a.connections), max(streams, a.streams)
	}
	return connections, streams
}

// Close removes the connection that Open has added. It is called once, when all
// its streams are closed.
func (a *Account) Close() {
	a.in.mu.Lock()
	defer a.in.mu.Unlock()
	if a.connections == 0 {
		panic("limit: internal error: an account is closed more often than it was opened")
	}
	a.connections--
	a.in.forget(a, time.Now())
}

// Request reports whether the user may make another request now, and if so counts
// it. It does not allocate.
func (a *Account) Request(now time.Time) bool { return a.rate.AllowN(now, 1) }

// OpenStream adds a stream until CloseStream. It reports false, and adds none, if
// the user has as many as may be.
func (a *Account) OpenStream() bool {
	a.in.mu.Lock()
	defer a.in.mu.Unlock()
	if most := a.in.config.Streams; most > 0 && a.streams >= most {
		return false
	}
	a.streams++
	return true
}

// CloseStream ends what OpenStream has begun.
func (a *Account) CloseStream() {
	a.in.mu.Lock()
	defer a.in.mu.Unlock()
	if a.streams == 0 {
		panic("limit: internal error: more streams are closed than were opened")
	}
	a.streams--
}
