package record

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// A logBuffer is a log that many write to.
type logBuffer struct {
	mu  sync.Mutex
	buf bytes.Buffer // guarded by mu
}

func (l *logBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.Write(p)
}

// shipped returns a log with two recordings in it, made with and without a
// directory, and the store of the one with.
func shipped(t *testing.T) (log []string, s *testStore, r, lone *Recorder) {
	t.Helper()
	var buf logBuffer
	s = openStore(t, t.TempDir(), func(cfg *Config) { cfg.Lines = &buf })
	without := openStore(t, "", func(cfg *Config) {
		cfg.Lines = &buf
		cfg.KeyFile = filepath.Join(s.dir, keyFile)
	})
	r, lone = s.start(alice()), without.start(alice())
	for i := range 30 {
		must(t, r.Output(time.Duration(i)*time.Second, wideFrame(1+i*500)))
		fmt.Fprintln(&buf, `{"event":"request","conn_id":"x","path":"/api"}`)
		must(t, lone.Output(time.Duration(i)*time.Second, textFrame(100)))
	}
	must(t, r.Exit(31*time.Second, 0))
	must(t, r.Close(End{}))
	must(t, lone.Close(End{Cause: "done"}))
	log = slices.Collect(strings.Lines(buf.buf.String()))
	for _, line := range log {
		if len(line) >= 8<<10 {
			t.Fatalf("a line of %d octets", len(line))
		}
		if !json.Valid([]byte(line)) {
			t.Fatalf("a line that is no JSON: %q", line)
		}
	}
	return log, s, r, lone
}

func collect(t *testing.T, lines []string) (dir string, results map[string]Collected) {
	t.Helper()
	dir = t.TempDir()
	list, err := Collect(dir, strings.NewReader(strings.Join(lines, "")))
	must(t, err)
	results = make(map[string]Collected)
	for _, c := range list {
		results[c.ID] = c
	}
	if left, _ := filepath.Glob(filepath.Join(dir, "*"+tempSuffix)); len(left) > 0 {
		t.Errorf("left: %q", left)
	}
	return dir, results
}

func TestCollect(t *testing.T) {
	log, s, r, lone := shipped(t)
	dir, results := collect(t, log)
	if len(results) != 2 {
		t.Fatalf("%d recordings, want 2", len(results))
	}
	for _, recorder := range []*Recorder{r, lone} {
		c := results[recorder.ID()]
		if !c.Complete() || c.Duplicates+c.Reordered != 0 {
			t.Errorf("collected %+v, want all and in order", c)
		}
		if v := verify(t, c.Path, s.PublicKey()); !v.OK() || v.State != StateComplete {
			t.Errorf("verdict %s", v)
		}
	}
	base, _ := basePath(dir, r.ID())
	for _, suffix := range []string{castSuffix, sealSuffix, metaSuffix} {
		if readFile(t, base+suffix) != readFile(t, r.base+suffix) {
			t.Errorf("the %s is another than that of the store", suffix)
		}
	}
}

func TestCollectShuffledDoubledAndWrapped(t *testing.T) {
	log, s, r, lone := shipped(t)
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 0))
	var lines []string
	for _, line := range log {
		lines = append(lines, line)
		switch random.IntN(4) {
		case 0:
			lines = append(lines, "2026-03-09T12:00:00Z stdout F "+line)
		case 1:
			text, err := json.Marshal(map[string]string{"log": line, "stream": "stdout"})
			must(t, err)
			lines = append(lines, string(text)+"\n")
		}
	}
	random.Shuffle(len(lines), func(i, j int) { lines[i], lines[j] = lines[j], lines[i] })
	_, results := collect(t, lines)
	for _, recorder := range []*Recorder{r, lone} {
		c := results[recorder.ID()]
		if !c.Complete() || c.Duplicates == 0 || c.Reordered == 0 {
			t.Errorf("collected %+v, want all, out of order and doubled", c)
		}
		if v := verify(t, c.Path, s.PublicKey()); !v.OK() {
			t.Errorf("verdict %s", v)
		}
	}
}

// TestCollectLineMissingEverywhere leaves out one line after the other.
func TestCollectLineMissingEverywhere(t *testing.T) {
	log, s, r, _ := shipped(t)
	whole := readFile(t, r.path())
	for i := 0; i < len(log); i += step {
		found, ok := findLine([]byte(log[i]))
		if !ok || found.ID != r.ID() {
			continue
		}
		_, results := collect(t, slices.Delete(slices.Clone(log), i, i+1))
		c := results[r.ID()]
		if c.Complete() || len(c.Gaps) == 0 || c.Gaps[0].First != found.Seq {
			t.Errorf("without line %d of the %s: %+v", found.Seq, found.File, c)
		}
		v := verify(t, c.Path, s.PublicKey())
		switch {
		case found.File != "cast":
			if readFile(t, c.Path) != whole {
				t.Errorf("without line %d of the %s the .cast is another", found.Seq, found.File)
			}
		case v.OK():
			t.Errorf("without line %d: %s", found.Seq, v)
		case c.Missing[0] != Gap{found.Offset, found.Offset + int64(len(found.Data)) - 1}:
			t.Errorf("without line %d: missing %v", found.Seq, c.Missing)
		default:
			checkGap(t, c, whole)
		}
	}
}

// checkGap checks that a .cast with a gap is one, and has what is there.
func checkGap(t *testing.T, c Collected, whole string) {
	t.Helper()
	cast := readFile(t, c.Path)
	marked := false
	last := time.Duration(0)
	for _, e := range readAll(t, cast) {
		marked = marked || e.Code == 'm' && strings.Contains(string(e.Text), "missing")
		if e.Torn || e.Time < last {
			t.Errorf("with octets %v missing: event %c at %v after %v, torn %v", c.Missing, e.Code, e.Time, last, e.Torn)
		}
		last = e.Time
	}
	if !marked {
		t.Errorf("octets %v missing: no marker", c.Missing)
	}
	got, want := strings.Count(cast, "\n"), strings.Count(whole, "\n")
	if got < want-20 {
		t.Errorf("octets %v missing: %d lines of %d", c.Missing, got, want)
	}
}

func TestCollectAltered(t *testing.T) {
	log, s, r, _ := shipped(t)
	i := slices.IndexFunc(log, func(line string) bool {
		return strings.Contains(line, r.ID()) && strings.Contains(line, `"seq":9,`)
	})
	altered := strings.Replace(log[i], "французских", "английских!", 1)
	if altered == log[i] {
		t.Fatalf("nothing to change in %s", log[i])
	}
	_, results := collect(t, slices.Replace(slices.Clone(log), i, i+1, altered))
	c := results[r.ID()]
	if c.Altered != 1 || c.Complete() {
		t.Errorf("collected %+v, want one line altered", c)
	}
	if v := verify(t, c.Path, s.PublicKey()); v.OK() {
		t.Errorf("verdict %s", v)
	}
	_, results = collect(t, slices.Insert(slices.Clone(log), i+1, altered))
	if c := results[r.ID()]; c.Conflicts != 1 || c.Complete() {
		t.Errorf("collected %+v, want one conflict", c)
	}
}

func TestCollectCutAnywhere(t *testing.T) {
	log, s, r, _ := shipped(t)
	for i := 0; i < len(log); i += 7 {
		_, results := collect(t, log[:i])
		c, ok := results[r.ID()]
		if !ok {
			continue
		}
		if c.Complete() || c.Gaps[len(c.Gaps)-1].Last != -1 {
			t.Errorf("cut at line %d: %+v", i, c)
		}
		if v := verify(t, c.Path, s.PublicKey()); !v.OK() || v.State != StateOpen {
			t.Errorf("cut at line %d: %s", i, v)
		}
		readAll(t, readFile(t, c.Path))
	}
}

func TestLinesFail(t *testing.T) {
	s := openStore(t, t.TempDir(), func(cfg *Config) { cfg.Lines = &failingWriter{left: 12} })
	r := s.start(alice())
	var err error
	taken := ""
	for err == nil {
		if err = r.Output(0, []byte("abc")); err == nil {
			taken += "abc"
		}
	}
	if got := octets(t, readFile(t, r.path())); got != taken {
		t.Errorf("the .cast has %q, taken was %q", got, taken)
	}
	if err := r.Close(End{}); err == nil {
		t.Error("Close: no error")
	}
}

// One line can't be written, and those of the same event that were before it are out
// already. What is collected has to be what the .cast is, which was cut back.
func TestLinesFailOnce(t *testing.T) {
	for lost, failed := 3, true; failed; lost++ {
		w := &forgetfulWriter{lost: lost}
		s := openStore(t, t.TempDir(), func(cfg *Config) { cfg.Lines = w })
		r := s.start(alice())
		var err error
		for range 3 {
			err = errors.Join(err, r.Output(0, []byte(strings.Repeat("abc", 5000))))
		}
		failed = errors.Join(err, r.Close(End{})) != nil
		_, results := collect(t, w.lines)
		c := results[r.ID()]
		if got, want := readFile(t, c.Path), readFile(t, r.path()); got != want {
			t.Errorf("line %d lost: collected %d octets, want the %d of the .cast", lost, len(got), len(want))
		}
		if v := verify(t, c.Path, s.PublicKey()); !v.OK() {
			t.Errorf("line %d lost: %s", lost, v)
		}
	}
}

// A forgetfulWriter takes all lines but one.
type forgetfulWriter struct {
	lost  int
	lines []string
}

func (w *forgetfulWriter) Write(p []byte) (int, error) {
	if w.lost--; w.lost == -1 {
		return 0, os.ErrClosed
	}
	w.lines = append(w.lines, string(p))
	return len(p), nil
}

// A failingWriter takes some lines.
type failingWriter struct{ left int }

func (w *failingWriter) Write(p []byte) (int, error) {
	if w.left--; w.left < 0 {
		return 0, os.ErrClosed
	}
	return len(p), nil
}

// FuzzCollect loses, doubles, moves and alters lines of a log. Collect says of a
// recording that it is complete only if it is the one that was written, and says it
// whenever no line is lost or altered. Of one that only lost lines, it names exactly
// what is missing and shows nothing that was not there.
func FuzzCollect(f *testing.F) {
	f.Add([]byte{}, []byte("noise"))
	f.Add([]byte{0, 3, 0, 1, 4, 0, 2, 2, 9}, []byte(lineStart+`01kk9f1z00abcdefghjkmnpqrs","seq":0,"file":"cast","offset":9223372036854775807,"data":"x","chain":"00112233445566778899aabbccddeeff"}`))
	f.Add([]byte{3, 5, 200, 4, 7, 0}, []byte(`{"log":"{\"event\":\"recording.chunk\""}`))
	lines, id, cast := shippedOne(f)
	f.Fuzz(func(t *testing.T, program, noise []byte) {
		if len(program) > 60 || bytes.Contains(noise, []byte(id)) {
			return // somebody else's line of this recording
		}
		log, lost, altered := edit(lines, program, noise)
		dir := t.TempDir()
		results, err := Collect(dir, strings.NewReader(strings.Join(log, "")))
		if err != nil {
			t.Fatalf("Collect: %v", err)
		}
		for _, c := range results {
			if c.ID != id {
				continue
			}
			got := readFile(t, c.Path)
			if whole := len(lost) == 0 && !altered; c.Complete() != whole && (whole || got != cast) {
				t.Fatalf("collected %+v, with lines %v lost, altered %v:\n%s", c, lost, altered, got)
			}
			if c.Complete() && got != cast {
				t.Fatalf("%+v has\n%s, want\n%s", c, got, cast)
			}
			if !altered {
				checkLost(t, &c, got, cast, lines, lost)
			}
		}
	})
}

// shippedOne returns the log of a small recording, one line for each call and more.
func shippedOne(tb testing.TB) (lines []string, id, cast string) {
	tb.Helper()
	var buf logBuffer
	dir := tb.TempDir()
	s, err := Open(Config{Dir: dir, Lines: &buf})
	if err != nil {
		tb.Fatal(err)
	}
	defer s.Close()
	r, err := s.Start(alice(), nil)
	if err != nil {
		tb.Fatal(err)
	}
	for i := range 12 {
		if err := r.Output(time.Duration(i)*time.Second, fmt.Appendf(nil, "line %d ä€\n", i)); err != nil {
			tb.Fatal(err)
		}
	}
	if err := r.Close(End{}); err != nil {
		tb.Fatal(err)
	}
	text, err := os.ReadFile(r.path())
	if err != nil {
		tb.Fatal(err)
	}
	return slices.Collect(strings.Lines(buf.buf.String())), r.ID(), string(text)
}

// edit changes a log by a program of three octets a step, and returns which lines
// are lost and whether one is not as it was.
func edit(lines []string, program, noise []byte) (log []string, lost map[int]bool, altered bool) {
	log, lost = slices.Clone(lines), map[int]bool{}
	for ; len(program) >= 3 && len(log) > 1; program = program[3:] {
		i, n := int(program[1])%len(log), int(program[2])
		switch program[0] % 5 {
		case 0:
			log = slices.Delete(log, i, i+1)
		case 1:
			log = slices.Insert(log, i, log[n%len(log)])
		case 2:
			j := n % len(log)
			log[i], log[j] = log[j], log[i]
		case 3:
			line := []byte(log[i])
			line[n*len(line)/256] ^= 1 << (program[0] / 5 % 7)
			log[i], altered = string(line), true
		case 4:
			log = slices.Insert(log, i, string(noise)+"\n")
		}
	}
	for i, line := range lines {
		if !slices.Contains(log, line) {
			lost[i] = true
		}
	}
	return log, lost, altered
}

// checkLost wants what is missing of a recording to be what was lost, and every line
// of it to be one that was written, or the beginning of one, or a word about a gap.
func checkLost(t *testing.T, c *Collected, got, cast string, lines []string, lost map[int]bool) {
	t.Helper()
	missing := make([]bool, len(cast))
	for i := range lost {
		if line, ok := findLine([]byte(lines[i])); ok && line.File == "cast" {
			for at := range line.Data {
				missing[int(line.Offset)+at] = true
			}
		}
	}
	named := make([]bool, len(cast))
	for _, gap := range c.Missing {
		for at := gap.First; at <= gap.Last; at++ {
			named[at] = true
		}
	}
	for at := range cast {
		if named[at] != missing[at] && (named[at] || c.Ended) {
			t.Fatalf("octet %d: named as missing: %v, want %v", at, named[at], missing[at])
		}
	}
	written := slices.Collect(strings.Lines(cast))
	for n, line := range slices.Collect(strings.Lines(got)) {
		begun := strings.TrimSuffix(line, "\"]\n")
		is := slices.ContainsFunc(written, func(w string) bool { return w == line || strings.HasPrefix(w, begun) })
		if !is && !strings.Contains(line, "are missing") && (n > 0 || line != plainHeader(V2)) {
			t.Fatalf("nobody wrote %q", line)
		}
	}
}
