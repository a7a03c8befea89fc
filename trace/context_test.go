package trace

import (
	"math/big"
	"strings"
	"testing"
)

const (
	traceText = "0af7651916cd43dd8448eb211c80319c"
	spanText  = "b7ad6b7169203331"
	parent    = "00-" + traceText + "-" + spanText + "-01"
)

func TestParse(t *testing.T) {
	for _, row := range []struct{ name, value, want string }{ // want: what those who are called get; empty: it is refused
		{"sampled", parent, parent},
		{"not-sampled", "00-" + traceText + "-" + spanText + "-00", "00-" + traceText + "-" + spanText + "-00"},
		{"unknown-flags", "00-" + traceText + "-" + spanText + "-fe", "00-" + traceText + "-" + spanText + "-00"},
		{"unknown-flags-and-sampled", "00-" + traceText + "-" + spanText + "-03", parent},
		{"later-version", "01-" + traceText + "-" + spanText + "-01", parent},
		{"later-version-with-more", "cc-" + traceText + "-" + spanText + "-01-what-comes", parent},
		{"later-version-with-an-empty-part", "cc-" + traceText + "-" + spanText + "-01-", parent},

		{"empty", "", ""},
		{"short", parent[:len(parent)-1], ""},
		{"long", parent + "0", ""},
		{"with-more", parent + "-00", ""},
		{"version-ff", "ff" + parent[2:], ""},
		{"later-version-longer-flags", "cc-" + traceText + "-" + spanText + "-01.", ""},
		{"no-hex-in-version", "0g" + parent[2:], ""},
		{"upper-case-version", "0A" + parent[2:], ""},
		{"upper-case-trace-id", "00-" + strings.ToUpper(traceText) + "-" + spanText + "-01", ""},
		{"upper-case-parent-id", "00-" + traceText + "-" + strings.ToUpper(spanText) + "-01", ""},
		{"upper-case-flags", "00-" + traceText + "-" + spanText + "-0A", ""},
		{"no-trace-id", "00-" + strings.Repeat("0", 32) + "-" + spanText + "-01", ""},
		{"no-parent-id", "00-" + traceText + "-" + strings.Repeat("0", 16) + "-01", ""},
		{"no-hex-in-trace-id", strings.Replace(parent, "0af7", "0af_", 1), ""},
		{"other-separator", strings.Replace(parent, "-b7", "_b7", 1), ""},
		{"space-in-front", " " + parent, ""},
		{"space-behind", parent + " ", ""},
		{"two-in-one", parent + "," + parent, ""},
	} {
		t.Run(row.name, func(t *testing.T) {
			c, ok := Parse([]byte(row.value))
			got := ""
			if ok {
				got = string(c.AppendParent(nil))
			}
			if got != row.want || !ok && c != (Context{}) {
				t.Errorf("Parse(%q) = %v, %v, passed on as %q, want %q", row.value, c, ok, got, row.want)
			}
		})
	}
}

func TestStart(t *testing.T) {
	above, _ := Parse([]byte(parent))
	tracer := &Tracer{sampler: newSampler(0)}
	c := tracer.Start(above)
	if c.TraceID != above.TraceID || c.Parent != above.SpanID || c.SpanID == above.SpanID || !c.Valid() || !c.Sampled {
		t.Errorf("Start(%v) = %v, want a place under it", above, c)
	}
	above.Sampled = false
	tracer.sampler = newSampler(1)
	if tracer.Start(above).Sampled {
		t.Error("a request is sampled whose parent is not")
	}
	root := tracer.Start(Context{})
	if !root.Valid() || root.Parent != (SpanID{}) || !root.Sampled || root.TraceID == tracer.Start(Context{}).TraceID {
		t.Errorf("Start() = %v, want a new trace", root)
	}
}

// Which traces are sampled is for all of OpenTelemetry to decide alike: by the last 63
// bits of the id.
func TestSampler(t *testing.T) {
	const many = 10000
	all := new(big.Float).SetInt(new(big.Int).Lsh(big.NewInt(1), 63))
	for _, ratio := range []float64{0, 0.25, 0.999, 1} {
		s := newSampler(ratio)
		sampled := 0
		for range many {
			c := s.begin()
			low := new(big.Int).SetBytes(c.TraceID[8:])
			low.Rsh(low, 1)
			part, _ := new(big.Float).Quo(new(big.Float).SetInt(low), all).Float64()
			if c.Sampled != (part < ratio || ratio == 1) {
				t.Fatalf("ratio %v: trace %x, %v of the way up, is sampled: %v", ratio, c.TraceID, part, c.Sampled)
			}
			if c.Sampled {
				sampled++
			}
		}
		if want := ratio * many; float64(sampled) < want-500 || float64(sampled) > want+500 { // 11 standard deviations
			t.Errorf("ratio %v: %d of %d are sampled", ratio, sampled, many)
		}
	}
}
