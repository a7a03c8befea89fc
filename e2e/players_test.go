package e2e

import (
	"context"
	"fmt"
	"image/png"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/creack/pty"

	"github.com/spliceway/spliceway/e2e/stack"
	"github.com/spliceway/spliceway/e2e/upstream"
)

// What a session shows, in turn, each a second after the one before. Everything is
// cut in the midst of characters and escapes.
const (
	shownFirst  = "first: \x1b[31mred\x1b[0m \x1b[1;32mgreen\x1b[0m \x1b[48;2;40;60;200mblue\x1b[0m grüße € 日本語 ┌─┐ 😀\r\n"
	shownMiddle = "middle: \x1b[7mreverse\x1b[0m and a line that is longer than eighty columns, so that it needs the new size\r\n"
	shownLast   = "last\r\n"
)

// serveShow is the API server of a session that shows something.
func serveShow(w http.ResponseWriter, r *http.Request) {
	e, err := upstream.Accept(w, r)
	if err != nil {
		return
	}
	for _, text := range []string{shownFirst, shownMiddle, shownLast} {
		for i := 0; i < len(text); i += 3 {
			io.WriteString(e.Stdout, text[i:min(i+3, len(text))])
		}
		time.Sleep(time.Second)
	}
	e.End(upstream.Success)
}

// TestRecordingPlayers has a recording of each format played by the players that
// people have: the asciinema player in a page in a browser, and asciinema. It runs
// with E2E_BROWSER only, which is the path of a Chromium; see make browser.
func TestRecordingPlayers(t *testing.T) {
	browser := os.Getenv("E2E_BROWSER")
	if browser == "" {
		t.Skip("E2E_BROWSER names no browser")
	}
	t.Parallel()
	for _, format := range []string{"v2", "v3"} {
		t.Run(format, func(t *testing.T) {
			t.Parallel()
			dir := filepath.Join(t.TempDir(), "recordings")
			_, d := scriptedStack(t, serveShow, recordingsIn(dir, "strict", ", format: "+format))
			r := show(t, d, dir)
			wantPicture(t, browser, dir, r, "shown-"+format)
			wantStock(t, dir, r)
		})
	}
}

// show runs a session on a terminal that becomes larger, and returns its recording.
func show(t *testing.T, d *dialer, dir string) (found stack.Recording) {
	t.Helper()
	c, err := d.open(time.Now().Add(20 * time.Second)) // which ends it if we don't
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.Upgrade(upstream.WebSocketHead(execTarget("shown", true), "v5.channel.k8s.io")); err != nil {
		t.Fatal(err)
	}
	io.WriteString(c, upstream.Masked(upstream.FinBinary, "\x04"+`{"Width":110,"Height":12}`))
	err = c.Output(io.Discard)
	c.Close()
	if err != io.EOF {
		t.Fatal(err)
	}
	if !eventually(func() bool {
		all := recordings(t, dir)
		if len(all) == 1 {
			found = all[0]
		}
		return found.State == "complete"
	}) {
		t.Fatal("the recording does not end")
	}
	wantEqual(t, "output", found.Output, shownFirst+shownMiddle+shownLast)
	return found
}

// wantPicture opens the exported page in a browser without a network, at a time in
// the midst of the recording, and looks at what is drawn. The picture is kept
// where E2E_PICTURES says.
func wantPicture(t *testing.T, browser, dir string, r stack.Recording, name string) {
	t.Helper()
	page := filepath.Join(t.TempDir(), "page.html")
	sessions(t, "export", "--format", "html", "--output", page, "--dir", dir, r.ID)
	html, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	// The options of the player are data, which the page's policy does not cover.
	paused := strings.Replace(string(html), `{"preload": true`, `{"poster": "npt:1.6", "preload": true`, 1)
	if err := os.WriteFile(page, []byte(paused), 0o600); err != nil {
		t.Fatal(err)
	}
	dom := browse(t, browser, page, "--dump-dom")
	_, drawn, _ := strings.Cut(dom, "ap-player")
	for _, want := range []string{"red", "green", "grüße", "日", "😀", "middle: ", "reverse", "eighty columns, so that it needs the new size"} {
		if !strings.Contains(drawn, want) {
			t.Errorf("%q is not drawn", want)
		}
	}
	if strings.Contains(drawn, ">last") {
		t.Error("what comes later is drawn")
	}
	pictures := os.Getenv("E2E_PICTURES")
	if pictures == "" {
		pictures = t.TempDir()
	}
	picture := filepath.Join(pictures, name+".png")
	browse(t, browser, page, "--window-size=1200,700", "--screenshot="+picture)
	file, err := os.Open(picture)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	if _, err := png.Decode(file); err != nil {
		t.Errorf("%s: %v", picture, err)
	}
}

// browse has a browser with a profile of its own open a page.
func browse(t *testing.T, browser, page string, flags ...string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), commandTimeout)
	defer cancel()
	flags = append([]string{
		"--headless", "--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update",
		"--disable-sync", "--no-first-run", "--host-resolver-rules=MAP * ~NOTFOUND", "--user-data-dir=" + t.TempDir(),
		"--virtual-time-budget=5000",
	}, flags...)
	cmd := exec.CommandContext(ctx, browser, append(flags, "file://"+page)...)
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%s: %v", browser, err)
	}
	return string(out)
}

// wantStock plays a recording, as asciicast v2, with asciinema, which has to write
// the octets that the session wrote.
func wantStock(t *testing.T, dir string, r stack.Recording) {
	t.Helper()
	stock, err := exec.LookPath("asciinema")
	if err != nil {
		t.Skip("asciinema is not installed")
	}
	file := filepath.Join(t.TempDir(), "session.cast")
	sessions(t, "export", "--format", "v2", "--output", file, "--dir", dir, r.ID)
	for _, command := range []string{"cat", "play --speed 100"} {
		// It wants a terminal, which must not change what is written.
		cmd := exec.CommandContext(t.Context(), "sh", "-c", fmt.Sprintf(`stty raw -echo; exec "%s" %s "$0"`, stock, command), file)
		terminal, err := pty.Start(cmd)
		if err != nil {
			t.Fatal(err)
		}
		out, _ := io.ReadAll(terminal) // ends with an error, as terminals do
		terminal.Close()
		if err := cmd.Wait(); err != nil {
			t.Errorf("asciinema %s: %v: %q", command, err, out)
		}
		wantContains(t, "asciinema "+command, string(out), r.Output)
	}
}

// sessions runs one of the commands for recordings.
func sessions(t *testing.T, args ...string) {
	t.Helper()
	if out, err := exec.Command(run.binary, append([]string{"sessions"}, args...)...).CombinedOutput(); err != nil {
		t.Fatalf("spliceway sessions %s: %v\n%s", strings.Join(args, " "), err, out)
	}
}
