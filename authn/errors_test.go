package authn

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"
)

func TestReasonAndStatus(t *testing.T) {
	for _, row := range []struct {
		err    error
		reason string
		status int
	}{
		{nil, "", 400},
		{ErrCredentials, "credentials", 407},
		{ErrExpired, "expired", 401},
		{fmt.Errorf("connection 7: %w", ErrProof), "proof", 401},
		{ErrTarget, "target", 400},
		{ErrSystemIdentity, "system-identity", 401},
		{fmt.Errorf("%w: %w", ErrKeysUnavailable, context.Canceled), "keys-unavailable", 503},
		{context.Canceled, "internal", 400},
	} {
		if got := Reason(row.err); got != row.reason {
			t.Errorf("Reason(%v) = %q, want %q", row.err, got, row.reason)
		}
		if got := Status(row.err); got != row.status {
			t.Errorf("Status(%v) = %d, want %d", row.err, got, row.status)
		}
	}
}

// What a client writes does not make a long log line.
func TestQuoteIsCut(t *testing.T) {
	at64 := strings.Repeat("a", 64)
	for text, want := range map[string]string{
		"a\n":       `"a\n"`,
		at64:        `"` + at64 + `"`,
		at64 + "b":  `"` + at64 + `"...`,
		at64 + at64: `"` + at64 + `"...`,
	} {
		if got := quote(text); got != want {
			t.Errorf("quote(%q) = %s, want %s", text, got, want)
		}
	}
}

// Every refusal has its own word, fit for a metric label and a status line.
func TestReasonsAreDistinctWords(t *testing.T) {
	words := Reasons()
	word := regexp.MustCompile(`^[a-z]+(-[a-z]+)*$`)
	for i, w := range words {
		if !word.MatchString(w) || slices.Contains(words[:i], w) {
			t.Errorf("reason %q is no word of its own", w)
		}
	}
	for _, c := range classes {
		if !slices.Contains(words, Reason(c.err)) {
			t.Errorf("Reason(%v) = %q is not announced", c.err, Reason(c.err))
		}
	}
	if !slices.Contains(words, Reason(errors.New("x"))) {
		t.Errorf("Reason of a foreign error is not announced")
	}
}
