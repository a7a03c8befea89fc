package issuer

import (
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/crypto/bcrypt"
)

func TestRefusals(t *testing.T) {
	f := start(t)
	good := tokenBody(t, newClientKey(t, elliptic.P256()), "prod")
	tests := []struct {
		name   string
		change func(*request)
		status int
		want   string
	}{
		{"no-credentials", func(q *request) { q.user, q.password = "", "" }, 401, "sign in"},
		{"wrong-password", func(q *request) { q.password = "x" }, 401, "the user or the password is wrong"},
		{"unknown-user", func(q *request) { q.user = "mallory" }, 401, "the user or the password is wrong"},
		{"empty-password", func(q *request) { q.password = "" }, 401, "the user or the password is wrong"},
		{"user-in-other-case", func(q *request) { q.user = "Alice@example.com" }, 401, "the user or the password is wrong"},
		{"unknown-secret", func(q *request) { q.bearer = "slw_" + strings.Repeat("A", 43) }, 401, "the bearer secret is not known"},
		{"hash-as-secret", func(q *request) { q.bearer = hashOf(f.aliceSecret) }, 401, "the bearer secret is not known"},
		{"resource-of-others", func(q *request) { q.body = strings.Replace(good, "prod", "secret-lab", 1) }, 403, "no such resource"},
		{"resource-of-nobody", func(q *request) { q.body = strings.Replace(good, "prod", "nowhere", 1) }, 403, "no such resource"},
		{"wrong-path", func(q *request) { q.path = "/tokens" }, 404, "no such endpoint"},
		{"wrong-method", func(q *request) { q.method = "GET" }, 405, "wants POST"},
		{"not-json-type", func(q *request) { q.contentType = "text/plain" }, 415, "application/json"},
		{"too-large", func(q *request) { q.body = `{"resource":"` + strings.Repeat("a", maxBody) + `"}` }, 413, "too large"},
		{"empty-body", func(q *request) { q.body = "" }, 400, "not a token request"},
		{"unknown-member", func(q *request) { q.body = strings.Replace(good, "{", `{"groups":["admin"],`, 1) }, 400, "not a token request"},
		{"trailing-octets", func(q *request) { q.body = good + "{}" }, 400, "not a token request"},
		{"no-key", func(q *request) { q.body = `{"resource":"prod"}` }, 400, "lacks publicKey"},
		{"no-resource", func(q *request) { q.body = strings.Replace(good, `"prod"`, `""`, 1) }, 400, "lacks publicKey or resource"},
		{"p224-key", func(q *request) { q.body = bodyWithKey(p224Key(t)) }, 400, "public key on P-256"},
		{"rsa-key", func(q *request) { q.body = bodyWithKey(rsaKey(t)) }, 400, "public key on P-256"},
		{"key-off-the-curve", func(q *request) { q.body = bodyWithKey(offCurveKey(t)) }, 400, "public key on P-256"},
		{"two-keys", func(q *request) { q.body = bodyWithKey(append(p256Key(t), p256Key(t)...)) }, 400, "public key on P-256"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			f.server.handler.auth.throttle.succeeded(newThrottleKey("alice@example.com", netip.MustParseAddr("127.0.0.1")))
			q := request{method: "POST", path: PathToken, user: "alice@example.com", password: alicePassword, body: good}
			tt.change(&q)
			status, header, body := f.send(q)
			var answer ErrorAnswer
			if err := json.Unmarshal([]byte(body), &answer); err != nil {
				t.Fatalf("the body is not JSON: %q", body)
			}
			if status != tt.status || !strings.Contains(answer.Error, tt.want) {
				t.Errorf("%s %s = %d %q, want %d %q", q.method, q.path, status, answer.Error, tt.status, tt.want)
			}
			if challenged := header.Get("WWW-Authenticate") != ""; challenged != (status == 401) {
				t.Errorf("WWW-Authenticate present: %v with status %d", challenged, status)
			}
			if strings.Contains(f.log.String(), "token minted") {
				t.Error("a token was minted for a refused request")
			}
		})
	}
}

func bodyWithKey(pemKey []byte) string {
	return fmt.Sprintf(`{"publicKey":%q,"resource":"prod"}`, base64.StdEncoding.EncodeToString(pemKey))
}

func pemOf(t *testing.T, public any) []byte {
	t.Helper()
	der, err := x509.MarshalPKIXPublicKey(public)
	if err != nil {
		t.Fatal(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der})
}

func p256Key(t *testing.T) []byte { return pemOf(t, &newClientKey(t, elliptic.P256()).PublicKey) }
func p224Key(t *testing.T) []byte { return pemOf(t, &newClientKey(t, elliptic.P224()).PublicKey) }

func rsaKey(t *testing.T) []byte {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	return pemOf(t, &key.PublicKey)
}

// offCurveKey is a good key with one bit of Y changed: the DER is whole, the point is on no curve.
func offCurveKey(t *testing.T) []byte {
	block, _ := pem.Decode(p256Key(t))
	block.Bytes[len(block.Bytes)-1] ^= 1
	return pem.EncodeToMemory(block)
}

func TestGuessingIsThrottled(t *testing.T) {
	f := start(t)
	wrong := request{method: "GET", path: PathResources, user: "bob", password: "guess"}
	for i := range freeFailures {
		if status, _, _ := f.send(wrong); status != http.StatusUnauthorized {
			t.Fatalf("guess %d = %d, want 401", i+1, status)
		}
	}
	right := wrong
	right.password = bobPassword
	status, header, _ := f.send(right)
	if status != http.StatusTooManyRequests || header.Get("Retry-After") != "1" {
		t.Errorf("after %d guesses = %d, Retry-After %q, want 429 and 1", freeFailures, status, header.Get("Retry-After"))
	}
	alice := request{method: "GET", path: PathResources, user: "alice@example.com", password: alicePassword}
	if status, _, _ := f.send(alice); status != http.StatusOK {
		t.Errorf("another user of the same address = %d, want 200", status)
	}
}

func TestThrottleWaitsLongerAndForgets(t *testing.T) {
	var th throttle
	key := newThrottleKey("bob", netip.MustParseAddr("192.0.2.1"))
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	for i, want := range []time.Duration{0, 0, 0, 0, 1, 2, 4, 8, 16, 32, 60, 60} {
		th.failed(key, now)
		if got := th.wait(key, now); got != want*time.Second {
			t.Errorf("wait after %d failures = %v, want %v", i+1, got, want*time.Second)
		}
	}
	if got := th.wait(key, now.Add(59*time.Second)); got != time.Second {
		t.Errorf("wait 59 s later = %v, want 1s", got)
	}
	if got := th.wait(key, now.Add(time.Minute)); got != 0 {
		t.Errorf("wait a minute later = %v, want 0", got)
	}
	th.failed(key, now.Add(forgetAfter))
	if got := th.entries[key].failures; got != 1 {
		t.Errorf("failures after %v of quiet = %d, want 1", forgetAfter, got)
	}
	th.succeeded(key)
	if len(th.entries) != 0 {
		t.Errorf("%d entries after success, want 0", len(th.entries))
	}
}

func TestThrottleIsBounded(t *testing.T) {
	var th throttle
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	first := newThrottleKey("user-0", netip.MustParseAddr("192.0.2.1"))
	for i := range maxThrottled + 10 {
		key := newThrottleKey(fmt.Sprintf("user-%d", i), netip.MustParseAddr("192.0.2.1"))
		th.failed(key, now.Add(time.Duration(i)*time.Millisecond))
	}
	if len(th.entries) != maxThrottled {
		t.Errorf("%d entries, want %d", len(th.entries), maxThrottled)
	}
	if _, there := th.entries[first]; there {
		t.Error("the oldest entry is still there")
	}
}

func TestThrottleTakesSubscriberForAddress(t *testing.T) {
	key := func(addr string) throttleKey { return newThrottleKey("bob", netip.MustParseAddr(addr)) }
	if key("2001:db8::1") != key("2001:db8::ffff:1") {
		t.Error("two addresses of one /64 are two guessers")
	}
	if key("2001:db8::1") == key("2001:db8:0:1::1") {
		t.Error("two /64 are one guesser")
	}
	if key("::ffff:192.0.2.1") != key("192.0.2.1") || key("192.0.2.1") == key("192.0.2.2") {
		t.Error("IPv4 addresses are not told apart as such")
	}
}

// TestDecoyOpensNothing holds the two properties of the decoy: it costs as much as the dearest hash, and a password
// that matches it by chance does not sign anybody in.
func TestDecoyOpensNothing(t *testing.T) {
	dear, err := bcrypt.GenerateFromPassword([]byte("dear"), bcrypt.MinCost+1)
	if err != nil {
		t.Fatal(err)
	}
	d := &directory{config: &Config{}, users: map[string]*subject{}, bearers: map[digest]*subject{}}
	for name, hash := range map[string]string{"a": testHash(t, "a"), "b": string(dear), "c": testHash(t, "c")} {
		if err := d.addUser(&User{Name: name, PasswordHash: hash}); err != nil {
			t.Fatal(err)
		}
	}
	if string(d.decoy) != string(dear) {
		t.Error("the decoy is not the most expensive hash")
	}
	if s := check(d, "nobody", "dear"); s != nil {
		t.Errorf("check of an unknown user with the decoy's password = %+v, want nil", s)
	}
	if s := check(d, "b", "dear"); s == nil {
		t.Error("check of a good password = nil")
	}
}

func TestPasswordBehindOctet72Counts(t *testing.T) {
	long := strings.Repeat("x", maxPassword)
	d := &directory{config: &Config{}, users: map[string]*subject{}, bearers: map[digest]*subject{}}
	if err := d.addUser(&User{Name: "a", PasswordHash: testHash(t, long)}); err != nil {
		t.Fatal(err)
	}
	if check(d, "a", long) == nil {
		t.Error("a password of 72 octets is refused")
	}
	if check(d, "a", long+"y") != nil {
		t.Error("a password that goes on after octet 72 is taken for its beginning")
	}
}

// Guesses that are sent at once, and have all found the pair open, get no more answers than those in a row.
func TestGuessesAtOnceAreThrottled(t *testing.T) {
	hash, err := hashPassword("right", bcrypt.MinCost)
	if err != nil {
		t.Fatal(err)
	}
	synctest.Test(t, func(t *testing.T) {
		a := newAuthenticator()
		dir := &directory{users: map[string]*subject{"ann": {passwordHash: []byte(hash)}}, decoy: []byte(hash)}
		for range cap(a.hashing) { // nobody's turn yet
			a.hashing <- struct{}{}
		}
		const guesses = 20
		statuses := make(chan int, guesses)
		for range guesses {
			go func() {
				_, err := a.password(httptest.NewRequest(http.MethodGet, PathResources, nil), dir, "ann", "wrong")
				statuses <- asRefusal(err).status
			}()
		}
		synctest.Wait()
		for range cap(a.hashing) {
			<-a.hashing
		}
		told := make(map[int]int)
		for range guesses {
			told[<-statuses]++
		}
		// Those whose turn it is at the same moment don't know of each other.
		wrong, closed := told[http.StatusUnauthorized], told[http.StatusTooManyRequests]
		if most := freeFailures + cap(a.hashing) - 1; wrong < freeFailures || wrong > most || wrong+closed != guesses {
			t.Errorf("%d guesses get %v, want at most %d to be judged and the others to be told to wait", guesses, told, most)
		}
	})
}
