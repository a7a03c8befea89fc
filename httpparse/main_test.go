package httpparse_test

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

// wireCase is one stream of octets and what has to become of it, from testdata.
type wireCase struct {
	Name string `json:"name"`
	Why  string `json:"why"`

	// Method and Upgrade describe the request that a response answers; both are empty for requests.
	Method  string `json:"method"`
	Upgrade string `json:"upgrade"`

	// Text or Parts are the stream, see unescape.
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
	Body      string `json:"body"`     // decoded, see unescape
	Consumed  int    `json:"consumed"` // octets of the first message with the interim ones in front of it
	Messages  int    `json:"messages"`
	Rest      string `json:"rest_expect"` // verdict on what follows the messages
	Early     bool   `json:"early_data"`  // what follows belongs to the tunnel
	Forward   struct {
		Without []string `json:"must_not_contain"`
		Gateway bool     `json:"must_contain_gateway_identity"`
	} `json:"forward"`

	family string
}

// stream returns the octets of the case.
func (c *wireCase) stream(tb testing.TB) []byte {
	tb.Helper()
	stream := unescape(tb, c.Text)
	for _, part := range c.Parts {
		stream = append(stream, strings.Repeat(string(unescape(tb, part.Text)), part.Times)...)
	}
	return stream
}

// isResponse tells which direction the stream goes.
func (c *wireCase) isResponse() bool { return strings.HasPrefix(c.family, "resp-") }

// unescape reads the form that octets have in testdata: ASCII as it is, but for \r, \n, \t, \\ and \xHH.
func unescape(tb testing.TB, text string) []byte {
	tb.Helper()
	s, err := strconv.Unquote(`"` + strings.ReplaceAll(text, `"`, `\"`) + `"`)
	if err != nil {
		tb.Fatalf("unescape(%q): %v", text, err)
	}
	return []byte(s)
}

// wireCases returns all cases of testdata.
func wireCases(tb testing.TB) []*wireCase {
	tb.Helper()
	files, err := filepath.Glob("testdata/*.json")
	if err != nil || len(files) == 0 {
		tb.Fatalf("no cases in testdata: %v", err)
	}
	var all []*wireCase
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			tb.Fatal(err)
		}
		var cases []*wireCase
		if err := json.Unmarshal(text, &cases); err != nil {
			tb.Fatalf("%s: %v", file, err)
		}
		for _, c := range cases {
			c.family = strings.TrimSuffix(filepath.Base(file), ".json")
		}
		all = append(all, cases...)
	}
	return all
}

// framingText gives a framing the form it has in testdata.
func framingText(kind fmt.Stringer, length int64, sized bool) string {
	if sized {
		return fmt.Sprintf("%s %d", kind, length)
	}
	return kind.String()
}
