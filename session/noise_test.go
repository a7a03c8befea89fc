package session_test

import (
	"math/rand/v2"
	"reflect"
	"strings"
	"sync"
	"testing"

	. "github.com/spliceway/spliceway/session"
)

// TestNoise: damaged sessions end the same however they are cut, and nothing is delivered that was not taken.
func TestNoise(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 4))
	for _, c := range captures(t) {
		if strings.Contains(c.Name, "large") {
			continue
		}
		info, err := recognise(t, c.Request, c.Response)
		if err != nil {
			t.Fatal(err)
		}
		for range 300 {
			segments := damage(rng, c.segments(t))
			want, wantErr := outcome(t, info, segments)
			got, gotErr := outcome(t, info, scatter(rng, segments))
			if !reflect.DeepEqual(got, want) || (gotErr == nil) != (wantErr == nil) || gotErr != nil && gotErr.Error() != wantErr.Error() {
				t.Fatalf("%s: cut otherwise it is %q, %v; want %q, %v", c.Name, got, gotErr, want, wantErr)
			}
		}
	}
}

func outcome(t *testing.T, info *Info, segments []segment) ([]string, error) {
	t.Helper()
	s, sink := start(t, info, Config{})
	_, err := play(s, segments)
	return sink.lines(), err
}

// damage changes some bits.
func damage(rng *rand.Rand, segments []segment) []segment {
	for range 1 + rng.IntN(3) {
		p := segments[rng.IntN(len(segments))].p
		p[rng.IntN(min(len(p), 40))] ^= 1 << rng.IntN(8)
	}
	return segments
}

// scatter cuts segments at random.
func scatter(rng *rand.Rand, segments []segment) (cut []segment) {
	for _, seg := range segments {
		for p := seg.p; len(p) > 0; {
			n := 1 + rng.IntN(len(p))
			cut = append(cut, segment{seg.up, p[:n]})
			p = p[n:]
		}
	}
	return cut
}

// TestGoroutines: both directions, warnings and the end at the same time.
func TestGoroutines(t *testing.T) {
	const protocol, rounds = "v5.channel.k8s.io", 500
	s, sink := start(t, mustRecognise(t, false, ttyExec, protocol), Config{Notice: "hello"})
	var all sync.WaitGroup
	all.Go(func() {
		for range rounds {
			if err := s.Up(message(protocol, true, 0, "in").p); err != nil {
				t.Error(err)
			}
		}
	})
	all.Go(func() {
		for range rounds / 100 {
			s.Say("a warning")
		}
	})
	var client []byte
	all.Go(func() {
		for range rounds {
			got, err := down(s, message(protocol, false, 1, "out").p)
			if err != nil {
				t.Error(err)
			}
			client = append(client, got...)
		}
	})
	all.Wait()
	for words := insert(s); words != nil; words = insert(s) {
		client = append(client, words...)
	}
	s.Finish(Final{Message: "bye"})
	client = append(client, insert(s)...)
	s.Close(nil)
	out, in, said := 0, 0, 0
	for _, m := range readWebSocket(t, client, protocol) {
		switch m {
		case "1 out":
			out++
		case "1 \r\na warning\r\n", "1 \r\nhello\r\n":
			said++
		}
	}
	in = len(sink.stream(Stdin)) / len("in")
	if out != rounds || in != rounds || len(sink.stream(Stdout)) != rounds*len("out") || said != 1+rounds/100 {
		t.Errorf("%d outputs, %d inputs, %d words", out, in, said)
	}
	sink.checkTimes(t)
}

// TestFinishApplication: there is no place for words, so the end is told at once, in the middle of anything.
func TestFinishApplication(t *testing.T) {
	s, _ := start(t, mustRecognise(t, false, "/api/v1/namespaces/ns/services/s/proxy/", "chat"), Config{})
	if _, err := down(s, []byte("half a fra")); err != nil {
		t.Fatal(err)
	}
	s.Finish(Final{Message: "gateway: your token has expired"})
	if words, err := s.Insert(); words != nil || !isFinished(err) {
		t.Errorf("Insert = %q, %v", words, err)
	}
}
