package monitoring

import (
	"context"
	"slices"
	"testing"
	"time"

	"github.com/prometheus/common/promslog"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/promql/parser"
	"github.com/prometheus/prometheus/promql/promqltest"
	"github.com/prometheus/prometheus/rules"
)

// alertTests has for each alert series with which it fires and series with which it
// does not, one sample a minute from 00:00 on in the notation of Prometheus' own
// tests: 3x40 is 3 and 40 times 3 again, 0+6x40 grows by 6 a minute.
var alertTests = []struct {
	alert string
	fires []string
	says  string // the summary of the alert that fires
	rests []string
}{
	{
		alert: "SplicewayAbsent",
		fires: []string{`up{instance="gw-1"} 1x40`},
		says:  "No gateway is scraped.",
		rests: []string{`spliceway_build_info{instance="gw-1",version="v1"} 1x40`},
	},
	{
		alert: "SplicewayNotReady",
		fires: []string{`spliceway_ready{instance="gw-1"} 0x40`, `spliceway_draining{instance="gw-1"} 0x40`},
		says:  "gw-1 is not ready.",
		rests: []string{`spliceway_ready{instance="gw-1"} 0x40`, `spliceway_draining{instance="gw-1"} 1x40`},
	},
	{
		alert: "SplicewayUpstreamUnreachable",
		fires: []string{`spliceway_upstream_reachable{instance="gw-1",cluster="prod"} 0x40`},
		says:  "gw-1 cannot reach the API server of prod.",
		rests: []string{`spliceway_upstream_reachable{instance="gw-1",cluster="prod"} 0 1 0 1x40`},
	},
	{
		alert: "SplicewayUpstreamSlow",
		fires: slowest("0+9x40"),
		says:  "One request in a hundred to prod waits 9.5s for its response.",
		rests: slowest("0+10x40"),
	},
	{
		alert: "SplicewayUpstreamErrors",
		fires: []string{`spliceway_upstream_errors_total{cluster="prod",reason="closed"} 0+2x40`, `spliceway_requests_total{cluster="prod"} 0+100x40`},
		says:  "More than one request in a hundred to prod fails because of the API server.",
		rests: []string{`spliceway_upstream_errors_total{cluster="prod",reason="closed"} 0+1x40`, `spliceway_requests_total{cluster="prod"} 0+100x40`},
	},
	{
		alert: "SplicewayRecordingFailing",
		fires: []string{`spliceway_streams_total{instance="gw-1",cluster="prod",protocol="spdy",outcome="failed"} 0x30 1x10`},
		says:  "Sessions to prod through gw-1 were not recorded, or not to their end.",
		rests: []string{`spliceway_streams_total{instance="gw-1",cluster="prod",protocol="spdy",outcome="recorded"} 0+1x40`},
	},
	{
		alert: "SplicewayRecordingBehind",
		fires: []string{`spliceway_recording_unsynced_age_seconds{instance="gw-1"} 45x40`},
		says:  "Recordings of gw-1 are not brought to disk: the oldest octet waits for 45s.",
		rests: []string{`spliceway_recording_unsynced_age_seconds{instance="gw-1"} 30x40`},
	},
	{
		alert: "SplicewayRecordingStoreNearlyFull",
		fires: []string{`spliceway_recording_store_free_bytes{instance="gw-1"} 19x40`, `spliceway_recording_store_min_free_bytes{instance="gw-1"} 10x40`},
		says:  "The store of recordings of gw-1 is nearly full; then no session is recorded, and strict ones are refused.",
		rests: []string{`spliceway_recording_store_free_bytes{instance="gw-1"} 20x40`, `spliceway_recording_store_min_free_bytes{instance="gw-1"} 10x40`,
			`spliceway_recording_store_used_bytes{instance="gw-1"} 90x40`, `spliceway_recording_store_quota_bytes{instance="gw-1"} 100x40`},
	},
	{
		alert: "SplicewayRecordingStoreNearlyFull",
		fires: []string{`spliceway_recording_store_used_bytes{instance="gw-1"} 91x40`, `spliceway_recording_store_quota_bytes{instance="gw-1"} 100x40`},
		says:  "The store of recordings of gw-1 is nearly full; then no session is recorded, and strict ones are refused.",
		rests: []string{`spliceway_recording_store_used_bytes{instance="gw-1"} 91x40`}, // without a quota
	},
	{
		alert: "SplicewayCertificateExpiresSoon", // 40 minutes after 1970 began
		fires: []string{`spliceway_certificate_expiry_timestamp_seconds{instance="gw-1",certificate="tls.crt"} 175200x40`},
		says:  "tls.crt of gw-1 ends in 2d 0h 0m 0s.",
		rests: []string{`spliceway_certificate_expiry_timestamp_seconds{instance="gw-1",certificate="tls.crt"} 777600x40`},
	},
	{
		alert: "SplicewaySigningKeysStale",
		fires: []string{`spliceway_signing_keys_age_seconds{instance="gw-1"} 1860x40`, `spliceway_signing_keys_max_age_seconds{instance="gw-1"} 3600x40`},
		says:  "gw-1 has not read the signing keys for 31m 0s; at authn.maxStaleness it lets nobody in.",
		rests: []string{`spliceway_signing_keys_age_seconds{instance="gw-1"} 1800x40`, `spliceway_signing_keys_max_age_seconds{instance="gw-1"} 3600x40`},
	},
	{
		alert: "SplicewayAuditEventsLost",
		fires: []string{`spliceway_audit_errors_total{instance="gw-1"} 0x30 1x10`},
		says:  "gw-1 has lost audit events.",
		rests: []string{`spliceway_audit_errors_total{instance="gw-1"} 5x40`},
	},
	{
		alert: "SplicewayTracesLost",
		fires: []string{`spliceway_trace_spans_total{instance="gw-1",outcome="dropped"} 0+1x40`, `spliceway_trace_spans_total{instance="gw-1",outcome="sent"} 0+9x40`},
		says:  "gw-1 loses spans of traces.",
		rests: []string{`spliceway_trace_spans_total{instance="gw-1",outcome="failed"} 7x40`, `spliceway_trace_spans_total{instance="gw-1",outcome="retried"} 0+9x40`},
	},
	{
		alert: "SplicewayAuthenticationFailures",
		fires: []string{`spliceway_authentications_total{instance="gw-1",result="expired"} 0+120x40`, `spliceway_authentications_total{instance="gw-1",result="ok"} 0+60x40`},
		says:  "gw-1 turns away more clients than it lets in.",
		rests: []string{`spliceway_authentications_total{instance="gw-1",result="expired"} 0+120x40`, `spliceway_authentications_total{instance="gw-1",result="ok"} 0+180x40`},
	},
	{
		alert: "SplicewayAuthenticationFailures",
		fires: []string{`spliceway_authentications_total{instance="gw-1",result="expired"} 0+66x40`, `spliceway_authentications_total{instance="gw-1",result="ok"} 0x40`},
		says:  "gw-1 turns away more clients than it lets in.",
		rests: []string{`spliceway_authentications_total{instance="gw-1",result="expired"} 0+6x40`, `spliceway_authentications_total{instance="gw-1",result="ok"} 0x40`},
	},
	{
		alert: "SplicewayLimitReached",
		fires: []string{`spliceway_limit_refused_total{instance="gw-1",limit="queue"} 0+1x40`},
		says:  "gw-1 turns clients away at the limit queue.",
		rests: []string{`spliceway_limit_refused_total{instance="gw-1",limit="queue"} 7x40`},
	},
	{
		alert: "SplicewayExhausted",
		fires: []string{`spliceway_upstream_dials_total{instance="gw-1",cluster="prod",result="exhausted"} 0x35 1x10`, `spliceway_accept_errors_total{instance="gw-1"} 0x40`},
		says:  "gw-1 cannot open or accept connections: it has no files, memory or ports left.",
		rests: []string{`spliceway_upstream_dials_total{instance="gw-1",cluster="prod",result="timeout"} 0+1x40`, `spliceway_accept_errors_total{instance="gw-1"} 5x40`},
	},
	{
		alert: "SplicewayExhausted",
		fires: []string{`spliceway_accept_errors_total{instance="gw-1"} 0+1x40`},
		says:  "gw-1 cannot open or accept connections: it has no files, memory or ports left.",
		rests: []string{`spliceway_upstream_dials_total{instance="gw-1",cluster="prod",result="exhausted"} 5x40`},
	},
	{
		alert: "SplicewayConfigurationRefused",
		fires: []string{`spliceway_config_last_reload_successful{instance="gw-1"} 0x40`},
		says:  "gw-1 runs with an older configuration, because the new one was refused.",
		rests: []string{`spliceway_config_last_reload_successful{instance="gw-1"} 1x40`},
	},
	{
		alert: "SplicewayFileRefused",
		fires: []string{`spliceway_reload_total{instance="gw-1",file="certificate",result="error"} 0x30 1x10`},
		says:  "gw-1 cannot use a file of kind certificate that has changed.",
		rests: []string{`spliceway_reload_total{instance="gw-1",file="configuration",result="error"} 0x30 1x10`, `spliceway_reload_total{instance="gw-1",file="certificate",result="ok"} 0+1x40`},
	},
	{
		alert: "SplicewayPanic",
		fires: []string{`spliceway_panics_total{instance="gw-1"} 0x30 1x10`},
		says:  "gw-1 has caught a panic, which ended one connection.",
		rests: []string{`spliceway_panics_total{instance="gw-1"} 1x40`},
	},
}

// slowest are the buckets of ten requests a minute, of which so many take less than
// 5 s and the rest between 5 s and 10 s.
func slowest(quick string) []string {
	const bucket = `spliceway_upstream_response_seconds_bucket{cluster="prod",le=`
	return []string{bucket + `"1"} ` + quick, bucket + `"5"} ` + quick, bucket + `"10"} 0+10x40`, bucket + `"+Inf"} 0+10x40`}
}

// fired runs all rules as Prometheus does, over 40 minutes of series, and returns the
// summaries of the alerts of a name that fire at the end, or, of one that must rest,
// at any time.
func fired(t *testing.T, alert string, atAnyTime bool, series []string) (summaries []string) {
	t.Helper()
	input := "load 1m\n"
	for _, s := range series {
		input += "  " + s + "\n"
	}
	expressions := parser.NewParser(parser.Options{})
	samples, err := promqltest.NewLazyLoader(input, promqltest.LazyLoaderOpts{EnableAtModifier: true, EnableNegativeOffset: true, Parser: expressions})
	if err != nil {
		t.Fatal(err)
	}
	defer samples.Close()
	manager := rules.NewManager(&rules.ManagerOptions{
		QueryFunc: rules.EngineQueryFunc(samples.QueryEngine(), samples.Storage()), AppendableV2: samples.Storage(),
		Context: t.Context(), NotifyFunc: func(context.Context, string, ...*rules.Alert) {},
		Logger: promslog.NewNopLogger(), Parser: expressions,
	})
	groups, errs := manager.LoadGroups(time.Minute, labels.EmptyLabels(), "", nil, false, "alerts.yaml")
	if len(errs) > 0 || len(groups) != 1 {
		t.Fatalf("LoadGroups = %v, %v, want one", groups, errs)
	}
	start := time.Unix(0, 0).UTC()
	for at := start; !at.After(start.Add(40 * time.Minute)); at = at.Add(time.Minute) {
		samples.WithSamplesTill(at, func(err error) {
			if err != nil {
				t.Fatal(err)
			}
		})
		if !atAnyTime {
			summaries = nil
		}
		for _, group := range groups {
			group.Eval(t.Context(), at)
			summaries = append(summaries, firing(t, group, alert)...)
		}
	}
	return slices.Compact(summaries)
}

// firing returns the summaries of the alerts of a name that fire now.
func firing(t *testing.T, group *rules.Group, alert string) (summaries []string) {
	t.Helper()
	found := false
	for _, rule := range group.AlertingRules() {
		if rule.LastError() != nil {
			t.Errorf("%s: %v", rule.Name(), rule.LastError())
		}
		if rule.Name() != alert {
			continue
		}
		found = true
		for _, a := range rule.ActiveAlerts() {
			if a.State == rules.StateFiring {
				summaries = append(summaries, a.Annotations.Get("summary"))
			}
		}
	}
	if !found {
		t.Fatalf("there is no alert %q", alert)
	}
	return summaries
}

// Each alert fires when it is to, and says so in a sentence, and does not when
// nothing is wrong.
func TestAlertsFire(t *testing.T) {
	tested := make(map[string]bool)
	for _, test := range alertTests {
		tested[test.alert] = true
		if got := fired(t, test.alert, false, test.fires); !slices.Equal(got, []string{test.says}) {
			t.Errorf("%s: with %q fires %q, want %q", test.alert, test.fires, got, test.says)
		}
		if got := fired(t, test.alert, true, test.rests); len(got) > 0 {
			t.Errorf("%s: with %q fires %q, want it to rest", test.alert, test.rests, got)
		}
	}
	for _, rule := range readAlerts(t) {
		if !tested[rule.Alert] {
			t.Errorf("%s has no test", rule.Alert)
		}
	}
}
