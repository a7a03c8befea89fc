package authn

import (
	"context"
	"crypto/ecdsa"
	"errors"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

var discard = log.New(io.Discard, "", 0)

// An issuerServer serves a key set that a test exchanges.
type issuerServer struct {
	*httptest.Server
	document atomic.Pointer[[]byte] // nil: answers 500
	requests atomic.Int32
}

func newIssuerServer(t *testing.T, document []byte) *issuerServer {
	t.Helper()
	s := &issuerServer{}
	s.document.Store(&document)
	s.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		s.requests.Add(1)
		if document := s.document.Load(); document != nil {
			w.Write(*document)
			return
		}
		http.Error(w, "down", http.StatusInternalServerError)
	}))
	t.Cleanup(s.Close)
	return s
}

func mustKeySet(t *testing.T, cfg KeySetConfig) *KeySet {
	t.Helper()
	s, err := NewKeySet(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// refresh makes one refresh and returns its error.
func (s *KeySet) refresh() error {
	f := s.start()
	<-f.done
	return f.err
}

// wantKey checks what Key says of kid: a nil want means the issuer's key.
func wantKey(t *testing.T, s *KeySet, kid string, want error) {
	t.Helper()
	key, err := s.Key(t.Context(), kid)
	if !errors.Is(err, want) || (key == nil) != (err != nil) {
		t.Errorf("Key(%q) = %v, %v, want error %v", kid, key, err, want)
	}
	if key != nil && !key.Equal(&issuerKey.PublicKey) {
		t.Errorf("Key(%q) is another key", kid)
	}
}

func TestNewKeySetRefuses(t *testing.T) {
	dir := t.TempDir()
	bad, good := filepath.Join(dir, "bad.json"), filepath.Join(dir, "good.json")
	writeFile(t, bad, []byte("{"))
	writeFile(t, good, jwks(jwk("k1", &issuerKey.PublicKey)))
	for name, cfg := range map[string]KeySetConfig{
		"nothing":          {},
		"url-and-file":     {URL: "https://issuer.example.com/keys", File: good},
		"http":             {URL: "http://issuer.example.com/keys"},
		"http-looks-local": {URL: "http://localhost.example.com/keys"},
		"http-127-in-name": {URL: "http://127.0.0.1.example.com/keys"},
		"file-url":         {URL: "file:///etc/passwd"},
		"no-scheme":        {URL: "issuer.example.com/keys"},
		"no-host":          {URL: "https:///keys"},
		"unparsable":       {URL: "https://issuer example.com"},
		"ca-missing":       {URL: "https://issuer.example.com/keys", CAFile: filepath.Join(dir, "none")},
		"ca-without-pem":   {URL: "https://issuer.example.com/keys", CAFile: bad},
		"file-missing":     {File: filepath.Join(dir, "none")},
		"file-bad":         {File: bad},
		"file-with-cache":  {File: good, CacheFile: filepath.Join(dir, "cache")},
		"file-with-ca":     {File: good, CAFile: bad},
	} {
		if s, err := NewKeySet(cfg); s != nil || err == nil {
			t.Errorf("%s: NewKeySet = %v, %v, want an error", name, s, err)
		} else if !strings.HasPrefix(err.Error(), "authn: ") {
			t.Errorf("%s: error %q does not say where from", name, err)
		}
	}
	for _, url := range []string{"https://issuer.example.com/keys", "http://127.0.0.1:1/keys", "http://[::1]/keys", "http://localhost:8080/keys"} {
		mustKeySet(t, KeySetConfig{URL: url})
	}
}

// Without Run and without a cache the first token makes the first request.
func TestKeySetOnDemand(t *testing.T) {
	issuer := newIssuerServer(t, jwks(jwk("k1", &issuerKey.PublicKey)))
	s := mustKeySet(t, KeySetConfig{URL: issuer.URL})
	if err := s.Ready(); !errors.Is(err, ErrKeysUnavailable) || !s.Fetched().IsZero() {
		t.Errorf("Ready, Fetched before the first request = %v, %v", err, s.Fetched())
	}
	wantKey(t, s, "k1", nil)
	wantKey(t, s, "k1", nil)
	if n := issuer.requests.Load(); n != 1 {
		t.Errorf("%d requests, want 1", n)
	}
	if err := s.Ready(); err != nil || time.Since(s.Fetched()) > time.Minute {
		t.Errorf("Ready, Fetched = %v, %v", err, s.Fetched())
	}
}

func TestKeySetRotation(t *testing.T) {
	issuer := newIssuerServer(t, jwks(jwk("old", &issuerKey.PublicKey)))
	s := mustKeySet(t, KeySetConfig{URL: issuer.URL, UnknownInterval: time.Nanosecond})
	wantKey(t, s, "old", nil)
	v := NewVerifier(s, VerifierConfig{Issuer: "https://issuer.example.com", Audience: "acme", Now: clock})
	withKid := func(kid string) string {
		d := newer()
		d.header["kid"] = kid
		return d.token(t)
	}
	oldToken, newToken := withKid("old"), withKid("new")
	if _, err := v.Verify(t.Context(), oldToken); err != nil {
		t.Fatal(err)
	}

	both := jwks(jwk("old", &issuerKey.PublicKey), jwk("new", &issuerKey.PublicKey))
	issuer.document.Store(&both)
	for _, token := range []string{newToken, oldToken} {
		if _, err := v.Verify(t.Context(), token); err != nil {
			t.Errorf("Verify while both keys are there = %v", err)
		}
	}

	// The old key is gone: its token, verified and remembered, is refused.
	only := jwks(jwk("new", &issuerKey.PublicKey))
	issuer.document.Store(&only)
	if err := s.refresh(); err != nil {
		t.Fatal(err)
	}
	if grant, err := v.Verify(t.Context(), oldToken); grant != nil || !errors.Is(err, ErrUnknownKey) {
		t.Errorf("Verify with a withdrawn key = %v, %v, want %v", grant, err, ErrUnknownKey)
	}
	if _, err := v.Verify(t.Context(), newToken); err != nil {
		t.Errorf("Verify with the new key = %v", err)
	}
}

// fakeSource makes a KeySet for a synctest bubble, where no real server can be.
type fakeSource struct {
	mu    sync.Mutex
	keys  map[string]*ecdsa.PublicKey // guarded by mu
	err   error                       // guarded by mu
	calls int                         // guarded by mu; begun
	takes time.Duration
	after time.Duration // to notice that the context has ended
}

func (f *fakeSource) set(err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.err = err
}

func (f *fakeSource) called() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.calls
}

func (f *fakeSource) load(ctx context.Context) (*keyring, error) {
	now := wallClock()
	f.mu.Lock()
	f.calls++
	f.mu.Unlock()
	select {
	case <-time.After(f.takes):
	case <-ctx.Done():
		time.Sleep(f.after)
		return nil, ctx.Err()
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.err != nil {
		return nil, f.err
	}
	return &keyring{keys: f.keys, fetched: now}, nil
}

func newFakeSource(takes time.Duration) *fakeSource {
	return &fakeSource{keys: map[string]*ecdsa.PublicKey{"k1": &issuerKey.PublicKey}, takes: takes}
}

func (f *fakeSource) keySet(t *testing.T, cfg KeySetConfig) *KeySet {
	t.Helper()
	cfg.URL = "https://issuer.test/keys"
	s := mustKeySet(t, cfg)
	s.load = f.load
	return s
}

func TestKeySetUnknownKidIsRateLimited(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		source := newFakeSource(time.Second)
		s := source.keySet(t, KeySetConfig{UnknownInterval: 10 * time.Second})
		wantKey(t, s, "k1", nil)
		for _, step := range []struct{ after, calls int }{{0, 1}, {9, 1}, {1, 2}, {0, 2}, {9, 2}, {1, 3}} {
			time.Sleep(time.Duration(step.after) * time.Second)
			for _, kid := range []string{"junk-1", "junk-2"} {
				wantKey(t, s, kid, ErrUnknownKey)
			}
			if n := source.called(); n != step.calls {
				t.Errorf("%d s later: %d requests, want %d", step.after, n, step.calls)
			}
		}
	})
}

func TestKeySetSingleFlight(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		source := newFakeSource(time.Second)
		s := source.keySet(t, KeySetConfig{})
		var wg sync.WaitGroup
		for range 50 {
			wg.Go(func() { wantKey(t, s, "k1", nil) })
		}
		// One that gives up takes nothing from the others.
		wg.Go(func() {
			ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
			defer cancel()
			key, err := s.Key(ctx, "k1")
			if key != nil || !errors.Is(err, ErrKeysUnavailable) || !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("Key with a context that ends = %v, %v", key, err)
			}
		})
		wg.Wait()
		if n := source.called(); n != 1 {
			t.Errorf("%d requests, want 1", n)
		}
	})
}

// An outage locks nobody out within the bound, and everybody behind it.
func TestKeySetStaleBound(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		source := newFakeSource(0)
		s := source.keySet(t, KeySetConfig{})
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		go s.Run(ctx)
		synctest.Wait()
		v := NewVerifier(s, VerifierConfig{Issuer: "https://issuer.example.com", Audience: "acme"})
		d := newer()
		d.payload["iat"], d.payload["nbf"] = time.Now().Unix(), time.Now().Unix()
		d.payload["exp"] = time.Now().Add(48 * time.Hour).Unix()
		token := d.token(t)
		if _, err := v.Verify(t.Context(), token); err != nil {
			t.Fatal(err)
		}
		fetched := s.Fetched()

		source.set(errors.New("issuer is down"))
		time.Sleep(time.Until(fetched.Add(24 * time.Hour)))
		if _, err := v.Verify(t.Context(), token); err != nil {
			t.Errorf("Verify 24 h after the last refresh = %v", err)
		}
		time.Sleep(time.Nanosecond)
		if grant, err := v.Verify(t.Context(), token); grant != nil || !errors.Is(err, ErrKeysUnavailable) {
			t.Errorf("Verify over 24 h after the last refresh = %v, %v, want %v", grant, err, ErrKeysUnavailable)
		}
		if err := s.Ready(); !errors.Is(err, ErrKeysUnavailable) {
			t.Errorf("Ready = %v, want %v", err, ErrKeysUnavailable)
		}

		source.set(nil)
		time.Sleep(35 * time.Second)
		if _, err := v.Verify(t.Context(), token); err != nil {
			t.Errorf("Verify with the issuer back = %v", err)
		}
	})
}

// A clock that was far ahead when the keys were fetched gives them no long life.
func TestKeySetOfTheFuture(t *testing.T) {
	s := newFakeSource(0).keySet(t, KeySetConfig{})
	for ahead, want := range map[time.Duration]error{23 * time.Hour: nil, 25 * time.Hour: ErrKeysUnavailable} {
		s.current.Store(&keyring{fetched: time.Now().Add(ahead)})
		if err := s.Ready(); !errors.Is(err, want) {
			t.Errorf("Ready with keys of %v from now = %v, want %v", ahead, err, want)
		}
	}
}

func TestKeySetRunCadenceAndReports(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		source := newFakeSource(0)
		var reports []error
		s := source.keySet(t, KeySetConfig{Refresh: 10 * time.Minute, Report: func(err error) { reports = append(reports, err) }})
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan struct{})
		go func() {
			s.Run(ctx)
			close(done)
		}()
		// 100 min at 10 min, give or take a tenth.
		time.Sleep(100 * time.Minute)
		if n := source.called(); n < 9 || n > 12 {
			t.Errorf("%d requests in 100 min, want about 10", n)
		}
		down := errors.New("down")
		source.set(down)
		time.Sleep(15 * time.Minute)
		before := source.called()
		time.Sleep(10 * time.Minute)
		if n := source.called() - before; n < 18 || n > 23 {
			t.Errorf("%d requests in 10 min of outage, want about 20", n)
		}
		source.set(nil)
		time.Sleep(time.Minute)
		cancel()
		<-done
		if !slices.Equal(reports, []error{nil, down, nil}) {
			t.Errorf("reports = %v, want each change once", reports)
		}
	})
}

func TestKeySetRunEndsDuringRefresh(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		source := newFakeSource(time.Minute)
		source.after = time.Second
		s := source.keySet(t, KeySetConfig{Report: func(err error) { t.Errorf("reported %v", err) }})
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		begin := time.Now()
		s.Run(ctx)
		if took := time.Since(begin); took != 2*time.Second {
			t.Errorf("Run ended after %v, want 2s: with the refresh", took)
		}
		time.Sleep(time.Hour)
		wantKey(t, s, "k1", ErrKeysUnavailable)
		if n := source.called(); n != 1 {
			t.Errorf("%d requests begun, want none after Run", n)
		}
	})
}

// A bad document is a fault of the issuer and changes nothing.
func TestKeySetKeepsKeysOverBadDocuments(t *testing.T) {
	issuer := newIssuerServer(t, jwks(jwk("k1", &issuerKey.PublicKey)))
	s := mustKeySet(t, KeySetConfig{URL: issuer.URL})
	if err := s.refresh(); err != nil {
		t.Fatal(err)
	}
	fetched := s.Fetched()
	for name, document := range map[string][]byte{
		"garbage": []byte("<html>"), "empty-set": jwks(), "huge": make([]byte, 4*maxDocument),
		"one-kid-two-keys": jwks(jwk("k1", &issuerKey.PublicKey), jwk("k1", &clientKey.PublicKey)),
		"wrong-type":       []byte(`{"keys":[{"kty":"oct","kid":"k1","k":"AAAA"}]}`),
	} {
		issuer.document.Store(&document)
		if err := s.refresh(); err == nil {
			t.Errorf("%s: refresh succeeded", name)
		}
		wantKey(t, s, "k1", nil)
		if s.Fetched() != fetched {
			t.Errorf("%s: keys count as fresh", name)
		}
	}
}

func TestKeySetTimeout(t *testing.T) {
	release := make(chan struct{})
	server := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { <-release }))
	defer server.Close()
	defer close(release)
	s := mustKeySet(t, KeySetConfig{URL: server.URL, Timeout: 50 * time.Millisecond})
	if err := s.refresh(); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("refresh from a silent server = %v, want %v", err, context.DeadlineExceeded)
	}
}

// A server that sends, but never comes to an end, is given up as one that is silent.
func TestKeySetTimeoutInBody(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		for r.Context().Err() == nil {
			w.Write([]byte(" "))
			http.NewResponseController(w).Flush()
			time.Sleep(time.Millisecond)
		}
	}))
	defer server.Close()
	s := mustKeySet(t, KeySetConfig{URL: server.URL, Timeout: 50 * time.Millisecond})
	if err := s.refresh(); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("refresh from a server that goes on = %v, want %v", err, context.DeadlineExceeded)
	}
}

// Another key under the same kid is the issuer's word: what the old one has signed is
// good no more, although it was verified and remembered.
func TestKeySetReplacedUnderKid(t *testing.T) {
	issuer := newIssuerServer(t, jwks(jwk("k1", &issuerKey.PublicKey)))
	s := mustKeySet(t, KeySetConfig{URL: issuer.URL})
	v := NewVerifier(s, VerifierConfig{Issuer: "https://issuer.example.com", Audience: "acme", Now: clock})
	d := newer()
	d.header["kid"] = "k1"
	token := d.token(t)
	if _, err := v.Verify(t.Context(), token); err != nil {
		t.Fatal(err)
	}
	other := jwks(jwk("k1", &clientKey.PublicKey))
	issuer.document.Store(&other)
	if err := s.refresh(); err != nil {
		t.Fatal(err)
	}
	if grant, err := v.Verify(t.Context(), token); grant != nil || !errors.Is(err, ErrSignature) {
		t.Errorf("Verify after its key was replaced = %v, %v, want %v", grant, err, ErrSignature)
	}
}

func TestKeySetFile(t *testing.T) {
	file := filepath.Join(t.TempDir(), "keys.json")
	replaceFile := func(document []byte) {
		t.Helper()
		writeFile(t, file+".new", document)
		if err := os.Rename(file+".new", file); err != nil {
			t.Fatal(err)
		}
	}
	replaceFile(jwks(jwk("k1", &issuerKey.PublicKey)))
	s := mustKeySet(t, KeySetConfig{File: file, UnknownInterval: time.Nanosecond})
	if err := s.Ready(); err != nil {
		t.Errorf("Ready before the first refresh = %v", err)
	}
	wantKey(t, s, "k1", nil)
	wantKey(t, s, "k2", ErrUnknownKey)

	replaceFile(jwks(jwk("k2", &issuerKey.PublicKey)))
	wantKey(t, s, "k2", nil)
	wantKey(t, s, "k1", ErrUnknownKey)

	replaceFile([]byte("{"))
	if err := s.refresh(); err == nil {
		t.Error("refresh from a bad file succeeded")
	}
	wantKey(t, s, "k2", nil)
	replaceFile(make([]byte, maxDocument+1))
	if err := s.refresh(); err == nil || !strings.Contains(err.Error(), "octets") {
		t.Errorf("refresh from a huge file = %v", err)
	}
	if err := os.Remove(file); err != nil {
		t.Fatal(err)
	}
	if err := s.refresh(); err == nil {
		t.Error("refresh without the file succeeded")
	}
	wantKey(t, s, "k2", nil)
}

// Without an interval, strange kids and a file that is looked at again would keep
// the machine busy.
func TestKeySetDefaults(t *testing.T) {
	file := filepath.Join(t.TempDir(), "keys.json")
	writeFile(t, file, jwks(jwk("k1", &issuerKey.PublicKey)))
	for _, row := range []struct {
		cfg     KeySetConfig
		refresh time.Duration
	}{
		{KeySetConfig{File: file}, 5 * time.Second},
		{KeySetConfig{URL: "https://issuer.example.com/keys"}, 5 * time.Minute},
	} {
		got := mustKeySet(t, row.cfg).cfg
		got.Report = nil
		want := row.cfg
		want.Refresh, want.UnknownInterval = row.refresh, 10*time.Second
		want.Timeout, want.MaxStale = 10*time.Second, 24*time.Hour
		if !reflect.DeepEqual(got, want) {
			t.Errorf("NewKeySet(%+v) works with %+v, want %+v", row.cfg, got, want)
		}
	}
}

// A file that does not change stays fresh as long as it can be read.
func TestKeySetFileStaysFresh(t *testing.T) {
	file := filepath.Join(t.TempDir(), "keys.json")
	writeFile(t, file, jwks(jwk("k1", &issuerKey.PublicKey)))
	synctest.Test(t, func(t *testing.T) {
		s := mustKeySet(t, KeySetConfig{File: file, Refresh: time.Hour})
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		go s.Run(ctx)
		time.Sleep(30 * 24 * time.Hour)
		wantKey(t, s, "k1", nil)
		if err := os.Remove(file); err != nil {
			t.Fatal(err)
		}
		time.Sleep(25*time.Hour + time.Minute)
		wantKey(t, s, "k1", ErrKeysUnavailable)
	})
}

func TestKeySetConcurrently(t *testing.T) {
	issuer := newIssuerServer(t, jwks(jwk("k1", &issuerKey.PublicKey)))
	s := mustKeySet(t, KeySetConfig{
		URL: issuer.URL, CacheFile: filepath.Join(t.TempDir(), "keys"),
		Refresh: time.Millisecond, UnknownInterval: time.Nanosecond, Report: func(error) {},
	})
	ctx, cancel := context.WithCancel(t.Context())
	running := make(chan struct{})
	go func() {
		s.Run(ctx)
		close(running)
	}()
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for range 20 {
				wantKey(t, s, "k1", nil)
				wantKey(t, s, "junk", ErrUnknownKey)
				s.Ready()
				s.Fetched()
			}
		})
	}
	wg.Wait()
	cancel()
	<-running
}
