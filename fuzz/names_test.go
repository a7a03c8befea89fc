package fuzz

import (
	"strconv"
	"strings"

	"github.com/spliceway/spliceway/httpparse"
)

// The names of fields, in lower case, that the package comment of httpparse says
// something about.

// ofOneHop tells whether a field is never forwarded, in either direction.
func ofOneHop(name string) bool {
	switch name {
	case "connection", "upgrade", "keep-alive", "te", "trailer", "http2-settings":
		return true
	}
	return strings.HasPrefix(name, "proxy-")
}

// ofGateway tells whether a field is for the gateway alone to send.
func ofGateway(name string) bool {
	switch name {
	case "authorization", "forwarded", "x-real-ip", "audit-id":
		return true
	}
	return strings.HasPrefix(name, "impersonate-") || strings.HasPrefix(name, "x-remote-") || strings.HasPrefix(name, "x-forwarded-")
}

// isFraming tells whether a field says where a body ends.
func isFraming(name string) bool { return name == "content-length" || name == "transfer-encoding" }

// optionsOf returns the names, in lower case, that Connection names.
func optionsOf(header httpparse.Header) map[string]bool {
	named := make(map[string]bool)
	for _, f := range header {
		if !strings.EqualFold(string(f.Name), "connection") {
			continue
		}
		for option := range strings.SplitSeq(string(f.Value), ",") {
			named[strings.ToLower(strings.Trim(option, " \t"))] = true
		}
	}
	return named
}

// fieldLines returns the fields as a head has them.
func fieldLines(header httpparse.Header) (lines []string) {
	for _, f := range header {
		lines = append(lines, string(f.Name)+": "+string(f.Value))
	}
	return lines
}

func decimal(n int64) string { return strconv.FormatInt(n, 10) }
