package main

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/spliceway/spliceway/internal/testnet"
)

// TestMain is the program itself when a measurement starts it under a
// subcommand.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 && roles[os.Args[1]] != nil {
		main()
		return
	}
	testnet.Main(m)
}

// The figures of so few requests mean nothing. What is tested is that all
// processes work together and that nothing is left out of the report.
func TestRunReportsEveryWork(t *testing.T) {
	if testing.Short() {
		t.Skip("builds and starts the gateway")
	}
	t.Setenv("TMPDIR", t.TempDir())
	file := filepath.Join(t.TempDir(), "report.json")
	var table, progress bytes.Buffer
	args := []string{"-rounds", "2", "-requests", "40", "-tunnels", "1,3",
		"-only", "^request.*tunnels=[13]$|fresh", "-json", file}
	if err := run(t.Context(), args, &table, &progress); err != nil {
		t.Fatal(err)
	}
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var got report
	if err := json.Unmarshal(data, &got); err != nil {
		t.Fatal(err)
	}
	want := []string{"request/size=4KiB/tunnels=1", "request/size=4KiB/tunnels=3", "memory/state=fresh"}
	if len(got.Works) != len(want) {
		t.Fatalf("%d works, want %d:\n%s", len(got.Works), len(want), data)
	}
	for i, work := range got.Works {
		if work.Name != want[i] {
			t.Errorf("work %d is %q, want %q", i, work.Name, want[i])
		}
		if !strings.Contains(table.String(), work.Title) {
			t.Errorf("%q is not in the table:\n%s", work.Title, &table)
		}
		if len(work.Sides) != len(sides) || len(work.Ratios) != len(sides)-1 {
			t.Errorf("%s: %d sides and %d ratios, want those of %d sides", work.Name, len(work.Sides), len(work.Ratios), len(sides))
		}
		for _, from := range []map[string]summary{work.Sides, work.Ratios} {
			for _, s := range from {
				checkSummary(t, work.Name, s)
			}
		}
	}
	if got.Machine.Cores == 0 || got.Machine.Go == "" || got.Machine.Commit == "" {
		t.Errorf("machine is not named: %+v", got.Machine)
	}
	if left, err := os.ReadDir(os.Getenv("TMPDIR")); err != nil || len(left) != 0 {
		t.Errorf("files are left: %v, %v", left, err)
	}
}

func checkSummary(t *testing.T, name string, s summary) {
	t.Helper()
	if len(s.Samples) != 2 {
		t.Errorf("%s: %d samples, want 2", name, len(s.Samples))
	}
	if s.Least <= 0 || s.Least > s.Median || s.Median > s.Most {
		t.Errorf("%s: not 0 < least <= median <= most: %+v", name, s)
	}
}

func TestParseOptionsRefuses(t *testing.T) {
	for _, args := range []string{
		"-rounds=0", "-rounds=-1", "-requests=0", "-requests=100000000", "-watches=0", "-watches=1e3",
		"-tunnels=", "-tunnels=0", "-tunnels=1,", "-tunnels=1,100000", "-only=(", "-only=nothing", "-sides=nobody", "gateway",
	} {
		var stderr bytes.Buffer
		if o, err := parseOptions([]string{args}, &stderr); err == nil || stderr.Len() == 0 {
			t.Errorf("parseOptions(%q) = %+v, %v; explained as %q", args, o, err, &stderr)
		}
	}
}

func TestParseOptionsChoosesWorks(t *testing.T) {
	for _, row := range []struct {
		args []string
		want int
	}{
		{[]string{"-only=^request"}, 4},
		{[]string{"-only=^request", "-tunnels=1,2,4,8"}, 5},
		{[]string{"-only=^watch/state=idle"}, 1},
		{[]string{"-only=size=4KiB/tunnels=1$"}, 1},
		{[]string{"-only=size=4KiB/tunnels=1"}, 3},
	} {
		o, err := parseOptions(row.args, os.Stderr)
		if err != nil {
			t.Errorf("parseOptions(%q): %v", row.args, err)
			continue
		}
		if got := len(o.works()); got != row.want {
			t.Errorf("parseOptions(%q) chooses %d works, want %d", row.args, got, row.want)
		}
	}
}
