package monitoring

import (
	"log/slog"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/model/rulefmt"
	"github.com/prometheus/prometheus/promql/parser"

	"github.com/spliceway/spliceway/metrics"
)

// families are the metrics that the gateway has, by the names of their series.
func families() map[string]metrics.Family {
	all := make(map[string]metrics.Family)
	for _, f := range metrics.Families() {
		if f.Type != "histogram" {
			all[f.Name] = f
			continue
		}
		for _, suffix := range []string{"_bucket", "_sum", "_count"} {
			all[f.Name+suffix] = f
		}
	}
	return all
}

// checkExpression parses an expression and looks for what the gateway doesn't have.
func checkExpression(t *testing.T, where, text string) {
	t.Helper()
	expr, err := parser.NewParser(parser.Options{}).ParseExpr(text)
	if err != nil {
		t.Errorf("%s: %s: %v", where, text, err)
		return
	}
	known := families()
	var used []metrics.Family
	parser.Inspect(expr, func(node parser.Node, _ []parser.Node) error {
		if v, ok := node.(*parser.VectorSelector); ok {
			f, ok := known[v.Name]
			if !ok {
				t.Errorf("%s: there is no metric %q", where, v.Name)
			}
			used = append(used, f)
			for _, m := range v.LabelMatchers {
				checkMatcher(t, where, f, m)
			}
		}
		return nil
	})
	parser.Inspect(expr, func(node parser.Node, _ []parser.Node) error {
		a, ok := node.(*parser.AggregateExpr)
		if !ok {
			return nil
		}
		for _, name := range a.Grouping {
			if !slices.ContainsFunc(used, func(f metrics.Family) bool { return hasLabel(f, name) }) {
				t.Errorf("%s: no metric in %s has the label %q", where, text, name)
			}
		}
		return nil
	})
}

// added are labels that a scrape adds.
var added = []string{"instance", "job", model.MetricNameLabel}

func hasLabel(f metrics.Family, name string) bool {
	return slices.Contains(added, name) || name == "le" && f.Type == "histogram" ||
		slices.ContainsFunc(f.Labels, func(l metrics.Label) bool { return l.Name == name })
}

func checkMatcher(t *testing.T, where string, f metrics.Family, m *labels.Matcher) {
	t.Helper()
	if !hasLabel(f, m.Name) {
		t.Errorf("%s: %s has no label %q", where, f.Name, m.Name)
	}
	for _, l := range f.Labels {
		if l.Name != m.Name || len(l.Values) == 0 {
			continue
		}
		for value := range strings.SplitSeq(m.Value, "|") {
			if !slices.Contains(l.Values, value) {
				t.Errorf("%s: %s of %s is never %q", where, l.Name, f.Name, value)
			}
		}
	}
}

// readAlerts returns the rules of the one group that there is.
func readAlerts(t *testing.T) []rulefmt.Rule {
	t.Helper()
	text, err := os.ReadFile("alerts.yaml")
	if err != nil {
		t.Fatal(err)
	}
	groups, errs := rulefmt.Parse(text, false, model.UTF8Validation, parser.NewParser(parser.Options{}), slog.Default())
	for _, err := range errs {
		t.Error(err)
	}
	if groups == nil || len(groups.Groups) != 1 {
		t.Fatalf("groups = %v, want one", groups)
	}
	return groups.Groups[0].Rules
}

func TestAlerts(t *testing.T) {
	manual, err := os.ReadFile("../../docs/operations.md")
	if err != nil {
		t.Fatal(err)
	}
	_, symptoms, _ := strings.Cut(string(manual), "\n## Troubleshooting by symptom\n")
	section := regexp.MustCompile(`^docs/operations\.md, "([^"]+)": .+\.$`)
	for _, rule := range readAlerts(t) {
		checkExpression(t, rule.Alert, rule.Expr)
		m := section.FindStringSubmatch(rule.Annotations["runbook"])
		if m == nil || !strings.Contains(symptoms, "\n### "+m[1]+"\n") {
			t.Errorf("%s: runbook %q names no section of docs/operations.md", rule.Alert, rule.Annotations["runbook"])
		}
		if s := rule.Labels["severity"]; s != "critical" && s != "warning" || rule.Annotations["summary"] == "" {
			t.Errorf("%s: severity %q, summary %q", rule.Alert, s, rule.Annotations["summary"])
		}
		if !strings.Contains(symptoms, "`"+rule.Alert+"`") {
			t.Errorf("docs/operations.md does not name %s", rule.Alert)
		}
	}
}
