package httpparse_test

import (
	"bytes"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http/httputil"
	"strings"
	"testing"

	. "github.com/spliceway/spliceway/httpparse"
)

// decode gives the pieces to a decoder and returns what was kept and how many octets were taken.
func decode(d *ChunkDecoder, pieces ...[]byte) (kept []byte, taken int, err error) {
	for _, piece := range pieces {
		for len(piece) > 0 && !d.Done() {
			n, keep, err := d.Decode(piece)
			if err != nil {
				return nil, 0, err
			}
			if n == 0 {
				return nil, 0, fmt.Errorf("no progress with %q", piece)
			}
			if keep {
				kept = append(kept, piece[:n]...)
			}
			taken += n
			piece = piece[n:]
		}
	}
	return kept, taken, nil
}

// TestDecode has single bodies: what is kept of them, or the status of the refusal. Each is also given octet by octet
// and cut in two everywhere.
func TestDecode(t *testing.T) {
	for _, row := range []struct {
		name string
		in   string
		kept string
		want int // octet that is refused, if kept is empty
	}{
		{"nothing", "0\r\n\r\n", "0\r\n\r\n", 0},
		{"octets-behind", "1\r\nx\r\n0\r\n\r\nGET", "1\r\nx\r\n0\r\n\r\n", 0},
		{"data-like-framing", "5\r\n0\r\n\r\n\r\n0\r\n\r\n", "5\r\n0\r\n\r\n\r\n0\r\n\r\n", 0},
		{"trailer", "0\r\nA: b\r\nc:\t\r\n\r\n", "0\r\n\r\n", 0},
		{"trailer-behind-data", "1\r\nx\r\n0\r\nA: b\r\n\r\n", "1\r\nx\r\n0\r\n\r\n", 0},
		{"trailer-long-name", "0\r\n" + strings.Repeat("a", 100) + ":\r\n\r\n", "0\r\n\r\n", 0},
		{"trailer-with-underscore", "0\r\nX_A: b\r\n\r\n", "0\r\n\r\n", 0},
		{"size-of-16-digits", "000000000000000a\r\n0123456789\r\n0\r\n\r\n", "000000000000000a\r\n0123456789\r\n0\r\n\r\n", 0},
		{"size-of-17-digits", "0000000000000000a\r\n", "", 16},
		{"size-of-63-bits", "8000000000000000\r\n", "", 15},
		{"size-empty", "\r\n", "", 0},
		{"size-space", "1 \r\n", "", 1},
		{"size-line-feed", "1\n", "", 1},
		{"extension", "1;a\r\n", "", 1},
		{"extension-of-last", "0;a\r\n", "", 1},
		{"cr-cr-lf", "1\r\r\n", "", 2},
		{"data-too-long", "1\r\nxx\r\n", "", 4},
		{"data-line-feed", "1\r\nx\n", "", 4},
		{"data-cr-without-lf", "1\r\nx\rx", "", 5},
		{"end-line-feed", "0\r\n\n", "", 3},
		{"end-cr-without-lf", "0\r\n\rx", "", 4},
		{"trailer-without-colon", "0\r\nA\r\n", "", 4},
		{"trailer-without-name", "0\r\n: a\r\n", "", 3},
		{"trailer-folded", "0\r\nA: b\r\n c\r\n\r\n", "", 9},
		{"trailer-space-before-colon", "0\r\nA : b\r\n", "", 4},
		{"trailer-cr-without-lf", "0\r\nA: b\rc", "", 8},
		{"trailer-line-feed", "0\r\nA: b\n", "", 7},
		{"trailer-nul", "0\r\nA: \x00", "", 6},
		{"trailer-host", "0\r\nHOST: a\r\n", "", 7},
		{"trailer-te", "0\r\nte: a\r\n", "", 5},
		{"trailer-twin", "0\r\nContent_length: 1\r\n", "", 17},
		{"trailer-long-impersonation", "0\r\nImpersonate-Extra-" + strings.Repeat("a", 100) + ":\r\n", "", 121},
		{"trailer-second", "0\r\nA: b\r\nUpgrade: c\r\n", "", 16},
	} {
		t.Run(row.name, func(t *testing.T) {
			in := []byte(row.in)
			check := func(pieces ...[]byte) {
				t.Helper()
				var d ChunkDecoder
				kept, taken, err := decode(&d, pieces...)
				if row.kept == "" {
					wantRefusal(t, &d, err, row.want)
					return
				}
				end := len(strings.TrimSuffix(row.in, "GET"))
				if err != nil || !d.Done() || string(kept) != row.kept || taken != end {
					t.Fatalf("Decode(%q) keeps %q, takes %d, done %v, %v; want %q, %d", pieces, kept, taken, d.Done(), err,
						row.kept, end)
				}
			}
			check(in)
			check(pieces(in)...)
			for i := range in {
				check(in[:i], in[i:])
			}
		})
	}
}

// wantRefusal wants err to say that the octet is refused, and d to say so for ever.
func wantRefusal(t *testing.T, d *ChunkDecoder, err error, octet int) {
	t.Helper()
	refusal, ok := err.(*Error)
	if !ok || refusal.Status != 400 || refusal.Offset != octet {
		t.Fatalf("Decode = %v, want octet %d to be refused with 400", err, octet)
	}
	if n, keep, again := d.Decode([]byte("0\r\n\r\n")); again != err || n != 0 || keep || d.Done() {
		t.Errorf("Decode after the refusal = %d, %v, %v, want %v", n, keep, again, err)
	}
}

// TestDecodeAsNetHTTP compares with the chunked reader of the standard library, for bodies cut at random.
func TestDecodeAsNetHTTP(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 0))
	for range 2000 {
		want, body := randomBody(random)
		var cut [][]byte
		for rest := body; len(rest) > 0; {
			n := 1 + random.IntN(min(len(rest), 40))
			cut = append(cut, rest[:n])
			rest = rest[n:]
		}
		var d ChunkDecoder
		kept, taken, err := decode(&d, cut...)
		if err != nil || !d.Done() || taken != len(body) {
			t.Fatalf("Decode(%q) takes %d of %d, done %v, %v", cut, taken, len(body), d.Done(), err)
		}
		got, err := io.ReadAll(httputil.NewChunkedReader(bytes.NewReader(kept)))
		if err != nil || !bytes.Equal(got, want) {
			t.Fatalf("Decode(%q) keeps %q, read as %q, %v; want %q", cut, kept, got, err, want)
		}
	}
}

// randomBody makes some data and a chunked body of it, with a trailer now and then.
func randomBody(random *rand.Rand) (data, body []byte) {
	for range random.IntN(6) {
		chunk := make([]byte, 1+random.IntN(50))
		for i := range chunk {
			chunk[i] = "0\r\nAa:;\x00\xff"[random.IntN(9)]
		}
		data = append(data, chunk...)
		body = fmt.Appendf(body, "%0*x\r\n%s\r\n", random.IntN(5), len(chunk), chunk)
	}
	body = append(body, "0\r\n"...)
	for range random.IntN(3) {
		body = append(body, "X-Trailer: a b\r\n"...)
	}
	return data, append(body, "\r\n"...)
}

// TestDecodeTrailerLimit tries the limit from both sides: it is for the field lines.
func TestDecodeTrailerLimit(t *testing.T) {
	const in, trailer = "0\r\n", "A: b\r\nC: d\r\n"
	for limit, fits := range map[int]bool{len(trailer): true, len(trailer) - 1: false, 0: true} {
		d := ChunkDecoder{TrailerLimit: limit}
		if _, _, err := decode(&d, []byte(in+trailer+"\r\n")); (err == nil) != fits {
			t.Errorf("limit %d: %v, want it to fit: %v", limit, err, fits)
		}
	}
	var d ChunkDecoder
	if _, _, err := decode(&d, []byte(in), bytes.Repeat([]byte("A: b\r\n"), 1000)); status(t, err) != 431 {
		t.Errorf("trailer of 6000 octets: %v, want 431", err)
	}
}

// TestDecodeReset wants a decoder to be as new, but for what the caller set.
func TestDecodeReset(t *testing.T) {
	d := ChunkDecoder{Response: true, TrailerLimit: 7}
	for range 2 {
		if _, _, err := decode(&d, []byte("1\r\nx\r\n0\r\nAbcd: ef")); status(t, err) != 502 {
			t.Errorf("trailer over the limit: %v, want 502", err)
		}
		d.Reset()
		if _, _, err := decode(&d, []byte("1\r\nx\r\n0\r\n\r\n")); err != nil || !d.Done() {
			t.Errorf("body after Reset: %v, done %v", err, d.Done())
		}
		if n, keep, err := d.Decode([]byte("1")); n != 0 || keep || err != nil {
			t.Errorf("Decode when done = %d, %v, %v", n, keep, err)
		}
		d.Reset()
	}
}

// TestDecodeKeepsInOneSpan: a buffer of many chunks is one write.
func TestDecodeKeepsInOneSpan(t *testing.T) {
	body := chunkedBody(10, 1000)
	var d ChunkDecoder
	if n, keep, err := d.Decode(body); n != len(body) || !keep || err != nil || !d.Done() {
		t.Errorf("Decode of %d octets = %d, %v, %v", len(body), n, keep, err)
	}
}
