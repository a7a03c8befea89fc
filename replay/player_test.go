package replay

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/spliceway/spliceway/record"
)

// A stopwatch notes when what was written.
type stopwatch struct {
	start time.Time
	log   []string
}

func (s *stopwatch) Write(p []byte) (int, error) {
	s.log = append(s.log, fmt.Sprintf("%v %q", time.Since(s.start), p))
	return len(p), nil
}

var song = []output{{time.Second, "one"}, {2 * time.Second, "two"}, {12 * time.Second, "three"}, {13 * time.Second, "four"}}

// A press is a key that is pressed at some time.
type press struct {
	at  time.Duration
	key Key
}

func TestPlay(t *testing.T) {
	for _, row := range []struct {
		name    string
		cfg     Config
		presses []press
		want    string
		end     Played
	}{
		{"as-it-was", Config{}, nil, `1s "one", 2s "two", 12s "three", 13s "four"`, Played{Position: 13 * time.Second}},
		{"faster", Config{Speed: 4}, nil, `250ms "one", 500ms "two", 3s "three", 3.25s "four"`, Played{Position: 13 * time.Second}},
		{"idle-limit", Config{IdleLimit: 3 * time.Second}, nil, `1s "one", 2s "two", 5s "three", 6s "four"`, Played{Position: 13 * time.Second}},
		{"idle-limit-and-faster", Config{IdleLimit: 3 * time.Second, Speed: 2}, nil, `500ms "one", 1s "two", 2.5s "three", 3s "four"`, Played{Position: 13 * time.Second}},
		{"start", Config{Start: 11 * time.Second}, nil, `0s "one", 0s "two", 1s "three", 2s "four"`, Played{Position: 13 * time.Second}},
		{"start-behind-the-end", Config{Start: time.Hour}, nil, `0s "one", 0s "two", 0s "three", 0s "four"`, Played{Position: 13 * time.Second}},
		{"paused-first", Config{Paused: true}, []press{{5 * time.Second, KeyPause}}, `6s "one", 7s "two", 17s "three", 18s "four"`, Played{Position: 13 * time.Second}},
		{"pause", Config{}, []press{{1500 * time.Millisecond, KeyPause}, {4 * time.Second, KeyPause}},
			`1s "one", 6s "two", 16s "three", 17s "four"`, Played{Position: 13 * time.Second}},
		{"step", Config{Paused: true}, []press{{time.Second, KeyStep}, {time.Second, KeyStep}, {time.Second, KeyPause}},
			`1s "one", 2s "two", 13s "three", 14s "four"`, Played{Position: 13 * time.Second}},
		{"quit", Config{}, []press{{1500 * time.Millisecond, KeyQuit}}, `1s "one"`, Played{Position: 1500 * time.Millisecond, Quit: true}},
		{"on", Config{}, []press{{3 * time.Second, KeyForward}, {time.Second, KeyForward}},
			`1s "one", 2s "two", 4s "three", 4s "four"`, Played{Position: 13 * time.Second}},
		{"speed", Config{}, []press{{2 * time.Second, KeyFaster}, {time.Second, KeySlower}, {0, KeySlower}},
			`1s "one", 2s "two", 19s "three", 21s "four"`, Played{Position: 13 * time.Second}},
	} {
		t.Run(row.name, func(t *testing.T) {
			found := recorded(t, record.V3, song...)
			synctest.Test(t, func(t *testing.T) {
				got, end := played(t, found, row.cfg, row.presses)
				if got != row.want {
					t.Errorf("written was\n%s\nwant\n%s", got, row.want)
				}
				row.end.Cols, row.end.Rows = 40, 6
				if !row.end.Quit {
					row.end.Exit = "3"
				}
				if end != row.end {
					t.Errorf("the end is %+v, want %+v", end, row.end)
				}
			})
		})
	}
}

// played plays with keys that are pressed one after the other.
func played(t *testing.T, found *record.Recording, cfg Config, presses []press) (string, Played) {
	t.Helper()
	watch := &stopwatch{start: time.Now()}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	if presses != nil {
		keys := make(chan Key)
		cfg.Keys = keys
		go func() { // until all are pressed or ctx is done
			for _, p := range presses {
				time.Sleep(p.at)
				select {
				case keys <- p.key:
				case <-ctx.Done():
					return
				}
			}
		}()
	}
	end, err := Play(ctx, watch, func() (*record.File, error) { return record.OpenFile(found.Path) }, cfg)
	if err != nil {
		t.Fatal(err)
	}
	return strings.Join(watch.log, ", "), end
}

// To go back is to begin anew on a terminal that was brought back.
func TestPlayBack(t *testing.T) {
	found := recorded(t, record.V2, song...)
	synctest.Test(t, func(t *testing.T) {
		got, _ := played(t, found, Config{}, []press{{6500 * time.Millisecond, KeyBack}})
		var fresh filter
		reset := string(fresh.appendEnd(nil))
		want := fmt.Sprintf(`1s "one", 2s "two", 6.5s %q, 6.5s "\x1b[H\x1b[2J", 6.5s "one", 7s "two", 17s "three", 18s "four"`, reset)
		if got != want {
			t.Errorf("written was\n%s\nwant\n%s", got, want)
		}
	})
}

func TestPlayTerminal(t *testing.T) {
	hostile := "\x1b]52;c;eA==\a\x1b[?1049h\x1b[?1000h\x1b[chello"
	for _, row := range []struct {
		name       string
		unfiltered bool
		want       string
	}{
		{"filtered", false, "\x1b[?1049hhello" + "\x1b[?1049l"},
		{"unfiltered", true, hostile + inputModes + "\x1b[?1049l"},
	} {
		t.Run(row.name, func(t *testing.T) {
			found := recorded(t, record.V2, output{0, hostile})
			var b strings.Builder
			_, err := Play(t.Context(), &b, func() (*record.File, error) { return record.OpenFile(found.Path) },
				Config{Terminal: true, Unfiltered: row.unfiltered})
			if err != nil {
				t.Fatal(err)
			}
			var fresh filter
			if want := row.want + string(fresh.appendEnd(nil)); b.String() != want {
				t.Errorf("written was %q, want %q", b.String(), want)
			}
		})
	}
}

// However it ends, the terminal is brought back.
func TestPlayCancelled(t *testing.T) {
	found := recorded(t, record.V2, song...)
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), 1500*time.Millisecond)
		defer cancel()
		var b strings.Builder
		_, err := Play(ctx, &b, func() (*record.File, error) { return record.OpenFile(found.Path) }, Config{Terminal: true})
		var fresh filter
		if want := "one" + string(fresh.appendEnd(nil)); !errors.Is(err, context.DeadlineExceeded) || b.String() != want {
			t.Errorf("written was %q, want %q; err = %v", b.String(), want, err)
		}
	})
}

func TestReadKeys(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var got []Key
	for key := range ReadKeys(ctx, strings.NewReader("x .\x1b[C\x1bOD\x1b[A\x1b[B\x1b[Zq\x03\x1b")) {
		got = append(got, key)
	}
	want := []Key{KeyPause, KeyStep, KeyForward, KeyBack, KeyFaster, KeySlower, KeyQuit, KeyQuit}
	if fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("keys are %v, want %v", got, want)
	}
}

func TestFollow(t *testing.T) {
	dir := t.TempDir()
	store, err := record.Open(record.Config{Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	r, err := store.Start(record.Session{Kind: "exec", TTY: true}, nil)
	if err != nil {
		t.Fatal(err)
	}
	found, err := record.Find(dir, r.ID())
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancelCause(t.Context())
	defer cancel(nil)
	file, err := record.Follow(ctx, found.Path)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	written := make(chan string)
	go func() { // until the recording ends
		defer close(written)
		if _, err := Follow(channel(written), file, Config{}, cancel); err != nil {
			t.Error(err)
		}
	}()
	for _, text := range []string{"one", "two", "three"} {
		if err := r.Output(0, []byte(text+"\x1b[c")); err != nil {
			t.Fatal(err)
		}
		if got := <-written; got != text {
			t.Errorf("written was %q, want %q", got, text)
		}
	}
	if err := r.Close(record.End{}); err != nil {
		t.Fatal(err)
	}
	if rest, open := <-written; open {
		t.Errorf("written was %q behind the end", rest)
	}
}

// A channel is written to.
type channel chan<- string

func (c channel) Write(p []byte) (int, error) {
	c <- string(p)
	return len(p), nil
}

func TestFollowQuit(t *testing.T) {
	found := recorded(t, record.V2, song...)
	ctx, cancel := context.WithCancelCause(t.Context())
	file, err := record.Follow(ctx, found.Path)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	keys := make(chan Key, 1)
	keys <- KeyQuit
	close(keys)
	quit(keys, cancel) // as its goroutine does
	played, err := Follow(new(strings.Builder), file, Config{}, cancel)
	if err != nil || !played.Quit {
		t.Errorf("Follow = %+v, %v", played, err)
	}
}
