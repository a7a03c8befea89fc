package fuzz

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

// longestSeed keeps out streams that are long only to pass a limit: they make a
// target slow, and targets have small limits to pass.
const longestSeed = 8 << 10

// httpCase is what a target needs of a case of httpparse's testdata.
type httpCase struct {
	Method  string `json:"method"`  // of the request that a response answers
	Upgrade string `json:"upgrade"` // that it asks for
	Text    string `json:"text"`
	Parts   []struct {
		Text  string `json:"text"`
		Times int    `json:"times"`
	} `json:"parts"`

	stream []byte
}

// httpCases returns the cases of the files of httpparse's testdata that match the
// pattern, without the longest.
func httpCases(tb testing.TB, pattern string) []httpCase {
	tb.Helper()
	files, err := filepath.Glob("../httpparse/testdata/" + pattern)
	if err != nil || len(files) == 0 {
		tb.Fatalf("no testdata %s of httpparse: %v", pattern, err)
	}
	var all []httpCase
	for _, file := range files {
		var cases []httpCase
		if err := json.Unmarshal(readFile(tb, file), &cases); err != nil {
			tb.Fatalf("%s: %v", file, err)
		}
		for _, c := range cases {
			c.stream = unescape(tb, c.Text)
			for _, part := range c.Parts {
				c.stream = append(c.stream, bytes.Repeat(unescape(tb, part.Text), part.Times)...)
			}
			if len(c.stream) <= longestSeed {
				all = append(all, c)
			}
		}
	}
	return all
}

// requestStreams returns the streams of all cases of requests.
func requestStreams(tb testing.TB) [][]byte {
	tb.Helper()
	var all [][]byte
	for _, c := range httpCases(tb, "req-*.json") {
		all = append(all, c.stream)
	}
	return all
}

// unescape reads the form that octets have in httpparse's testdata: ASCII as it
// is, but for \r, \n, \t, \\ and \xHH.
func unescape(tb testing.TB, text string) []byte {
	tb.Helper()
	s, err := strconv.Unquote(`"` + strings.ReplaceAll(text, `"`, `\"`) + `"`)
	if err != nil {
		tb.Fatalf("unescape(%q): %v", text, err)
	}
	return []byte(s)
}

// octets are octets as the testdata of spdy and ws has them: hexadecimal, parts of
// them several times.
type octets []struct {
	Hex   string `json:"hex"`
	Times int    `json:"times"`
}

func (o octets) stream(tb testing.TB) (all []byte) {
	tb.Helper()
	for _, part := range o {
		b, err := hex.DecodeString(part.Hex)
		if err != nil {
			tb.Fatal(err)
		}
		all = append(all, bytes.Repeat(b, max(part.Times, 1))...)
	}
	return all
}

// segment is what one peer sent at once in a capture.
type segment struct {
	From   string `json:"from"`
	Octets octets `json:"octets"`
}

// loadCases reads a file of testdata.
func loadCases[T any](tb testing.TB, file string) []T {
	tb.Helper()
	var cases []T
	if err := json.Unmarshal(readFile(tb, file), &cases); err != nil {
		tb.Fatalf("%s: %v", file, err)
	}
	return cases
}
