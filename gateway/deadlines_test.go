package gateway

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"
)

// stalls are clients, and what is behind the gateway, that stand still where one
// deadline is for. Each returns what the client hears then.
var stalls = []struct {
	key    string // of timeouts
	stall  func(b *bed) string
	hears  string // at first
	series string // that counts it
}{
	{"proxyHeader", (*bed).hearsRaw, "", `connections_total{phase="proxy_header",result="timeout"}`},
	{"handshake", (*bed).hearsRaw, "", `connections_total{phase="outer_tls",result="timeout"}`},
	{"authentication", (*bed).hearsConnect, "HTTP/1.1 503 ", `authentications_total{result="keys-unavailable"}`},
	{"innerHandshake", (*bed).hearsConnect, "HTTP/1.1 200 OK\r\n\r\n", `connections_total{phase="inner_tls",result="timeout"}`},
	{"requestHead", hears("GET /api HTTP/1.1\r\n"), "HTTP/1.1 408 ", `refusals_total{reason="head-timeout"}`},
	{"idle", hears(""), "", `tunnels_ended_total{reason="idle"}`},
	{"dial", hears("GET /api HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"), "HTTP/1.1 502 ", `upstream_dials_total{cluster="prod",result="timeout"}`},
	{"responseHead", hears("GET /silent HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"), "HTTP/1.1 504 ", `upstream_errors_total{cluster="prod",reason="upstream-timeout"}`},
	{"bodyIdle", hears("PUT /api HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\n"), "HTTP/1.1 408 ", `refusals_total{reason="body-timeout"}`},
	{"streamIdle", hears("GET /api/v1/pods?watch=true HTTP/1.1\r\nHost: a\r\n\r\n"), "HTTP/1.1 200 ", `upstream_errors_total{cluster="prod",reason="upstream-timeout"}`},
	{"streamIdle", hears("GET /apis/stream HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: SPDY/3.1\r\n\r\n"), "HTTP/1.1 101 ", `tunnels_ended_total{reason="idle"}`},
}

// Each key is that of its own wait, and of no other: those are too long here. How
// long they are is tested where time is not real.
func TestDeadlines(t *testing.T) {
	for i, row := range stalls {
		t.Run(fmt.Sprint(i, "-", row.key), func(t *testing.T) {
			b := newBed(t)
			b.prepare(b.standstill(row.key))
			b.run()
			if got := row.stall(b); !strings.HasPrefix(got, row.hears) || row.hears == "" && got != "" {
				t.Errorf("the client hears %q, want %q", got, row.hears)
			}
			b.until("it is counted", func() bool { return b.metric(row.series) > 0 })
		})
	}
}

// Some defaults are so short that a key which goes nowhere would not be missed above.
func TestDeadlinesConfigured(t *testing.T) {
	b := start(t, settings{"timeouts": "{proxyHeader: 1s, handshake: 2s, authentication: 3s, innerHandshake: 4s, requestHead: 5s, " +
		"idle: 6s, dial: 7s, responseHead: 8s, bodyIdle: 9s, streamIdle: 10s, queue: 11s}"})
	gen := b.gateway.current.Load()
	mux, prod := b.gateway.muxConfig(gen), gen.backends["prod"]
	inside := prod.conn.Timeouts
	got := []time.Duration{
		mux.ProxyTimeout, mux.HandshakeTimeout, mux.AuthenticateTimeout, mux.InnerTimeout, inside.RequestHead,
		inside.Idle, prod.settings.cluster.DialTimeout, inside.ResponseHead, inside.BodyIdle, inside.StreamIdle, gateConfig(gen.config).Wait,
	}
	for i, d := range got {
		if want := time.Duration(i+1) * time.Second; d != want {
			t.Errorf("the deadline with the value %v is %v where it is used", want, d)
		}
	}
}

// standstill is a configuration in which only one wait is short, and what there is
// to wait for.
func (b *bed) standstill(key string) settings {
	b.t.Helper()
	silent := func(w http.ResponseWriter, r *http.Request) { <-r.Context().Done() }
	b.api.on("/silent", silent)
	b.api.on("/apis/stream", echo)
	b.api.on("/api/v1/pods", func(w http.ResponseWriter, r *http.Request) {
		w.(http.Flusher).Flush()
		silent(w, r)
	})
	var timeouts []string
	for _, row := range stalls {
		if wait := row.key + ": 10m"; row.key != key && !slices.Contains(timeouts, wait) {
			timeouts = append(timeouts, wait)
		}
	}
	s := settings{"timeouts": "{" + strings.Join(append(timeouts, key+": 100ms"), ", ") + "}"}
	switch key {
	case "proxyHeader":
		s["proxyProtocol"] = "{trustedCIDRs: [127.0.0.0/8]}"
	case "authentication":
		issuer := httptest.NewServer(http.HandlerFunc(silent))
		b.t.Cleanup(issuer.Close)
		s["authn"] = fmt.Sprintf("{issuer: %q, audience: %s, jwksURL: %q}", tokenIssuer, testAudience, issuer.URL)
	case "dial":
		l, err := net.Listen("tcp", "127.0.0.1:0") // for which the kernel accepts
		if err != nil {
			b.t.Fatal(err)
		}
		b.t.Cleanup(func() { l.Close() })
		s["clusters"] = "[" + clusterAt("https://"+l.Addr().String(), "prod", prodAddress, prodAlias, "") + "]"
	}
	return s
}

// hearsRaw says nothing at all.
func (b *bed) hearsRaw() string {
	b.t.Helper()
	raw, err := net.Dial("tcp", b.address)
	if err != nil {
		b.t.Fatal(err)
	}
	defer raw.Close()
	return rest(raw)
}

// hearsConnect says nothing behind a good CONNECT.
func (b *bed) hearsConnect() string {
	b.t.Helper()
	o := b.dial("")
	defer o.Close()
	io.WriteString(o, connectHead(prodTarget, b.token(), o.proof()))
	return rest(o.r)
}

// hears says so much in a tunnel.
func hears(octets string) func(*bed) string {
	return func(b *bed) string {
		b.t.Helper()
		n := b.open()
		defer n.Close()
		io.WriteString(n, octets)
		return rest(n.r)
	}
}

// rest is what comes until the end, however that is.
func rest(r io.Reader) string {
	text, _ := io.ReadAll(r)
	return string(text)
}
