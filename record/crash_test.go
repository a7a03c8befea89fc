package record

import (
	"bufio"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"
)

// crashDir is the variable that makes the test binary the process to kill.
const crashDir = "SPLICEWAY_RECORD_CRASH_DIR"

// crashSessions is how many recordings that process writes at once.
const crashSessions = 4

// writeUntilKilled writes recordings, and prints a line when it was told that
// something is taken: the id and how many octets of its output.
func writeUntilKilled(dir string) {
	store, err := Open(Config{Dir: dir, Sync: 20 * time.Millisecond, Checkpoint: 50 * time.Millisecond})
	if err != nil {
		panic(err)
	}
	acks := make(chan string, 1024)
	for i := range crashSessions {
		go func() {
			session := alice()
			session.TTY = i%2 == 0
			r, err := store.Start(session, nil)
			if err != nil {
				panic(err)
			}
			for n := 0; ; {
				p := crashOutput(n)
				if err := r.Output(time.Since(noon), p); err != nil {
					panic(err)
				}
				n += len(p)
				acks <- fmt.Sprintln(r.ID(), n)
				if n > 1<<20 {
					return
				}
			}
		}()
	}
	for ack := range acks {
		os.Stdout.WriteString(ack)
	}
}

// crashOutput is the output at an offset: the reader can tell what it must be.
func crashOutput(offset int) []byte {
	sizes := [...]int{7, 300, 64, 4096, 1, 33000}
	line := fmt.Sprintf("%d é漢\x1b[0m\xff", offset)
	p := []byte(strings.Repeat(line, 1+sizes[offset%len(sizes)]/len(line)))
	// A character that is cut here: its rest never comes, or not before a kill.
	return p[:len(p)-offset%3]
}

func TestKilledWriterLosesNothingItWasTold(t *testing.T) {
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 0))
	kills := 20
	if testing.Short() {
		kills = 3
	}
	for range kills {
		dir := t.TempDir()
		acked := killWriter(t, dir, time.Duration(random.IntN(300))*time.Millisecond)
		checkCrash(t, dir, acked)
	}
}

// killWriter runs the writer for a while and returns what it was told.
func killWriter(t *testing.T, dir string, after time.Duration) map[string]int {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), crashDir+"="+dir)
	cmd.Stderr = os.Stderr
	stdout, err := cmd.StdoutPipe()
	must(t, err)
	must(t, cmd.Start())
	acked := make(map[string]int)
	timer := time.AfterFunc(time.Hour, func() {})
	lines := bufio.NewScanner(stdout)
	for lines.Scan() {
		if len(acked) == 0 {
			timer.Stop()
			timer = time.AfterFunc(after, func() { cmd.Process.Kill() })
		}
		id, n, ok := strings.Cut(lines.Text(), " ")
		octets, err := strconv.Atoi(n)
		if !ok || err != nil {
			break // the last line was cut
		}
		acked[id] = octets
	}
	timer.Stop()
	cmd.Process.Kill()
	cmd.Wait()
	if len(acked) == 0 {
		t.Fatal("the writer has written nothing")
	}
	return acked
}

func checkCrash(t *testing.T, dir string, acked map[string]int) {
	t.Helper()
	s := openStore(t, dir, nil)
	defer s.Close()
	if failed := s.noted(NoticeFailed); len(failed) > 0 {
		t.Fatalf("not recovered: %+v", failed)
	}
	if n := len(s.noted(NoticeRecovered)); n < len(acked) {
		t.Errorf("%d recordings recovered, want %d", n, len(acked))
	}
	for id, n := range acked {
		recording, err := Find(dir, id)
		must(t, err)
		v := verify(t, recording.Path, s.PublicKey())
		if !v.OK() || v.State != StateRecovered || v.Proven != v.Size || recording.Recovery.Fault != "" {
			t.Errorf("%s: %s (%+v)", id, v, recording.Recovery)
		}
		got := octets(t, readFile(t, recording.Path))
		var want []byte
		for len(want) < n {
			want = append(want, crashOutput(len(want))...)
		}
		if len(got) < n || !strings.HasPrefix(got+string(want[min(len(got), len(want)):]), string(want)) {
			t.Errorf("%s: of %d octets %d are there, or others", id, n, len(got))
		}
	}
}

func TestOpenLeavesRecordingsOfOthersAlone(t *testing.T) {
	dir := t.TempDir()
	first := openStore(t, dir, nil)
	r := first.start(alice())
	must(t, r.Output(0, []byte("a")))
	second := openStore(t, dir, nil)
	if n := second.noted(NoticeRecovered); len(n) > 0 {
		t.Errorf("a recording that is written was ended: %+v", n)
	}
	must(t, r.Output(0, []byte("b")))
	must(t, r.Close(End{}))
	if v := first.verify(r); !v.OK() || v.State != StateComplete {
		t.Errorf("verdict %s", v)
	}
}

// TestRecoverCutEverywhere leaves a recording as a crash of the machine can:
// the .cast cut at any octet, and the .seal with or without its checkpoints.
func TestRecoverCutEverywhere(t *testing.T) {
	for _, format := range []Format{V2, V3} {
		whole, seal, key, meta := openRecording(t, format)
		for cut := len(whole); cut >= 0; cut -= step { // the whole first, whatever the step is
			dir := t.TempDir()
			must(t, os.WriteFile(filepath.Join(dir, keyFile), []byte(key), fileMode))
			base, err := basePath(dir, meta.ID)
			must(t, err)
			must(t, os.MkdirAll(filepath.Dir(base), dirMode))
			must(t, os.WriteFile(base+castSuffix, []byte(whole[:cut]), fileMode))
			must(t, os.WriteFile(base+sealSuffix, []byte(seal), fileMode))
			must(t, writeMetadata(base, meta, false))

			again := openStore(t, dir, func(cfg *Config) { cfg.Format = format })
			if failed := again.noted(NoticeFailed); len(failed) > 0 {
				t.Fatalf("cut at %d: %+v", cut, failed)
			}
			v := verify(t, base+castSuffix, again.PublicKey())
			recovered, err := ReadMetadata(base)
			must(t, err)
			if recovered.Recovery.Fault != "" {
				t.Fatalf("cut at %d: a fault that is none: %s", cut, recovered.Recovery.Fault)
			}
			if !v.OK() || v.State != StateRecovered {
				t.Fatalf("cut at %d: %s", cut, v)
			}
			cast := readFile(t, base+castSuffix)
			events := readAll(t, cast)
			last := events[len(events)-1]
			if last.Code != 'm' || last.Torn || !strings.HasSuffix(cast, "\n") {
				t.Fatalf("cut at %d: the recording ends with %q", cut, last.Text)
			}
			if cut == len(whole) && octets(t, cast) != "a\x1b[0m漢\xff\"b\xf0\x9f\x98" {
				t.Errorf("octets %q, want all", octets(t, cast))
			}
			before := readAll(t, whole[:cut])
			for i, e := range before {
				if got := events[i]; !strings.HasPrefix(string(e.Text), string(got.Text)) || got.Time != e.Time || got.Code != e.Code {
					if e.Torn {
						continue // of a kind that can't be shown in part
					}
					t.Fatalf("cut at %d: event %d is %+v, want %+v", cut, i, got, e)
				}
			}
			again.Close()
		}
	}
}

// openRecording returns a recording that is not ended.
func openRecording(t *testing.T, format Format) (cast, seal, key string, meta *Metadata) {
	t.Helper()
	s := openStore(t, t.TempDir(), func(cfg *Config) { cfg.Format = format })
	r := s.start(alice())
	must(t, r.Output(time.Second, []byte("a\x1b[0m漢\xff\"")))
	must(t, r.Resize(2*time.Second, 90, 30))
	must(t, r.Output(3*time.Second, []byte("b\xf0\x9f")))
	must(t, r.Output(4*time.Second, []byte("\x98")))
	cast, seal = readFile(t, r.path()), readFile(t, r.base+sealSuffix)
	m, err := ReadMetadata(r.path())
	must(t, err)
	must(t, r.Close(End{}))
	return cast, seal, readFile(t, filepath.Join(s.dir, keyFile)), m
}
