package authn

import (
	"cmp"
	"context"
	"crypto/ecdsa"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/url"
	"sync"
	"sync/atomic"
	"time"

	"github.com/spliceway/spliceway/internal/filewatch"
)

// KeySetConfig says where an issuer's keys come from: URL or File, exactly one.
type KeySetConfig struct {
	URL       string // of a JWK Set: https, or http to a loopback address
	CAFile    string // PEM roots for URL, read at each request; if empty, the system's
	CacheFile string // keeps the keys from URL over a restart; if empty, nothing does
	File      string // a file with a JWK Set

	Refresh         time.Duration // between refreshes, give or take a tenth; if zero, 5 min for URL, 5 s for File
	UnknownInterval time.Duration // from the end of one refresh to the next that an unknown kid may cause; if zero, 10 s
	Timeout         time.Duration // of one request to URL; if zero, 10 s
	MaxStale        time.Duration // how long keys serve without a successful refresh; if zero, 24 h

	// Report, if not nil, is told how refreshing goes, whenever that
	// changes: nil when it has succeeded for the first time or again, the
	// error when it fails otherwise than before. It is called by one
	// goroutine at a time and must not call the KeySet.
	Report func(error)
}

// retryInterval is the time to the next refresh after one that failed.
const retryInterval = 30 * time.Second

// KeySet holds an issuer's signing keys and keeps them fresh. It is usable at
// once, and refreshes on demand even before Run. Once Run has returned, it
// answers from memory only.
type KeySet struct {
	cfg      KeySetConfig
	load     func(context.Context) (*keyring, error)
	lifetime context.Context // of all refreshes, whoever waits for them
	end      context.CancelFunc

	current atomic.Pointer[keyring] // nil before the first success

	mu       sync.Mutex
	flight   *flight   // guarded by mu; the refresh under way, or nil
	finished time.Time // guarded by mu; when the last refresh ended

	reported string // owned by the flight: what Report was last told, or ""
}

// keyring is one key set. It is immutable.
type keyring struct {
	keys    map[string]*ecdsa.PublicKey // by kid
	fetched time.Time                   // when they were known to be the issuer's
}

// flight is one refresh, for however many wait for it.
type flight struct {
	done chan struct{} // closed after err is set
	err  error
}

// NewKeySet returns a KeySet of what the cache file holds, or of the content of
// File, which must be good. It does not ask the URL yet, so that it succeeds
// while the issuer is down.
func NewKeySet(cfg KeySetConfig) (*KeySet, error) {
	cfg.UnknownInterval = cmp.Or(cfg.UnknownInterval, 10*time.Second)
	cfg.Timeout = cmp.Or(cfg.Timeout, 10*time.Second)
	cfg.MaxStale = cmp.Or(cfg.MaxStale, 24*time.Hour)
	s := &KeySet{cfg: cfg}
	s.lifetime, s.end = context.WithCancel(context.Background())
	var err error
	switch {
	case (cfg.URL == "") == (cfg.File == ""):
		err = errors.New("either URL or file is needed")
	case cfg.URL != "":
		err = s.initURL()
	case cfg.CAFile != "" || cfg.CacheFile != "":
		err = errors.New("CA file and cache file are for a URL only")
	default:
		err = s.initFile()
	}
	if err != nil {
		return nil, fmt.Errorf("authn: signing keys: %w", err)
	}
	return s, nil
}

func (s *KeySet) initURL() error {
	s.cfg.Refresh = cmp.Or(s.cfg.Refresh, 5*time.Minute)
	location, err := url.Parse(s.cfg.URL)
	if err != nil {
		return err
	}
	if err := checkLocation(location); err != nil {
		return fmt.Errorf("%s: %w", quote(location.Redacted()), err)
	}
	if _, err := readRoots(s.cfg.CAFile); err != nil {
		return err
	}
	s.load = s.loadURL
	if s.cfg.CacheFile == "" {
		return nil
	}
	// A bad cache is no reason not to start: the issuer is asked next.
	cached, err := readCache(s.cfg.CacheFile, s.cfg.URL)
	if err != nil {
		s.report(err)
	}
	s.current.Store(cached)
	return nil
}

func (s *KeySet) initFile() error {
	s.cfg.Refresh = cmp.Or(s.cfg.Refresh, 5*time.Second)
	file, err := filewatch.New(func() (map[string]*ecdsa.PublicKey, error) {
		document, err := readFile(s.cfg.File, maxDocument)
		if err != nil {
			return nil, err
		}
		return parseKeys(document)
	}, s.cfg.File)
	if err != nil {
		return err
	}
	s.load = func(context.Context) (*keyring, error) {
		now := wallClock()
		if _, err := file.Check(); err != nil {
			return nil, err
		}
		return &keyring{keys: file.Get(), fetched: now}, nil
	}
	s.current.Store(&keyring{keys: file.Get(), fetched: wallClock()})
	return nil
}

// loadURL also writes the cache. A cache that cannot be written is an error next
// to good keys: the issuer may not be there when they are needed.
func (s *KeySet) loadURL(ctx context.Context) (*keyring, error) {
	ctx, cancel := context.WithTimeout(ctx, s.cfg.Timeout)
	defer cancel()
	now := wallClock()
	document, err := fetch(ctx, s.cfg.URL, s.cfg.CAFile)
	if err != nil {
		return nil, err
	}
	keys, err := parseKeys(document)
	if err != nil {
		return nil, err
	}
	if s.cfg.CacheFile != "" {
		err = writeCache(s.cfg.CacheFile, cachedKeys{URL: s.cfg.URL, Fetched: now, KeySet: document})
	}
	return &keyring{keys: keys, fetched: now}, err
}

// Key returns the key of that kid. It answers from memory, except that it asks
// the issuer first, or waits for a request that is under way, if it does not
// know the kid or its keys are too old; at most every UnknownInterval.
func (s *KeySet) Key(ctx context.Context, kid string) (*ecdsa.PublicKey, error) {
	if key, err := s.find(kid); err == nil {
		return key, nil
	}
	if f := s.onDemand(); f != nil {
		select {
		case <-f.done:
		case <-ctx.Done():
			return nil, fmt.Errorf("%w: %w", ErrKeysUnavailable, ctx.Err())
		}
	}
	// Also without a refresh of our own: one may have ended in between.
	return s.find(kid)
}

func (s *KeySet) find(kid string) (*ecdsa.PublicKey, error) {
	if err := s.Ready(); err != nil {
		return nil, err
	}
	key := s.current.Load().keys[kid]
	if key == nil {
		return nil, fmt.Errorf("%w: kid %s", ErrUnknownKey, quote(kid))
	}
	return key, nil
}

// Ready returns nil if there are keys that are fresh enough to be used, and
// ErrKeysUnavailable otherwise.
func (s *KeySet) Ready() error {
	current := s.current.Load()
	if current == nil {
		return fmt.Errorf("%w: never fetched", ErrKeysUnavailable)
	}
	switch age := time.Since(current.fetched); {
	case age > s.cfg.MaxStale:
		return fmt.Errorf("%w: last fetched %v ago", ErrKeysUnavailable, age.Round(time.Second))
	case -age > s.cfg.MaxStale: // the clock was set back: they could grow old unnoticed
		return fmt.Errorf("%w: fetched %v from now", ErrKeysUnavailable, -age.Round(time.Second))
	}
	return nil
}

// Fetched returns when the keys in use were last known to be the issuer's, or
// the zero time.
func (s *KeySet) Fetched() time.Time {
	if current := s.current.Load(); current != nil {
		return current.fetched
	}
	return time.Time{}
}

// Run refreshes the keys at once and then again and again, until ctx is done. It
// returns after the last refresh has ended. It must be called at most once.
func (s *KeySet) Run(ctx context.Context) {
	defer s.stop()
	for {
		f := s.start()
		select {
		case <-f.done:
		case <-ctx.Done():
			return
		}
		wait := s.cfg.Refresh
		if f.err != nil {
			wait = min(wait, retryInterval)
		}
		select {
		case <-time.After(jitter(wait)):
		case <-ctx.Done():
			return
		}
	}
}

// stop ends the refresh that is under way and lets no other begin.
func (s *KeySet) stop() {
	s.mu.Lock()
	s.end()
	f := s.flight
	s.mu.Unlock()
	if f != nil {
		<-f.done
	}
}

// wallClock is the time without its monotonic part, which stands still while a
// machine sleeps: keys grow stale all the same.
func wallClock() time.Time { return time.Now().Round(0) }

// jitter keeps replicas that were started together from asking together.
func jitter(d time.Duration) time.Duration {
	return d + time.Duration((rand.Float64()-0.5)*0.2*float64(d))
}

// start begins a refresh or joins the one that is under way.
func (s *KeySet) start() *flight {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.startLocked()
}

// onDemand is start within UnknownInterval; nil says that it is not time yet, or
// no longer.
func (s *KeySet) onDemand() *flight {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.lifetime.Err() != nil {
		return nil
	}
	if s.flight == nil && !s.finished.IsZero() && time.Since(s.finished) < s.cfg.UnknownInterval {
		return nil
	}
	return s.startLocked()
}

func (s *KeySet) startLocked() *flight {
	if s.flight == nil {
		s.flight = &flight{done: make(chan struct{})}
		// Ends when load does, which Timeout and stop see to. It belongs
		// to all who wait for it: none of them can cancel it.
		go s.fly(s.flight)
	}
	return s.flight
}

func (s *KeySet) fly(f *flight) {
	loaded, err := s.load(s.lifetime)
	if loaded != nil {
		s.current.Store(loaded)
	}
	if s.lifetime.Err() == nil {
		s.report(err)
	}
	s.mu.Lock()
	s.flight, s.finished = nil, time.Now()
	s.mu.Unlock()
	f.err = err
	close(f.done)
}

func (s *KeySet) report(err error) {
	text := "ok"
	if err != nil {
		text = err.Error()
	}
	if s.reported == text || s.cfg.Report == nil {
		return
	}
	s.reported = text
	s.cfg.Report(err)
}
