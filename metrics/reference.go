package metrics

import "strings"

// Family describes a metric.
type Family struct {
	Name   string
	Type   string // counter, gauge or histogram
	Help   string
	Labels []Label
}

// Label is a label of a metric. Either Values or Text is set.
type Label struct {
	Name   string
	Values []string // its values; a word that is none of them becomes "other", or is one that the next release lists
	Text   string   // what its values are, where the configuration or the build decides
}

// of is a label whose values are words of the program.
func of(name string, values ...string) Label { return Label{Name: name, Values: values} }

// Labels whose values have no bound but the configuration's.
func byCluster() Label { return Label{Name: "cluster", Text: "name of a cluster"} }

// Families returns the descriptions of all metrics whose names are ours, in the
// order of the reference.
func Families() []Family { return New(Build{}).families }

// document is the text of the reference but for its tables.
const document = `# Metrics

` + "`/metrics` on `metrics.listen`" + ` serves these metrics, and those of the Go runtime (` + "`go_*`" + `) and the process
(` + "`process_*`" + `). A series appears with its first event. Metrics without labels or with ` + "`cluster`" + ` alone, and series that
alerts ask about, start at zero instead. This page is generated from the code by ` + "`make docs`" + `.

The number of series is bounded, whatever clients send. ` + "`resource`" + ` is one of Kubernetes' own resources, or of the
subresources that sessions use; anything else is ` + "`other`" + `. If the list grew with what is seen, anybody could fill it by asking
for a hundred paths that do not exist, and it would differ between two gateways, so that their sums could not be compared.
Any other label takes a hundred distinct words, and ` + "`other`" + ` after that. Users, paths and namespaces are in the audit log.
`

// Document returns docs/metrics.md.
func Document() string {
	var b strings.Builder
	b.WriteString(document)
	for _, f := range Families() {
		b.WriteString("\n## " + f.Name + "\n\n" + f.Type + ". " + f.Help + "\n")
		for i, l := range f.Labels {
			if i == 0 {
				b.WriteString("\n| label | values |\n|---|---|\n")
			}
			b.WriteString("| `" + l.Name + "` | " + l.values() + " |\n")
		}
	}
	return b.String()
}

// values are the values of a label in the reference.
func (l *Label) values() string {
	if l.Text != "" {
		return l.Text
	}
	return "`" + strings.Join(l.Values, "` `") + "`"
}
