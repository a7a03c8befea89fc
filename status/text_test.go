package status

import (
	"flag"
	"os"
	"strings"
	"testing"
	"time"
)

var update = flag.Bool("update", false, "rewrite the golden files")

// example is a report with everything that a report can have.
func example() *Report {
	now := time.Date(2026, 3, 9, 14, 0, 0, 0, time.UTC)
	ago := func(d time.Duration) time.Time { return now.Add(-d) }
	fetched := ago(4 * time.Minute)
	return &Report{
		Time: now, PID: 812, Version: "v1.4.0", Started: ago(76 * time.Hour),
		Configuration: Configuration{Loaded: ago(2*time.Hour + 5*time.Minute), Refused: "config: 1 problem"},
		Limits: []Limit{
			{Name: "connections", InUse: 3, Most: new(16384)}, {Name: "connections_per_source", InUse: 3},
			{Name: "upstream", Cluster: "prod", InUse: 2, Most: new(1024)}, {Name: "queue", Cluster: "prod", InUse: 0, Most: new(0)},
		},
		Keys: Keys{Source: "https://issuer.example.com/keys", Fetched: &fetched},
		Certificates: []Certificate{
			{File: "/etc/spliceway/tls.crt", Expires: now.Add(29*24*time.Hour + 3*time.Hour)},
			{File: "/etc/spliceway/old.crt", Expires: ago(time.Hour)},
		},
		Clusters: []Cluster{
			{Name: "prod", Address: "10.0.0.1:6443", Active: 2, Idle: 1},
			{Name: "test", Address: "10.0.0.2:6443", Error: "it refused the connection"},
		},
		Recordings: &Recordings{Active: 1, Used: 3 << 30, Quota: 10 << 30},
		Problems:   []string{"something\nis wrong"},
		Connections: []Connection{
			{ID: "c1", User: "ann@example.com", Groups: []string{"dev", "on call"}, RemoteAddr: "192.0.2.7:50112", Cluster: "prod",
				Since: ago(42 * time.Minute), Expires: now.Add(18 * time.Minute), Idle: true, Requests: 129, BytesUp: 41 << 10, BytesDown: 7 << 20},
			{ID: "c2", User: "ann@example.com", Groups: []string{"dev", "on call"}, RemoteAddr: "192.0.2.7:50114", Cluster: "prod",
				Since: ago(3 * time.Second), Expires: now.Add(59 * time.Minute)},
		},
		Streams: []Stream{
			{ConnID: "c2", SessionID: "01jp8x4c2", User: "ann@example.com", Cluster: "prod", Kind: "exec", Namespace: "shop", Pod: "web-1",
				Command: []string{"sh", "-c", "echo \x1b[31m"}, Mode: "strict", Since: ago(2 * time.Second), BytesDown: 512},
			{ConnID: "c3", User: "ci-7", Cluster: "prod", Namespace: "shop", Pod: "web-1", Mode: "off", Rule: "deployments", Since: ago(49 * time.Hour)},
		},
	}
}

// What users and servers have chosen does not reach the terminal of who asks.
func TestWriteHostile(t *testing.T) {
	const evil = "\x1b]0;x\a\u009b31m\u202e\n"
	r := example()
	r.Configuration.Refused, r.Problems = evil, []string{evil}
	r.Clusters[1].Name, r.Clusters[1].Error, r.Recordings.Error = evil, evil, evil
	c, s := &r.Connections[0], &r.Streams[0]
	c.ID, c.User, c.Cluster, c.RemoteAddr, c.Groups = evil, evil, evil, evil, []string{evil}
	s.SessionID, s.User, s.Kind, s.Namespace, s.Pod, s.Container, s.Command = evil, evil, evil, evil, evil, evil, []string{evil}
	r.Streams[1].Rule = evil
	var b strings.Builder
	if err := r.Write(&b, 0); err != nil {
		t.Fatal(err)
	}
	var whole strings.Builder
	if err := example().Write(&whole, 0); err != nil {
		t.Fatal(err)
	}
	if strings.ContainsAny(b.String(), "\x1b\a\u009b\u202e") || strings.Count(b.String(), "\n") < strings.Count(whole.String(), "\n") {
		t.Errorf("written is %q", b.String())
	}
}

func TestWrite(t *testing.T) {
	var b strings.Builder
	if err := example().Write(&b, 0); err != nil {
		t.Fatal(err)
	}
	const file = "testdata/status.txt"
	if *update {
		if err := os.WriteFile(file, []byte(b.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if b.String() != string(want) {
		t.Errorf("%s differs; it is now\n%s", file, &b)
	}
	b.Reset()
	if err := example().Write(&b, 60); err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(b.String()) {
		if n := len([]rune(strings.TrimSuffix(line, "\n"))); n > 60 {
			t.Errorf("a line of %d columns, want at most 60: %s", n, line)
		}
	}
}

func TestShort(t *testing.T) {
	for d, want := range map[time.Duration]string{
		-time.Second: "0s", 59*time.Second + 900*time.Millisecond: "59s", time.Minute: "1m00s", 59*time.Minute + 59*time.Second: "59m59s",
		time.Hour: "1h00m", 24 * time.Hour: "1d00h", 49 * time.Hour: "2d01h",
	} {
		if got := short(d); got != want {
			t.Errorf("short(%v) = %s, want %s", d, got, want)
		}
	}
}

func TestOctets(t *testing.T) {
	for n, want := range map[int64]string{0: "0B", 1023: "1023B", 1024: "1.0KiB", 1 << 20: "1.0MiB", 5 << 30: "5.0GiB", 3 << 50: "3072.0TiB"} {
		if got := octets(n); got != want {
			t.Errorf("octets(%d) = %s, want %s", n, got, want)
		}
	}
}
