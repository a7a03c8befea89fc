package replay

import (
	"fmt"
	"io"
	"strings"
	"text/tabwriter"

	"github.com/charmbracelet/x/ansi"

	"github.com/spliceway/spliceway/record"
)

// shortID is how much of an id is shown in a narrow table: the time to the
// millisecond and 12 bits that are random. Commands take the beginning of an id.
const shortID = 12

// maxCell returns how long user, state and place may be in a table that has to
// fit: a quarter each of what the columns before leave.
func (t *Table) maxCell() int {
	const before, gap = 36, 2
	return min(max((t.Width-before)/4-gap, 8), 28)
}

// A Table lists recordings.
type Table struct {
	Width int  // columns that lines have to fit in; if zero, they are as long as need be
	Wide  bool // more to be told of each

	rows [][]string
}

// Add adds a recording.
func (t *Table) Add(r *record.Recording) {
	id, started := r.ID, "2006-01-02 15:04:05"
	if t.Width > 0 {
		id, started = id[:min(len(id), shortID)], "01-02 15:04"
	}
	row := []string{Printable(id), r.Started.UTC().Format(started), length(r.Duration)}
	for i, text := range []string{r.User, status(r), where(r)} {
		text = Printable(text)
		if cut := ansi.StringWidth(text) - t.maxCell(); t.Width > 0 && cut > 0 && i == 2 {
			text = ansi.TruncateLeft(text, cut+1, "…") // the pod is at the end
		} else if t.Width > 0 {
			text = ansi.Truncate(text, t.maxCell(), "…")
		}
		row = append(row, text)
	}
	if t.Wide {
		exit := ""
		if r.Exit != nil {
			exit = fmt.Sprint(*r.Exit)
		}
		row = append(row, Printable(r.Kind), Printable(r.Container), Printable(r.RemoteAddr), exit, size(r.Size))
	}
	row = append(row, Printable(commandLine(r.Command)))
	t.rows = append(t.rows, row)
}

// where returns cluster, namespace and pod.
func where(r *record.Recording) string {
	parts := []string{r.Cluster}
	for _, part := range []string{r.Namespace, r.Pod} {
		if part != "" {
			parts = append(parts, part)
		}
	}
	return strings.Join(parts, "/")
}

// Write writes what was added. Lines that do not fit are cut at their end, where
// the command is.
func (t *Table) Write(w io.Writer) error {
	head := []string{"ID", "STARTED (UTC)", "LENGTH", "USER", "STATE", "WHERE"}
	if t.Wide {
		head = append(head, "KIND", "CONTAINER", "FROM", "EXIT", "SIZE")
	}
	var b strings.Builder
	out := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	for _, row := range append([][]string{append(head, "COMMAND")}, t.rows...) {
		fmt.Fprintln(out, strings.Join(row, "\t"))
	}
	if err := out.Flush(); err != nil {
		return err
	}
	for line := range strings.Lines(b.String()) {
		line = strings.TrimRight(line, " \n")
		if t.Width > 0 {
			line = ansi.Truncate(line, t.Width, "…")
		}
		if _, err := fmt.Fprintln(w, line); err != nil {
			return err
		}
	}
	return nil
}
