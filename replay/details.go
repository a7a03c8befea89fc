package replay

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"
	"unicode/utf8"

	"github.com/spliceway/spliceway/record"
)

// A detail is a line of the description of a recording.
type detail struct{ name, value string }

// details returns all that metadata say, without what is empty.
func details(m *record.Metadata) []detail {
	var all []detail
	add := func(name, format string, values ...any) {
		if text := strings.TrimSpace(fmt.Sprintf(format, values...)); text != "" {
			all = append(all, detail{name, text})
		}
	}
	add("id", "%s", m.ID)
	add("state", "%s", m.State)
	add("started", "%s", stamp(m.Started))
	if m.Ended != nil {
		add("ended", "%s", stamp(*m.Ended))
	}
	add("length", "%s", Clock(time.Duration(m.Duration*float64(time.Second))))
	add("cause of end", "%s", m.Cause)
	if m.Exit != nil {
		add("exit status", "%d", *m.Exit)
	}
	add("user", "%s", m.User)
	add("groups", "%s", strings.Join(m.Groups, ", "))
	add("subject", "%s", m.Subject)
	if m.Service {
		add("service", "yes")
	}
	add("device", "%s", m.Device)
	add("from", "%s", m.RemoteAddr)
	add("cluster", "%s", m.Cluster)
	add("namespace", "%s", m.Namespace)
	add("pod", "%s", m.Pod)
	add("container", "%s", m.Container)
	add("node", "%s", m.Node)
	add("kind", "%s", m.Kind)
	add("command", "%s", commandLine(m.Command))
	add("terminal", "%s", terminalText(m))
	add("protocol", "%s %s", m.Protocol, m.Subprotocol)
	add("path", "%s", m.Path)
	add("connection", "%s", m.ConnID)
	add("request", "%s", m.RequestID)
	add("mode", "%s %s", m.Mode, parenthesized("rule", m.Rule))
	add("size", "%s (asciicast v%d)", size(m.Size), m.Format)
	add("output", "%s", size(m.Output))
	add("error output", "%s", size(m.ErrorOutput))
	add("typed", "%s", size(m.Input))
	return append(all, happened(m)...)
}

// happened returns what happened to a recording, and what came through it.
func happened(m *record.Metadata) []detail {
	var all []detail
	add := func(name, format string, values ...any) {
		all = append(all, detail{name, fmt.Sprintf(format, values...)})
	}
	if t := m.Truncated; t != nil {
		add("truncated", "%s at octet %d, %d octets of output lost: %s", stamp(t.Time), t.Offset, t.Lost, t.Reason)
	}
	if r := m.Recovery; r != nil {
		add("recovered", "%s, %d octets were sealed as they were written, %d octets of a cut line removed", stamp(r.Time), r.Proven, r.Torn)
		if r.Fault != "" {
			add("fault", "%s", r.Fault)
		}
	}
	for _, t := range m.Transfers {
		kept := ""
		if t.Offset != nil {
			kept = ", kept"
		}
		add(t.Direction, "%s, %s, mode %04o, SHA-256 %s%s", t.Name, size(t.Size), t.Mode, t.SHA256, kept)
	}
	for _, f := range m.Forwards {
		add("forwarded", "port %d: %d connections, %s up, %s down", f.Port, f.Connections, size(f.BytesUp), size(f.BytesDown))
	}
	if h := m.Hold; h != nil {
		add("held", "%s", holdText(h))
	}
	if d := m.Deletion; d != nil {
		add("deleted", "%s, %s: %s", stamp(d.Time), size(d.Size), d.Reason)
	}
	return all
}

func holdText(h *record.Hold) string {
	text := "since " + stamp(h.Since)
	if h.By != "" {
		text = "by " + h.By + " " + text
	}
	if h.Reason != "" {
		text += ": " + h.Reason
	}
	return text
}

func terminalText(m *record.Metadata) string {
	if !m.TTY {
		return "none"
	}
	return fmt.Sprintf("%d columns, %d rows", m.Cols, m.Rows)
}

func parenthesized(name, value string) string {
	if value == "" {
		return ""
	}
	return "(" + name + " " + value + ")"
}

func stamp(t time.Time) string { return t.UTC().Format("2006-01-02 15:04:05 UTC") }

// commandLine returns a command as it would be typed.
func commandLine(command []string) string {
	words := make([]string, len(command))
	for i, word := range command {
		if word == "" || strings.ContainsAny(word, " \t\n'\"\\$`;&|<>()*?[]#~!{}") {
			word = "'" + strings.ReplaceAll(word, "'", `'\''`) + "'"
		}
		words[i] = word
	}
	return strings.Join(words, " ")
}

// WriteDetails writes all that is known of a recording, a line for each thing.
func WriteDetails(w io.Writer, r *record.Recording) error {
	out := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	for _, d := range details(&r.Metadata) {
		if d.name == "state" {
			d.value = status(r)
		}
		fmt.Fprintf(out, "%s\t%s\n", Printable(d.name), Printable(d.value))
	}
	fmt.Fprintf(out, "file\t%s\n", Printable(r.Path))
	return out.Flush()
}

// A document is a recording in JSON.
type document struct {
	record.Metadata
	Status string `json:"status"` // see status
	Path   string `json:"file"`
}

// WriteJSON writes a recording as one line of JSON in which nothing is but
// printable characters.
func WriteJSON(w io.Writer, r *record.Recording) error {
	line, err := json.Marshal(document{r.Metadata, status(r), r.Path})
	if err != nil {
		return fmt.Errorf("replay: printing metadata: %w", err)
	}
	_, err = w.Write(append(asciiControls(line), '\n'))
	return err
}

// asciiControls escapes what Marshal leaves and a terminal might obey.
func asciiControls(line []byte) []byte {
	var out []byte
	for i := 0; i < len(line); {
		r, n := utf8.DecodeRune(line[i:])
		switch {
		case !unprintable(r):
			out = append(out, line[i:i+n]...)
		case r < 0x10000:
			out = fmt.Appendf(out, `\u%04x`, r)
		default:
			r -= 0x10000
			out = fmt.Appendf(out, `\u%04x\u%04x`, 0xd800+r>>10, 0xdc00+r&0x3ff)
		}
		i += n
	}
	return out
}
