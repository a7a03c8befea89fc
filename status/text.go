package status

import (
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"
	"unicode"

	"github.com/charmbracelet/x/ansi"
)

// Write writes r as text: what concerns the gateway as lines, limits, connections and streams as tables. Lines that are longer
// than width columns are cut; if width is zero, none is.
func (r *Report) Write(w io.Writer, width int) error {
	var b strings.Builder
	out := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	r.facts(out)
	out.Flush() // to memory
	b.WriteByte('\n')
	r.limits(out)
	out.Flush()
	b.WriteByte('\n')
	r.connections(out)
	out.Flush()
	if len(r.Streams) > 0 {
		b.WriteByte('\n')
		r.streams(out)
		out.Flush()
	}
	for line := range strings.Lines(b.String()) {
		line = strings.TrimRight(line, " \n")
		if width > 0 {
			line = ansi.Truncate(line, width, "…")
		}
		if _, err := fmt.Fprintln(w, line); err != nil {
			return err
		}
	}
	return nil
}

func (r *Report) facts(w io.Writer) {
	line := func(name, format string, args ...any) {
		fmt.Fprintf(w, "%s\t%s\n", name, printable(fmt.Sprintf(format, args...)))
	}
	word := "serving"
	if r.Draining {
		word = "draining: no new connections are taken"
	}
	line("gateway", "%s, version %s, pid %d, for %s", word, r.Version, r.PID, r.ago(r.Started))
	line("configuration", "loaded %s ago", r.ago(r.Configuration.Loaded))
	if r.Configuration.Refused != "" {
		line("", "a later one was refused: %s", r.Configuration.Refused)
	}
	line("connections", "%d authenticated, %d streams", len(r.Connections), len(r.Streams))
	fetched := "never read"
	if r.Keys.Fetched != nil {
		fetched = "read " + r.ago(*r.Keys.Fetched) + " ago"
	}
	line("signing keys", "%s, %s", fetched, r.Keys.Source)
	for _, c := range r.Certificates {
		line("certificate", "%s, %s", r.expiry(c.Expires), c.File)
	}
	for _, c := range r.Clusters {
		state := "reachable"
		if c.Error != "" {
			state = c.Error
		}
		line("cluster "+printable(c.Name), "%s, %d connections in use, %d kept, %s", c.Address, c.Active, c.Idle, state)
	}
	if s := r.Recordings; s != nil {
		text := fmt.Sprintf("%d being written, %s in all", s.Active, octets(s.Used))
		if s.Quota > 0 {
			text += " of at most " + octets(s.Quota)
		}
		if s.Error != "" {
			text += ", none can be made: " + s.Error
		}
		line("recordings", "%s", text)
	}
	for _, p := range r.Problems {
		line("PROBLEM", "%s", p)
	}
}

func (r *Report) limits(w io.Writer) {
	row(w, "LIMIT", "CLUSTER", "IN USE", "AT MOST")
	for _, l := range r.Limits {
		most := "no limit"
		if l.Most != nil {
			most = strconv.Itoa(*l.Most)
		}
		row(w, l.Name, l.Cluster, strconv.Itoa(l.InUse), most)
	}
}

func (r *Report) connections(w io.Writer) {
	row(w, "USER", "FROM", "CLUSTER", "AGE", "TOKEN ENDS", "STATE", "REQUESTS", "UP", "DOWN", "CONNECTION", "GROUPS")
	for _, c := range r.Connections {
		state := "busy"
		if c.Idle {
			state = "idle"
		}
		row(w, c.User, c.RemoteAddr, c.Cluster, r.ago(c.Since), r.until(c.Expires), state, strconv.FormatInt(c.Requests, 10),
			octets(c.BytesUp), octets(c.BytesDown), c.ID, strings.Join(c.Groups, ","))
	}
}

func (r *Report) streams(w io.Writer) {
	row(w, "USER", "KIND", "WHERE", "AGE", "UP", "DOWN", "RECORDING", "COMMAND")
	for _, s := range r.Streams {
		where := slices.DeleteFunc([]string{s.Cluster, s.Node, s.Namespace, s.Pod, s.Container}, func(part string) bool { return part == "" })
		recording := s.SessionID
		switch {
		case recording != "":
		case s.Mode == "off" && s.Rule != "":
			recording = "none, by rule " + s.Rule
		default:
			recording = "none"
		}
		row(w, s.User, s.Kind, strings.Join(where, "/"), r.ago(s.Since), octets(s.BytesUp), octets(s.BytesDown), recording,
			commandLine(s.Command))
	}
}

func row(w io.Writer, cells ...string) {
	for i, cell := range cells {
		cells[i] = printable(cell)
	}
	fmt.Fprintln(w, strings.Join(cells, "\t"))
}

// printable returns s without what a terminal would obey. Paths and commands are of a user's choosing.
func printable(s string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsPrint(r) {
			return r
		}
		return '?'
	}, s)
}

// commandLine shows where one argument ends and the next begins.
func commandLine(command []string) string {
	words := make([]string, len(command))
	for i, word := range command {
		if words[i] = word; word == "" || strings.ContainsAny(word, " \t\n\"'") {
			words[i] = strconv.Quote(word)
		}
	}
	return strings.Join(words, " ")
}

// ago is how long before the report something was.
func (r *Report) ago(t time.Time) string { return short(r.Time.Sub(t)) }

// until is how long behind the report something will be.
func (r *Report) until(t time.Time) string { return short(t.Sub(r.Time)) }

func (r *Report) expiry(t time.Time) string {
	if !t.After(r.Time) {
		return "EXPIRED " + r.ago(t) + " ago"
	}
	return "expires in " + r.until(t)
}

// short is a duration in its two largest units.
func short(d time.Duration) string {
	const day = 24 * time.Hour
	switch {
	case d < 0:
		return "0s"
	case d < time.Minute:
		return d.Truncate(time.Second).String()
	case d < time.Hour:
		return fmt.Sprintf("%dm%02ds", d/time.Minute, d%time.Minute/time.Second)
	case d < day:
		return fmt.Sprintf("%dh%02dm", d/time.Hour, d%time.Hour/time.Minute)
	}
	return fmt.Sprintf("%dd%02dh", d/day, d%day/time.Hour)
}

// octets is a number of octets with one of the units of the configuration.
func octets(n int64) string {
	const unit = 1 << 10
	if n < unit {
		return strconv.FormatInt(n, 10) + "B"
	}
	value, suffix := float64(n), ""
	for _, suffix = range []string{"KiB", "MiB", "GiB", "TiB"} {
		if value /= unit; value < unit {
			break
		}
	}
	return strconv.FormatFloat(value, 'f', 1, 64) + suffix
}
