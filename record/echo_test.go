package record

import (
	"strings"
	"testing"
	"time"
)

// A conversation is lines of "> typed" and "< shown", in which ~ is ESC, ^ CR,
// _ LF, % DEL and @ BS.
func converse(t *testing.T, s *testStore, session Session, conversation string) (typed string) {
	t.Helper()
	r := s.start(session)
	at := time.Duration(0)
	special := strings.NewReplacer("~", "\x1b", "^", "\r", "_", "\n", "%", "\x7f", "@", "\b")
	for line := range strings.SplitSeq(strings.TrimSpace(conversation), "\n") {
		direction, text, _ := strings.Cut(strings.TrimSpace(line), " ")
		p := []byte(special.Replace(text))
		at += 100 * time.Millisecond
		switch direction {
		case ">":
			must(t, r.Input(at, p))
		case "<":
			must(t, r.Output(at, p))
		case "...":
			at += 10 * time.Second
		}
	}
	must(t, r.Close(End{}))
	for _, e := range readAll(t, readFile(t, r.path())) {
		if e.Code == 'i' {
			typed += string(e.Text)
		}
	}
	return typed
}

func TestInputIsRecordedWhenItWasShown(t *testing.T) {
	s := openStore(t, t.TempDir(), func(cfg *Config) { cfg.Input = true })
	for _, c := range []struct {
		name, conversation, want string
	}{
		{"keys", "> l\n< l\n> s\n< s\n> ^\n< ^_file^_$", "ls\r"},
		{"pasted", "> ls -la^\n< ls -la^_total 0^_", "ls -la\r"},
		{"echo-in-parts", "> ls -la^\n< ls\n<  -la^_total 0^_", "ls -la\r"},
		{"in-colour", "> l\n< ~[1;31ml~[0m\n> s\n< @~[32mls~[0m\n> ^\n< ^_", "ls\r"},
		{"redrawn", "> l\n< ^~[Kl\n> ^\n< ^_", "l\r"},
		{"corrected", "> x\n< x\n> %\n< @ @\n> l\n< l\n> ^\n< ^_", "x\x7fl\r"},
		{"history", "> ~[A\n< ls -la\n> ^\n< ^_", "\x1b[A\r"},
		{"other-letters", "> größe^\n< größe^_", "größe\r"},
		{"enter-only", "> ^\n< ^_$", "\r"},
		{"output-before-the-echo", "> l\n< [1]+ Done^_\n< l\n> ^\n< ^_", "l\r"},

		{"password", "< Password: \n> s3cret^\n< ^_Last login: today^_$", ""},
		{"password-key-by-key", "< Password: \n> s\n> 3\n> c\n> ^\n< ^_Sorry^_$ \n< x\n< x\n< x\n< x", ""},
		{"password-as-stars", "> s\n< *\n> 3\n< *\n> ^\n< ^_ok^_\n< ok\n< ok\n< ok", ""},
		{"then-a-command", "> pw^\n< ^_welcome^_\n< a\n< b\n< c\n< d\n> ls^\n< ls^_", "ls\r"},
		{"first-character-shown-by-chance", "> secret^\n< s^_\n< x\n< x\n< x\n< x\n< x", ""},
		{"too-late", "> ls^\n...\n< nothing\n< ls^_", ""},
		{"as-escape-sequences", "> ~[115;1u~[51u^\n< ^_welcome^_", ""},
		{"as-modified-keys", "> ~[27;5;115~^\n< ^_welcome^_", ""},
		{"never-ended", "> ls\n< ls", ""},
	} {
		conversation := strings.ReplaceAll(c.conversation, "115~^", "115\x7e^")
		if got := converse(t, s, alice(), conversation); got != c.want {
			t.Errorf("%s: recorded %q, want %q", c.name, got, c.want)
		}
	}
}

func TestInputWithoutTerminalIsRecorded(t *testing.T) {
	s := openStore(t, t.TempDir(), func(cfg *Config) { cfg.Input = true })
	session := alice()
	session.TTY = false
	if got := converse(t, s, session, "> id_exit_\n< uid=0_"); got != "id\nexit\n" {
		t.Errorf("recorded %q", got)
	}
}

func TestInputIsNotRecordedUnasked(t *testing.T) {
	s := openStore(t, t.TempDir(), nil)
	if got := converse(t, s, alice(), "> ls^\n< ls^_"); got != "" {
		t.Errorf("recorded %q", got)
	}
}

func TestInputThatWaitsIsBounded(t *testing.T) {
	e := &echo{}
	for i := range 10_000 {
		e.input(0, []byte("some words that nobody shows"))
		if i%100 == 0 {
			e.input(0, []byte("\r"))
		}
		if e.size > maxTyped+100 {
			t.Fatalf("%d octets wait", e.size)
		}
	}
}
