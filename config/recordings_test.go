package config

import (
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/spliceway/spliceway/record"
)

// checkRecordings checks what package record is given of a valid configuration.
func checkRecordings(t *testing.T, cfg *Config) {
	t.Helper()
	policy := cfg.Recordings.Policy()
	if err := policy.Check(); err != nil {
		t.Errorf("Policy() of %+v: %v", cfg.Recordings, err)
	}
	recorded := policy.Mode != record.Off
	for _, rule := range policy.Rules {
		recorded = recorded || !rule.Exempt
	}
	if got := cfg.Recordings.Enabled(); got != recorded {
		t.Errorf("Enabled() = %v, the policy is %+v", got, policy)
	}
}

func TestRecordingsStore(t *testing.T) {
	for _, row := range []struct {
		name, text string
		want       record.Config
	}{
		{"default", minimal + "recordings: {dir: rec}\n", record.Config{
			Dir: "/etc/spliceway/rec", Format: record.V2, Sync: time.Second, Checkpoint: 5 * time.Second, MaxSession: 1 << 30, MinFree: 1 << 30,
		}},
		{"everything", everything, record.Config{
			Dir: "/etc/spliceway/rec", KeyFile: "/etc/spliceway/seal.pem", Format: record.V3, Sync: record.SyncAlways, Checkpoint: time.Minute,
			Input: true, KeepFiles: true, MaxSession: 64 << 10, Quota: 2 << 40, MaxAge: 720 * time.Hour, MaxSize: 1 << 40,
		}},
	} {
		t.Run(row.name, func(t *testing.T) {
			if got := mustParse(t, row.text).Recordings.Store(); !reflect.DeepEqual(got, row.want) {
				t.Errorf("Store() = %+v, want %+v", got, row.want)
			}
		})
	}
}

// A store opens with what Store returns.
func TestRecordingsStoreOpens(t *testing.T) {
	for _, fsync := range []string{"10ms", "always"} {
		cfg := mustParse(t, minimal+"recordings: {dir: "+t.TempDir()+"/rec, fsync: "+fsync+"}\n")
		store, err := record.Open(cfg.Recordings.Store())
		if err != nil {
			t.Fatalf("fsync %s: Open() = %v", fsync, err)
		}
		if err := store.Close(); err != nil {
			t.Errorf("fsync %s: Close() = %v", fsync, err)
		}
	}
}

func TestRecordingsPolicy(t *testing.T) {
	cfg := mustParse(t, everything)
	checkRecordings(t, cfg)
	policy := cfg.Recordings.Policy()
	for _, row := range []struct {
		name    string
		subject record.Subject
		want    record.Decision
	}{
		{"exempt", record.Subject{User: "ci-1", Groups: []string{"x", "system:nodes"}, Namespace: "team-a-dev", Cluster: "here"}, record.Decision{Mode: record.Off, Rule: "machines"}},
		{"one-list-does-not-match", record.Subject{User: "ci-1", Groups: []string{"x"}, Namespace: "team-a-dev", Cluster: "prod"}, record.Decision{Mode: record.Strict, Rule: "production"}},
		{"last", record.Subject{User: "ann", Cluster: "stage"}, record.Decision{Mode: record.BestEffort, Rule: "rest"}},
	} {
		if got := policy.Decide(row.subject); got != row.want {
			t.Errorf("%s: Decide(%+v) = %+v, want %+v", row.name, row.subject, got, row.want)
		}
	}
}

// Without a rule that matches, it is the mode that decides.
func TestRecordingsPolicyMode(t *testing.T) {
	for _, row := range []struct {
		section string
		enabled bool
		want    record.Mode
	}{
		{"", false, record.Off},
		{"recordings: {dir: /r}", true, record.Strict},
		{"recordings: {dir: /r, mode: best-effort}", true, record.BestEffort},
		{"recordings: {dir: /r, mode: off}", false, record.Off},
		{"recordings: {rules: [{name: r, users: [bob], mode: off}]}", false, record.Off},
		{"recordings: {dir: /r, mode: off, rules: [{name: r, users: [bob], mode: best-effort}]}", true, record.Off},
		{"recordings: {lines: stdout, sealKeyFile: /k, mode: off, rules: [{name: r, clusters: [prod], namespaces: [x], mode: strict}]}", true, record.Off},
	} {
		cfg := mustParse(t, minimal+row.section+"\n")
		checkRecordings(t, cfg)
		policy := cfg.Recordings.Policy()
		got := policy.Decide(record.Subject{User: "ann", Namespace: "default", Cluster: "prod"})
		if want := (record.Decision{Mode: row.want}); got != want {
			t.Errorf("%q: Decide() = %+v, want %+v", row.section, got, want)
		}
		if got := cfg.Recordings.Enabled(); got != row.enabled {
			t.Errorf("%q: Enabled() = %v, want %v", row.section, got, row.enabled)
		}
	}
}

// What Effective prints of a notice is read as the same notice.
func TestNoticeEffective(t *testing.T) {
	for _, notice := range []string{
		"plain", " blanks ", "null", "~", "true", "1.5", "0x1", "# not a comment", "a # b", "a: b", "a:", "- a", "[a]", "{a}", "*a", "&a", "!a", "|", ">",
		"%a", "@a", "`a`", "it's", `"quoted"`, `back\slash`, "?", "---", "...", "=", "<<", "ä ü €", "🎥 recorded", strings.Repeat("ä", 256),
	} {
		cfg := mustParse(t, minimal)
		cfg.Recordings.Notice = notice
		out, err := cfg.Effective()
		if err != nil {
			t.Fatal(err)
		}
		again, err := parse("effective.yaml", "/", out)
		if err != nil {
			t.Errorf("notice %q: %v", notice, err)
		} else if got := again.Recordings.Notice; got != notice {
			t.Errorf("notice %q is %q when loaded again", notice, got)
		}
	}
}

func TestSyncString(t *testing.T) {
	for sync, want := range map[Sync]string{Sync(record.SyncAlways): "always", Sync(10 * time.Millisecond): "10ms", Sync(time.Second): "1s", Sync(time.Minute): "1m"} {
		if got := sync.String(); got != want {
			t.Errorf("Sync(%d).String() = %q, want %q", int64(sync), got, want)
		}
		if back, err := scalarSync(want, kindString); err != nil || back != sync {
			t.Errorf("scalarSync(%q) = %v, %v, want %d", want, back, err, int64(sync))
		}
	}
}
