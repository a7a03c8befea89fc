package trace

import (
	"strings"
	"time"
	"unicode/utf8"
)

// Kind is what a span is of.
type Kind uint8

const (
	Internal Kind = iota // what happens within the gateway
	Server               // a request that the gateway answers
)

// Span is something that took time.
type Span struct {
	Context    Context
	Name       string
	Kind       Kind
	Start, End time.Time
	Attributes []Attribute
	Failed     bool // in a way that is not the client's fault
}

// Attribute is something that is said of a span or a process: a text or a whole number.
type Attribute struct {
	key    string
	text   string
	number int64
	isText bool
}

// String is an attribute with a text, which is cut to a length that is exported.
func String[T string | []byte](key string, value T) Attribute {
	return Attribute{key: key, text: exported(value), isText: true}
}

// Int is an attribute with a number.
func Int(key string, value int64) Attribute { return Attribute{key: key, number: value} }

// maxText is how much of a text is exported, in octets.
const maxText = 1024

// exported is as much of a text as is exported. protobuf takes UTF-8 only.
func exported[T string | []byte](value T) string {
	if len(value) > maxText {
		cut := maxText
		for cut > maxText-utf8.UTFMax && !utf8.RuneStart(value[cut]) {
			cut--
		}
		value = value[:cut]
	}
	return strings.ToValidUTF8(string(value), "\ufffd")
}
