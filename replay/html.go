package replay

import (
	"bufio"
	"bytes"
	"cmp"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"html"
	"io"
	"strings"
	"time"

	"github.com/spliceway/spliceway/record"
)

// ErrNoPlayer is of binaries that can't make pages.
var ErrNoPlayer = errors.New("replay: this binary was built without the asciinema player")

// pageScript starts the player. It is the only script of ours in a page.
const pageScript = `
const octets = Uint8Array.from(atob(document.getElementById("cast").textContent), c => c.charCodeAt(0));
const options = JSON.parse(document.getElementById("options").textContent);
AsciinemaPlayer.create({data: new TextDecoder().decode(octets)}, document.getElementById("player"), options);
`

const pageStyle = `
body { margin: 2em auto; max-width: 80em; padding: 0 1em; font: 15px/1.5 sans-serif; color: #222; background: #fff; }
h1 { font-size: 1.3em; overflow-wrap: anywhere; }
table { border-spacing: 0; margin-top: 1.5em; }
td { padding: 0 1em 0 0; vertical-align: top; overflow-wrap: anywhere; }
td:first-child { color: #777; white-space: nowrap; }
`

// WriteHTML writes a page that plays a recording without any other file and
// without a network. meta may be nil. What is from the recording is in it as
// escaped text or as base64, and the page's policy allows the two scripts that
// are in it by their digests, WebAssembly, and no request whatsoever.
func WriteHTML(w io.Writer, r *record.Reader, meta *record.Metadata, idle time.Duration) error {
	if len(playerScript) == 0 {
		return ErrNoPlayer
	}
	return writePage(w, r, meta, idle, playerScript, playerStyle)
}

func writePage(w io.Writer, r *record.Reader, meta *record.Metadata, idle time.Duration, script, style []byte) error {
	if !embeddable(script) || !embeddable(style) {
		return errors.New("replay: the asciinema player has the end of its element in it")
	}
	title := html.EscapeString(Printable(cmp.Or(r.Header.Title, r.Header.ID, "recording")))
	out := bufio.NewWriter(w)
	fmt.Fprintf(out, `<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; script-src '%s' '%s' 'wasm-unsafe-eval'; style-src 'unsafe-inline'; img-src data:; font-src data:; base-uri 'none'; form-action 'none'">
<title>%s</title>
<!-- With asciinema player, https://github.com/asciinema/asciinema-player, Apache License 2.0. -->
<style>%s</style>
<style>%s</style>
</head>
<body>
<h1>%s</h1>
<div id="player"></div>
%s`, digest(script), digest([]byte(pageScript)), title, style, pageStyle, title, facts(meta))
	if idle > 0 {
		fmt.Fprintf(out, `<script type="application/json" id="options">{"preload": true, "idleTimeLimit": %g}</script>`, idle.Seconds())
	} else {
		fmt.Fprint(out, `<script type="application/json" id="options">{"preload": true}</script>`)
	}
	fmt.Fprint(out, "\n<script type=\"text/plain\" id=\"cast\">")
	encoder := base64.NewEncoder(base64.StdEncoding, out)
	if err := WriteCast(encoder, r, r.Header.Version); err != nil {
		return err
	}
	if err := encoder.Close(); err != nil {
		return err
	}
	fmt.Fprintf(out, "</script>\n<script>%s</script>\n<script>%s</script>\n</body>\n</html>\n", script, pageScript)
	return out.Flush()
}

// embeddable tells whether an element ends behind a text and not in it. HTML
// Standard, Section 4.12.1.3, names what can't stand in a script.
func embeddable(text []byte) bool {
	lower := bytes.ToLower(text)
	for _, part := range []string{"</script", "<script", "<!--", "</style"} {
		if bytes.Contains(lower, []byte(part)) {
			return false
		}
	}
	return true
}

// digest returns how a policy names a script.
func digest(script []byte) string {
	sum := sha256.Sum256(script)
	return "sha256-" + base64.StdEncoding.EncodeToString(sum[:])
}

// facts returns the metadata as a table.
func facts(meta *record.Metadata) string {
	if meta == nil {
		return ""
	}
	var b strings.Builder
	b.WriteString("<table>\n")
	for _, fact := range details(meta) {
		fmt.Fprintf(&b, "<tr><td>%s</td><td>%s</td></tr>\n", html.EscapeString(fact.name), html.EscapeString(Printable(fact.value)))
	}
	b.WriteString("</table>\n")
	return b.String()
}
