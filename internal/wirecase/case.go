package wirecase

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

// Case is one stream of octets and what has to become of it.
type Case struct {
	// Family is the name of the file, without its suffix.
	Family string `json:"-"`

	Name string `json:"name"`
	Why  string `json:"why"`

	// Method and Upgrade describe the request that a response answers.
	Method  string `json:"method"`
	Upgrade string `json:"upgrade"`

	// Text or Parts are the stream: see Stream.
	Text  string `json:"text"`
	Parts []struct {
		Text  string `json:"text"`
		Times int    `json:"times"`
	} `json:"parts"`

	Expect    string `json:"expect"`     // accept or reject the first message
	Strength  string `json:"strength"`   // must, should, policy: how binding that is
	Status    []int  `json:"status"`     // acceptable for a reject
	EndsEarly bool   `json:"ends_early"` // rejected for nothing but its end
	Framing   string `json:"framing"`
	Body      string `json:"body"`     // decoded, see Unescape
	Consumed  int    `json:"consumed"` // octets of the first message with the interim ones in front of it
	Messages  int    `json:"messages"`
	Rest      string `json:"rest_expect"` // verdict on what follows the messages
	Early     bool   `json:"early_data"`  // what follows belongs to the tunnel
	Forward   struct {
		Without []string `json:"must_not_contain"`
		Gateway bool     `json:"must_contain_gateway_identity"`
	} `json:"forward"`
}

// Accepted reports whether the first message of the stream is to be accepted.
func (c *Case) Accepted() bool { return c.Expect == "accept" }

// Stream returns the octets of the case.
func (c *Case) Stream(tb testing.TB) string {
	tb.Helper()
	stream := Unescape(tb, c.Text)
	for _, part := range c.Parts {
		stream += strings.Repeat(Unescape(tb, part.Text), part.Times)
	}
	return stream
}

// Unescape reads the form that octets have in the files: ASCII as it is, but for
// \r, \n, \t, \\ and \xHH.
func Unescape(tb testing.TB, text string) string {
	tb.Helper()
	s, err := strconv.Unquote(`"` + strings.ReplaceAll(text, `"`, `\"`) + `"`)
	if err != nil {
		tb.Fatalf("unescape(%q): %v", text, err)
	}
	return s
}

// Load returns the cases of the families whose names begin with prefix. dir is
// httpparse/testdata, as seen from the test.
func Load(tb testing.TB, dir, prefix string) []*Case {
	tb.Helper()
	files, err := filepath.Glob(filepath.Join(dir, prefix+"*.json"))
	if err != nil || len(files) == 0 {
		tb.Fatalf("no wire cases in %s: %v", dir, err)
	}
	var all []*Case
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			tb.Fatal(err)
		}
		var cases []*Case
		if err := json.Unmarshal(text, &cases); err != nil {
			tb.Fatalf("%s: %v", file, err)
		}
		for _, c := range cases {
			c.Family = strings.TrimSuffix(filepath.Base(file), ".json")
		}
		all = append(all, cases...)
	}
	return all
}
