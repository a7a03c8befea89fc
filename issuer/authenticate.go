package issuer

import (
	"context"
	"crypto/sha256"
	"net/http"
	"net/netip"
	"runtime"
	"strings"
	"time"

	"golang.org/x/crypto/bcrypt"
)

// hashingWait is how long a request waits for its turn to have a password checked.
const hashingWait = 5 * time.Second

// authenticator checks credentials against a directory. Safe for concurrent use.
type authenticator struct {
	throttle throttle
	// hashing has room for as many password checks as may run at a time: bcrypt is slow on purpose, and the
	// processors are needed for those who have signed in.
	hashing chan struct{}
	now     func() time.Time
}

func newAuthenticator() *authenticator {
	return &authenticator{hashing: make(chan struct{}, max(1, runtime.GOMAXPROCS(0)/2)), now: time.Now}
}

// authenticate returns who has sent the request, or a *refusal.
func (a *authenticator) authenticate(r *http.Request, dir *directory) (*subject, error) {
	scheme, credential, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	switch {
	case len(r.Header.Values("Authorization")) > 1:
		return nil, refuse(http.StatusBadRequest, "the request has more than one Authorization field")
	case scheme == "":
		return nil, refuse(http.StatusUnauthorized, "sign in with a user and a password, or with a bearer secret")
	case strings.EqualFold(scheme, "Bearer"):
		return bearer(dir, strings.TrimSpace(credential))
	case strings.EqualFold(scheme, "Basic"):
		user, password, ok := r.BasicAuth()
		if !ok {
			return nil, refuse(http.StatusBadRequest, "the Basic credentials cannot be read")
		}
		return a.password(r, dir, user, password)
	}
	return nil, refuse(http.StatusUnauthorized, "the authentication scheme is neither Basic nor Bearer")
}

func bearer(dir *directory, secret string) (*subject, error) {
	s, known := dir.bearers[sha256.Sum256([]byte(secret))]
	if !known {
		return nil, refuse(http.StatusUnauthorized, "the bearer secret is not known")
	}
	return s, nil
}

func (a *authenticator) password(r *http.Request, dir *directory, user, password string) (*subject, error) {
	key := newThrottleKey(user, clientAddr(r))
	if err := a.closed(key, user); err != nil {
		return nil, err
	}
	release, err := a.turn(r.Context(), user)
	if err != nil {
		return nil, err
	}
	defer release()
	// Again, for those who sent many guesses at once and have waited for their turn together.
	if err := a.closed(key, user); err != nil {
		return nil, err
	}
	s := check(dir, user, password)
	if s == nil {
		a.throttle.failed(key, a.now())
		return nil, &refusal{status: http.StatusUnauthorized, sentence: "the user or the password is wrong", user: user}
	}
	a.throttle.succeeded(key)
	return s, nil
}

func (a *authenticator) closed(key throttleKey, user string) error {
	wait := a.throttle.wait(key, a.now())
	if wait == 0 {
		return nil
	}
	return &refusal{
		status:     http.StatusTooManyRequests,
		sentence:   "too many wrong passwords, wait a minute",
		user:       user,
		retryAfter: wait,
	}
}

// turn waits until a password may be checked. The caller calls release after that.
func (a *authenticator) turn(ctx context.Context, user string) (release func(), err error) {
	ctx, cancel := context.WithTimeout(ctx, hashingWait)
	defer cancel()
	select {
	case a.hashing <- struct{}{}:
		return func() { <-a.hashing }, nil
	case <-ctx.Done():
		return nil, &refusal{
			status:     http.StatusServiceUnavailable,
			sentence:   "too many sign-ins at the moment, try again",
			user:       user,
			retryAfter: hashingWait,
		}
	}
}

// check returns nil for a wrong password and for an unknown user, after the same amount of work.
func check(dir *directory, user, password string) *subject {
	s, hash := dir.users[user], dir.decoy
	if s != nil {
		hash = s.passwordHash
	}
	err := bcrypt.CompareHashAndPassword(hash, []byte(password))
	// bcrypt ignores what lies behind octet 72, so that a longer password would match its beginning.
	if s == nil || err != nil || len(password) > maxPassword {
		return nil
	}
	return s
}

// clientAddr is the peer's address. Forwarded headers are not believed: they would let a guesser choose his address.
func clientAddr(r *http.Request) netip.Addr {
	addr, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil {
		return netip.Addr{}
	}
	return addr.Addr()
}
