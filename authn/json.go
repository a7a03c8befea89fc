package authn

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"
)

// optional marks a member whose null means the same as its absence.
type optional struct{ target any }

// decodeObject reads one JSON object into the targets of its known members.
// It is stricter than encoding/json, which takes the last of several equal names
// and any case of a name: either would let two readers of one token see two
// identities. RFC 7519, Section 4, lets a reader refuse duplicate names.
func decodeObject(data []byte, members map[string]any) error {
	if !utf8.Valid(data) {
		return errors.New("invalid UTF-8")
	}
	dec := json.NewDecoder(bytes.NewReader(data))
	if open, err := dec.Token(); err != nil || open != json.Delim('{') {
		return errors.New("not a JSON object")
	}
	seen := make(map[string]bool)
	for dec.More() {
		token, err := dec.Token()
		if err != nil {
			return err
		}
		name := token.(string) // the decoder yields nothing else before a colon
		if seen[name] {
			return fmt.Errorf("member %s given twice", quote(name))
		}
		seen[name] = true
		var value json.RawMessage
		if err := dec.Decode(&value); err != nil {
			return err
		}
		if err := decodeMember(name, value, members); err != nil {
			return err
		}
	}
	if _, err := dec.Token(); err != nil { // the closing brace
		return err
	}
	if dec.InputOffset() != int64(len(bytes.TrimRight(data, " \t\r\n"))) {
		return errors.New("octets behind the JSON object")
	}
	return nil
}

func decodeMember(name string, value json.RawMessage, members map[string]any) error {
	target, known := members[name]
	if !known {
		return refuseLookalike(name, members)
	}
	null := bytes.Equal(value, []byte("null"))
	if o, ok := target.(optional); ok {
		if null {
			return nil
		}
		target = o.target
	}
	if null {
		return fmt.Errorf("member %q is null", name)
	}
	if err := json.Unmarshal(value, target); err != nil {
		return fmt.Errorf("member %q: %w", name, err)
	}
	return nil
}

// refuseLookalike refuses a name that encoding/json would take for a known one.
func refuseLookalike(name string, members map[string]any) error {
	for known := range members {
		if strings.EqualFold(name, known) {
			return fmt.Errorf("member %s differs from %q in case only", quote(name), known)
		}
	}
	return nil
}
