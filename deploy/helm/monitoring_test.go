package helm

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"

	monitoringv1 "github.com/prometheus-operator/prometheus-operator/pkg/apis/monitoring/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
	"sigs.k8s.io/yaml"
)

const alertsFile = "../monitoring/alerts.yaml"

func readAlerts(t *testing.T) []byte {
	t.Helper()
	text, err := os.ReadFile(alertsFile)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// A chart has only what is in its folder: the alerts there are a copy.
func TestAlertsCopy(t *testing.T) {
	want := readAlerts(t)
	file := filepath.Join(chartDir, "alerts.yaml")
	if got, err := os.ReadFile(file); err == nil && bytes.Equal(got, want) {
		return
	}
	if !*update {
		t.Fatalf("%s is not %s: make chart", file, alertsFile)
	}
	if err := os.WriteFile(file, want, 0o644); err != nil {
		t.Fatal(err)
	}
}

// The PrometheusRule has all alerts as they are, with the labels of values, and the
// groups of values behind them.
func TestAlerts(t *testing.T) {
	var want monitoringv1.PrometheusRuleSpec
	if err := yaml.UnmarshalStrict(readAlerts(t), &want); err != nil {
		t.Fatal(err)
	}
	mine := monitoringv1.RuleGroup{Name: "mine", Rules: []monitoringv1.Rule{{Alert: "Gone", Expr: intstr.FromString("absent(up)")}}}
	for _, group := range want.Groups {
		for _, rule := range group.Rules {
			rule.Labels["team"] = "access"
		}
	}
	const groups = "groups: [{name: mine, rules: [{alert: Gone, expr: absent(up)}]}]"
	wantRules(t, "{enabled: true, alertLabels: {team: access, severity: none}, "+groups+"}", append(want.Groups, mine))
	wantRules(t, "{enabled: true, alerts: false, alertLabels: {team: access}, "+groups+"}", []monitoringv1.RuleGroup{mine})
}

// wantRules wants these groups with a value of prometheusRule.
func wantRules(t *testing.T, value string, want []monitoringv1.RuleGroup) {
	t.Helper()
	got, err := yaml.Marshal(only[*monitoringv1.PrometheusRule](t, makeAll(t, set(t, "prometheusRule: "+value))).Spec.Groups)
	if err != nil {
		t.Fatal(err)
	}
	text, err := yaml.Marshal(want)
	if err != nil {
		t.Fatal(err)
	}
	wantEqual(t, value, string(got), string(text))
}
