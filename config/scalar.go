package config

import (
	"errors"
	"fmt"
	"math"
	"net/netip"
	"reflect"
	"strconv"
	"strings"
	"time"

	"github.com/spliceway/spliceway/record"
)

// What YAML takes a scalar for.
const (
	kindString = "string"
	kindBool   = "bool"
	kindNumber = "number"
)

// scalar reads the values of one type.
type scalar struct {
	want string // for messages: must be …
	from func(text, kind string) (any, error)
}

var prefixType = reflect.TypeFor[netip.Prefix]()

var scalars = map[reflect.Type]scalar{
	reflect.TypeFor[string]():        {"a text", scalarString},
	reflect.TypeFor[bool]():          {"true or false", scalarBool},
	reflect.TypeFor[int]():           {"a whole number", scalarInt},
	reflect.TypeFor[time.Duration](): {"a duration as 10s", scalarDuration},
	reflect.TypeFor[Sync]():          {"a duration as 1s, or always", scalarSync},
	reflect.TypeFor[Ratio]():         {"a number from 0 to 1", scalarRatio},
	reflect.TypeFor[Size]():          {"a size as 1MiB", scalarSize},
	prefixType:                       {"a network as 10.0.0.0/8", scalarPrefix},
}

func scalarString(text, kind string) (any, error) {
	if kind != kindString {
		return nil, fmt.Errorf("must be a text; write %q", text)
	}
	return text, nil
}

func scalarBool(text, kind string) (any, error) {
	if kind != kindBool {
		return nil, fmt.Errorf("%s is not true or false", quoted(text))
	}
	return strings.EqualFold(text, "true"), nil
}

func scalarInt(text, kind string) (any, error) {
	n, err := strconv.Atoi(text)
	if err != nil || kind != kindNumber {
		return nil, fmt.Errorf("%s is not a whole number", quoted(text))
	}
	return n, nil
}

func scalarDuration(text, kind string) (any, error) {
	d, err := time.ParseDuration(text)
	switch {
	case kind == kindNumber:
		return nil, fmt.Errorf("%s has no unit; write %ss, or use m or h", text, text)
	case err != nil && strings.ContainsAny(text, "dw"):
		return nil, fmt.Errorf("%s is not a duration; the longest unit is h, as 24h", quoted(text))
	case err != nil:
		return nil, fmt.Errorf("%s is not a duration; write it as 10s, 5m or 1h30m", quoted(text))
	case d < 0:
		return nil, fmt.Errorf("%s is negative", quoted(text))
	}
	return d, nil
}

// Sync is how long after a write the disk has it at most, or record.SyncAlways,
// written as always.
type Sync time.Duration

const syncAlways = "always"

// String returns the duration or the word always.
func (s Sync) String() string {
	if s == Sync(record.SyncAlways) {
		return syncAlways
	}
	return durationText(time.Duration(s))
}

func scalarSync(text, kind string) (any, error) {
	if text == syncAlways {
		return Sync(record.SyncAlways), nil
	}
	d, err := scalarDuration(text, kind)
	if err != nil {
		return nil, fmt.Errorf("%w; to wait for the disk before each answer, write %s", err, syncAlways)
	}
	return Sync(d.(time.Duration)), nil
}

// Size is a number of octets, written as 1MiB.
type Size int64

var sizeUnits = []struct {
	unit string
	size int64
}{{"TiB", 1 << 40}, {"GiB", 1 << 30}, {"MiB", 1 << 20}, {"KiB", 1 << 10}, {"B", 1}}

// String returns the size with the largest unit that divides it.
func (s Size) String() string {
	for _, u := range sizeUnits {
		if s != 0 && int64(s)%u.size == 0 {
			return strconv.FormatInt(int64(s)/u.size, 10) + u.unit
		}
	}
	return "0B"
}

func scalarSize(text, kind string) (any, error) {
	if kind == kindNumber {
		return nil, fmt.Errorf("%s has no unit; write %sB, or use KiB, MiB or GiB", text, text)
	}
	for _, u := range sizeUnits {
		digits, ok := strings.CutSuffix(text, u.unit)
		if !ok {
			continue
		}
		n, err := strconv.ParseUint(digits, 10, 63)
		if err != nil && !errors.Is(err, strconv.ErrRange) {
			break
		}
		if err != nil || int64(n) > math.MaxInt64/u.size {
			return nil, fmt.Errorf("%s is too large", quoted(text))
		}
		return Size(int64(n) * u.size), nil
	}
	return nil, fmt.Errorf("%s is not a size; write a whole number with B, KiB, MiB or GiB, as 1MiB", quoted(text))
}

func scalarPrefix(text, kind string) (any, error) {
	if addr, err := netip.ParseAddr(text); err == nil && addr.Zone() == "" {
		return nil, fmt.Errorf("%s is an address and must be a network; write %s/%d", quoted(text), text, addr.BitLen())
	}
	prefix, err := netip.ParsePrefix(text)
	if err != nil {
		return nil, fmt.Errorf("%s is not a network; write it as 10.0.0.0/8", quoted(text))
	}
	if prefix != prefix.Masked() {
		return nil, fmt.Errorf("%s has address bits behind its length; write %q", quoted(text), prefix.Masked())
	}
	return prefix, nil
}
