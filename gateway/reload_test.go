package gateway

import (
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/spliceway/spliceway/authn"
	"github.com/spliceway/spliceway/config"
)

// reload has the gateway load a configuration with these keys.
func (b *bed) reload(more settings) error {
	file := b.write("config.yaml", b.yaml(more))
	return b.gateway.Reload(func() (*config.Config, error) { return config.Load(file) })
}

func (b *bed) mustReload(more settings) {
	b.t.Helper()
	if err := b.reload(more); err != nil {
		b.t.Fatalf("Reload = %v", err)
	}
}

// user asks one thing after the other, each second time in a new tunnel, until
// stop is closed. It returns how many answers came and the first that was wrong.
func (b *bed) user(stop <-chan struct{}) (answers int, err error) {
	for {
		n := b.open()
		for range 2 {
			select {
			case <-stop:
				return answers, n.Close()
			default:
			}
			n.begin("/api/load")
			response, err := http.ReadResponse(n.r, &http.Request{Method: http.MethodGet})
			if err != nil {
				return answers, err
			}
			body, err := io.ReadAll(response.Body)
			if err != nil || response.StatusCode != http.StatusOK || response.Close {
				return answers, fmt.Errorf("answer %d is %d %q, %v", answers, response.StatusCode, body, err)
			}
			answers++
		}
		n.Close()
	}
}

// No request fails while everything that can change does, again and again, and a
// stream outlives it all.
func TestReloadUnderLoad(t *testing.T) {
	b := start(t, settings{"recordings": `{dir: rec, mode: off, rules: [{name: r, users: [nobody], mode: strict}], minFree: 0B}`})
	b.api.on("/apis/stream", echo)
	stream := b.open()
	stream.startStream("/apis/stream")
	stop := make(chan struct{})
	var users sync.WaitGroup
	for range 3 {
		users.Go(func() {
			if n, err := b.user(stop); err != nil || n == 0 {
				t.Errorf("after %d answers: %v", n, err)
			}
		})
	}
	for i := range 10 {
		b.mustReload(settings{
			"clusters":   "[" + b.cluster("prod", prodAddress, prodAlias, fmt.Sprintf(", impersonateExtra: %v", i%2 == 0)) + "]",
			"timeouts":   fmt.Sprintf(`{dial: %ds, idle: %dm}`, 5+i, 1+i),
			"limits":     fmt.Sprintf(`{connections: %d}`, 100+i),
			"audit":      fmt.Sprintf(`{output: audit-%d.log}`, i),
			"authn":      fmt.Sprintf(`{issuer: %q, audience: %s, jwksFile: keys.json, maxStaleness: %dh}`, tokenIssuer, testAudience, 1+i),
			"recordings": fmt.Sprintf(`{dir: rec-%d, mode: strict, minFree: 0B}`, i),
		})
		b.open().mustAsk("/api/after")
	}
	close(stop)
	users.Wait()
	stream.wantEcho("still there")
	b.wantMetric(`reload_total{file="configuration",result="ok"}`, 10)
	b.wantMetric("config_last_reload_successful", 1)
	text, err := os.ReadFile(filepath.Join(b.dir, "audit-9.log"))
	if err != nil || !strings.Contains(string(text), "/api/after") {
		t.Errorf("the last audit log has %q, %v, want the last request", text, err)
	}
}

// What is wrong is told, and changes nothing.
func TestReloadRefused(t *testing.T) {
	b := start(t, nil)
	n := b.open()
	for i, row := range []struct {
		name, want string
		config     settings
	}{
		{"bad-value", "timeouts.idle", settings{"timeouts": `{idle: 0s}`}},
		{"file-not-there", "gone.crt", settings{"tls": `{certificateFile: gone.crt, privateKeyFile: tls.key}`}},
		{"listen", "listen can't change", settings{"listen": `"127.0.0.1:1"`}},
		{"metrics", "metrics.listen can't change", settings{"metrics": `{listen: ""}`}},
		{"sandbox", "sandbox.landlock can't change", settings{"sandbox": `{landlock: "off"}`}},
		{"audit", "opening log", settings{"audit": `{output: gone/audit.log}`}},
		{"issuer", "no token could be verified with the keys of http://127.0.0.1:1/", settings{
			"authn": fmt.Sprintf(`{issuer: %q, audience: %s, jwksURL: "http://127.0.0.1:1/"}`, tokenIssuer, testAudience)}},
		{"recordings", "store", settings{"recordings": `{dir: tls.crt}`}},
	} {
		before := b.gateway.current.Load()
		err := b.reload(row.config)
		if err == nil || !strings.Contains(err.Error(), row.want) {
			t.Errorf("%s: Reload = %v, want %q", row.name, err, row.want)
		}
		if b.gateway.current.Load() != before {
			t.Errorf("%s: another generation is in force", row.name)
		}
		refused := b.log.wait(t, i+1, where("message", "configuration refused; the one that was loaded before stays in force"))
		if got := refused[i].text("error"); !strings.Contains(got, row.want) {
			t.Errorf("%s: the log says %q", row.name, got)
		}
	}
	n.mustAsk("/api")
	b.open().mustAsk("/api")
	b.wantMetric(`reload_total{file="configuration",result="error"}`, 8)
	b.wantMetric("config_last_reload_successful", 0)
}

// The tunnels of a cluster that is gone go on; their way to it ends with them.
func TestReloadWithoutCluster(t *testing.T) {
	other := newAPIServer(t)
	b := newBed(t)
	two := settings{"clusters": "[" + b.cluster("prod", prodAddress, prodAlias, "") + ", " +
		clusterAt(other.URL, "other", "10.0.0.2", "other.test", ", impersonateExtra: false") + "]"}
	b.write("api-ca.crt", string(b.api.ca.PEM())+string(other.ca.PEM()))
	b.prepare(two)
	b.run()
	old := b.gateway.current.Load()
	stay := b.open()
	stay.mustAsk("/api")
	b.mustReload(settings{"clusters": "[" + strings.Replace(b.cluster("prod", "10.0.0.9", "new.test", ""), "name: prod", "name: new", 1) + "]"})
	stay.mustAsk("/api/of-old")
	o := b.dial("")
	if a := o.send(connectHead(prodTarget, b.token(), o.proof())); a.status != http.StatusBadRequest || !strings.Contains(a.body, reasonNoCluster) {
		t.Errorf("CONNECT to a removed cluster = %d %q, want 400", a.status, a.body)
	}
	pool := old.backends["prod"].pool
	if s := pool.Stats(); s.Idle != 1 {
		t.Errorf("the pool of the removed cluster has %+v, want one connection", s)
	}
	stay.Close()
	b.until("the pool is empty", func() bool { s := pool.Stats(); return s.Idle == 0 && s.Active == 0 })
	if old.acquire() {
		t.Error("a generation that has ended can be acquired")
	}
}

// Connections to an API server whose settings are the same are kept.
func TestReloadKeepsUpstream(t *testing.T) {
	b := start(t, nil)
	b.open().mustAsk("/api")
	old := b.gateway.current.Load()
	b.mustReload(settings{"timeouts": `{idle: 1h}`})
	now := b.gateway.current.Load()
	if now == old || now.backends["prod"].upstream != old.backends["prod"].upstream || now.keys != old.keys {
		t.Error("pool or keys are not those of before")
	}
	b.open().mustAsk("/api")
	first := b.api.requests()[0]
	for _, r := range b.api.requests() {
		if r.RemoteAddr != first.RemoteAddr {
			t.Errorf("requests came from %s and %s, want one connection", first.RemoteAddr, r.RemoteAddr)
		}
	}
}

// A policy of recordings is for the tunnels that are opened under it.
func TestReloadRecordings(t *testing.T) {
	b := start(t, nil)
	b.api.on(strings.Split(execPath, "?")[0], command("marker-8"))
	before := b.open()
	b.mustReload(settings{"recordings": `{dir: rec, mode: strict, minFree: 0B}`})
	for _, n := range []*tunnel{before, b.open()} {
		if a := n.ask(execPath, websocketFields...); a.status != http.StatusSwitchingProtocols {
			t.Fatalf("the exec = %d %q, want 101", a.status, a.body)
		}
		if _, err := io.ReadFull(n.r, make([]byte, 20)); err != nil { // some of its output
			t.Fatal(err)
		}
		n.Close()
	}
	b.audit.wait(t, 2, where("event", "session.ended"))
	if text, _ := recorded(t, filepath.Join(b.dir, "rec")); !strings.Contains(text, "marker-8") {
		t.Errorf("the recording has %q", text)
	}
}

// Lower limits are for what comes: what there is goes on, and counts.
func TestReloadLowersLimits(t *testing.T) {
	b := start(t, settings{"limits": "{connectionsPerUser: 3, streamsPerUser: 3, upstream: 8}"})
	b.api.on("/apis/stream", echo)
	first, second, third := b.open(), b.open(), b.open()
	for _, n := range []*tunnel{first, second} {
		n.startStream("/apis/stream")
	}
	b.mustReload(settings{"limits": "{connectionsPerUser: 2, streamsPerUser: 1, upstream: 3, queue: 0}"})
	for series, want := range map[string]float64{
		`limit{limit="connections_per_user"}`: 2, `limit_in_use{limit="connections_per_user"}`: 3,
		`limit{limit="streams_per_user"}`: 1, `limit_in_use{limit="streams_per_user"}`: 2,
		`upstream_limit{cluster="prod"}`: 3, `upstream_in_use{cluster="prod",kind="stream"}`: 2,
	} {
		b.wantMetric(series, want)
	}
	wantOverload(t, third.ask("/api/v1/pods?watch=true"), http.StatusTooManyRequests, "too many watches and sessions")
	third.mustAsk("/api/v1/pods")
	o := b.dial("")
	if a := o.send(connectHead(prodTarget, b.token(), o.proof())); a.status != http.StatusTooManyRequests {
		t.Errorf("a fourth CONNECT = %d %q, want 429: three are open", a.status, a.body)
	}
	other := b.open(func(c *authn.Claims) { c.User.Username = "bob@example.com" })
	wantOverload(t, other.ask("/api/v1/pods?watch=true"), http.StatusServiceUnavailable, "too many requests wait")
	first.wantEcho("goes on")
	first.Close()
	b.until("its stream is given back", func() bool { return b.metric(`upstream_in_use{cluster="prod",kind="stream"}`) == 1 })
	wantOverload(t, third.ask("/api/v1/pods?watch=true"), http.StatusTooManyRequests, "too many watches and sessions")
	other.startStream("/apis/stream")
	second.wantEcho("goes on")
	second.Close()
	b.until("so is the second", func() bool { return b.metric(`limit_in_use{limit="connections_per_user"}`) == 1 })
	third.startStream("/apis/stream")
	third.wantEcho("under the new limit")
	b.open().mustAsk("/api/v1/pods")
}

// Higher limits are for those who wait already.
func TestReloadRaisesLimits(t *testing.T) {
	b := start(t, settings{"limits": "{upstream: 2, queue: 4}", "timeouts": "{queue: 10m}"})
	release := hold(b, "/api/slow")
	defer close(release)
	waits := b.open()
	waits.begin("/api/waits")
	b.until("it waits", func() bool { return b.metric(`upstream_queue_length{cluster="prod",kind="request"}`) == 1 })
	b.mustReload(settings{"limits": "{upstream: 3, queue: 4}", "timeouts": "{queue: 10m}"})
	if a := readAnswer(t, waits.r, http.MethodGet); a.status != http.StatusOK {
		t.Errorf("who has waited gets %d %q, want 200", a.status, a.body)
	}
}

func TestReloadWhileStopping(t *testing.T) {
	b := start(t, nil)
	if err := b.stop(); err != nil {
		t.Fatal(err)
	}
	if err := b.reload(nil); err == nil || !strings.Contains(err.Error(), "no longer") {
		t.Errorf("Reload after Run = %v, want a refusal", err)
	}
}
