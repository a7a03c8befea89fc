package monitoring

import (
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/promql/promqltest"
)

type dashboard struct {
	Templating struct {
		List []struct {
			Name, Type string
			Query      json.RawMessage // a text, as far as it is looked at
		}
	}
	Panels []panel
}

type panel struct {
	ID         int
	Type       string
	Title      string
	Datasource struct{ UID string }
	GridPos    struct{ H, W, X, Y int }
	Targets    []struct {
		RefID      string
		Expr       string
		Datasource struct{ UID string }
	}
}

func readDashboard(t *testing.T) *dashboard {
	t.Helper()
	text, err := os.ReadFile("dashboard.json")
	if err != nil {
		t.Fatal(err)
	}
	d := new(dashboard)
	if err := json.Unmarshal(text, d); err != nil {
		t.Fatal(err)
	}
	return d
}

// intervals are variables that Grafana itself has.
var intervals = strings.NewReplacer("$__rate_interval", "5m", "$__range", "1h")

func TestDashboard(t *testing.T) {
	d := readDashboard(t)
	if len(d.Templating.List) == 0 || d.Templating.List[0].Type != "datasource" || d.Templating.List[0].Name != "datasource" {
		t.Errorf("variables = %+v, want a data source first", d.Templating.List)
	}
	ids := make(map[int]bool)
	taken := make(map[[2]int]string) // grid cells
	for _, p := range d.Panels {
		if p.ID == 0 || ids[p.ID] || p.Title == "" {
			t.Errorf("panel %q has the id %d, which is none or another one's", p.Title, p.ID)
		}
		ids[p.ID] = true
		for x := p.GridPos.X; x < p.GridPos.X+p.GridPos.W; x++ {
			for y := p.GridPos.Y; y < p.GridPos.Y+p.GridPos.H; y++ {
				if other := taken[[2]int{x, y}]; other != "" || x >= 24 {
					t.Fatalf("panel %q lies over %q or the edge", p.Title, other)
				}
				taken[[2]int{x, y}] = p.Title
			}
		}
		if p.Type == "row" {
			continue
		}
		if p.Datasource.UID != "${datasource}" || len(p.Targets) == 0 {
			t.Errorf("panel %q has the data source %q and %d expressions", p.Title, p.Datasource.UID, len(p.Targets))
		}
		for _, target := range p.Targets {
			checkExpression(t, p.Title, wantVariables(t, intervals.Replace(target.Expr)))
			if target.Datasource.UID != "${datasource}" {
				t.Errorf("%q has an expression for the data source %q", p.Title, target.Datasource.UID)
			}
		}
	}
}

// The variables have values that the gateway's metrics have.
func TestDashboardVariables(t *testing.T) {
	query := regexp.MustCompile(`^"label_values\((\w+), (\w+)\)"$`)
	asked := 0
	for _, v := range readDashboard(t).Templating.List {
		if v.Type != "query" {
			continue
		}
		asked++
		m := query.FindStringSubmatch(string(v.Query))
		if m == nil {
			t.Errorf("the variable %s asks %s", v.Name, v.Query)
			continue
		}
		if f, ok := families()[m[1]]; !ok || !hasLabel(f, m[2]) {
			t.Errorf("the variable %s asks for the label %s of %s, which there is not", v.Name, m[2], m[1])
		}
	}
	if asked != 2 {
		t.Errorf("%d variables ask the data source, want 2", asked)
	}
}

// Every panel shows something when every metric has each of its labels' values.
func TestDashboardShows(t *testing.T) {
	engine := promqltest.NewTestEngine(t, false, 0, 1_000_000)
	storage := promqltest.LoadedStorage(t, "load 1m\n"+allSeries())
	defer storage.Close()
	variables := strings.NewReplacer("$instance", "gw-1", "$cluster", "any")
	for _, p := range readDashboard(t).Panels {
		for _, target := range p.Targets {
			expr := variables.Replace(intervals.Replace(target.Expr))
			query, err := engine.NewInstantQuery(t.Context(), storage, nil, expr, time.Unix(3600, 0))
			if err != nil {
				t.Fatal(err)
			}
			result := query.Exec(t.Context())
			if vector, err := result.Vector(); err != nil || len(vector) == 0 {
				t.Errorf("%q: %s = %v, %v, want something to be seen", p.Title, expr, vector, err)
			}
			query.Close()
		}
	}
}

// allSeries has an hour of series of each metric, so many that each value of each label
// is there.
func allSeries() string {
	var b strings.Builder
	for name, f := range families() {
		set := map[string]string{"instance": "gw-1", "job": "spliceway"}
		for _, l := range f.Labels {
			set[l.Name] = "any"
			if len(l.Values) > 0 {
				set[l.Name] = l.Values[0]
			}
		}
		if strings.HasSuffix(name, "_bucket") {
			set["le"] = "+Inf"
		}
		series := map[string]bool{labels.FromMap(set).String(): true}
		for _, l := range f.Labels {
			for _, value := range l.Values {
				other := maps.Clone(set)
				other[l.Name] = value
				series[labels.FromMap(other).String()] = true
			}
		}
		if strings.HasSuffix(name, "_bucket") {
			set["le"] = "1"
			series[labels.FromMap(set).String()] = true
		}
		for s := range series {
			fmt.Fprintf(&b, "  %s%s 1+1x60\n", name, s)
		}
	}
	return b.String()
}

// wantVariables looks for variables that the dashboard does not have.
func wantVariables(t *testing.T, expr string) string {
	t.Helper()
	for _, name := range regexp.MustCompile(`\$\w+`).FindAllString(expr, -1) {
		if name != "$instance" && name != "$cluster" {
			t.Errorf("%s: there is no variable %s", expr, name)
		}
	}
	return expr
}
