package fuzz

import (
	"strings"
	"testing"

	"go.opentelemetry.io/otel/propagation"
	otel "go.opentelemetry.io/otel/trace"

	"github.com/spliceway/spliceway/trace"
)

// FuzzTraceparent reads the parent of a request as the library of OpenTelemetry does.
func FuzzTraceparent(f *testing.F) {
	addSeeds(f)
	f.Fuzz(func(t *testing.T, value string) {
		got, ok := trace.Parse([]byte(value))
		carrier := propagation.MapCarrier{trace.HeaderParent: value}
		want := otel.SpanContextFromContext(propagation.TraceContext{}.Extract(t.Context(), carrier))
		switch {
		case ok && !want.IsValid() && reservedFlags(value):
			// The library discards it; the Recommendation only gives those flags no meaning.
		case !ok && want.IsValid() && strings.HasPrefix(value, "00-") && strings.TrimSuffix(value, "-") != value:
			// The library does not see an empty part behind the last one; version 00 has none.
		case ok != want.IsValid():
			t.Fatalf("Parse(%q) = %v, the library finds %v", value, ok, want.IsValid())
		case ok && (otel.TraceID(got.TraceID) != want.TraceID() || otel.SpanID(got.SpanID) != want.SpanID() || got.Sampled != want.IsSampled()):
			t.Fatalf("Parse(%q) = %v, the library finds %v", value, got, want)
		}
		if !ok {
			return
		}
		passed := string(got.AppendParent(nil))
		again, ok := trace.Parse([]byte(passed))
		if !ok || again != got || !strings.HasPrefix(value[2:], passed[2:len(passed)-2]) {
			t.Fatalf("Parse(%q) is passed on as %q, and that read as %v", value, passed, again)
		}
	})
}

// reservedFlags tells values of version 00 with flags that have no meaning.
func reservedFlags(value string) bool {
	const flags = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-"
	return len(value) == len(flags)+2 && value[:2] == "00" && strings.Trim(value[len(flags):], "0123456789abcdef") == "" && value[len(flags):] > "03"
}

func traceparentSeeds(testing.TB) (seeds []seed) {
	const good = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
	for _, value := range []string{
		good, good[:54] + "0", good[:53] + "03", good[:53] + "ff", good + "-more", good + "-", "cc" + good[2:] + "-more", "cc" + good[2:] + ".", "ff" + good[2:],
		strings.ToUpper(good), good + " ", " " + good, good + "," + good, strings.Replace(good, "0af7651916cd43dd8448eb211c80319c", strings.Repeat("0", 32), 1),
		strings.Replace(good, "b7ad6b7169203331", strings.Repeat("0", 16), 1), strings.ReplaceAll(good, "-", "_"), "",
	} {
		seeds = append(seeds, seed{value})
	}
	return seeds
}
