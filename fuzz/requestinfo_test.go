package fuzz

import (
	"fmt"
	"net/url"
	"slices"
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/fields"

	"github.com/spliceway/spliceway/audit"
)

// FuzzRequestInfo reads targets, as they are and with escapes that change nothing.
func FuzzRequestInfo(f *testing.F) {
	addSeeds(f)
	var reused audit.RequestInfo
	f.Fuzz(func(t *testing.T, method, target string, which uint64) {
		reused.Parse([]byte(method), []byte(target))
		got, want := infoText(&reused), modelText(method, target)
		if got != want {
			t.Fatalf("%s %q is read as\n%s\nwant\n%s", method, target, got, want)
		}
		var fresh audit.RequestInfo
		fresh.Parse([]byte(method), []byte(target))
		if again := infoText(&fresh); again != got {
			t.Fatalf("%s %q is read as\n%s\nbut first as\n%s", method, target, got, again)
		}
		for _, escaped := range []string{escape(target, which), escape(target, ^uint64(0))} {
			reused.Parse([]byte(method), []byte(escaped))
			if again := infoText(&reused); again != got {
				t.Fatalf("%s %q is read as\n%s\nbut %q as\n%s", method, target, got, escaped, again)
			}
		}
	})
}

// escape percent-encodes the unreserved octets of a target in origin form that
// have a bit in which, and leaves escapes that are there alone.
func escape(target string, which uint64) string {
	if !strings.HasPrefix(target, "/") {
		return target
	}
	path, query, _ := strings.Cut(target, "?")
	if _, err := url.PathUnescape(path); err != nil {
		return target // shown as it is
	}
	if _, err := url.QueryUnescape(query); err != nil {
		return target
	}
	var b strings.Builder
	for i := 0; i < len(target); i++ {
		c := target[i]
		isUnreserved := 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || strings.IndexByte("-._~", c) >= 0
		switch {
		case c == '%':
			b.WriteString(target[i : i+3])
			i += 2
		case isUnreserved && which>>(i%64)&1 != 0:
			fmt.Fprintf(&b, "%%%02x", c)
		default:
			b.WriteByte(c)
		}
	}
	return b.String()
}

// infoText writes down all that is known of a request.
func infoText(i *audit.RequestInfo) string {
	return fmt.Sprintf("%q %q %q %q %q %q %q %q %v %v %v %v", i.Verb, i.APIGroup, i.APIVersion, i.Namespace, i.Resource, i.Subresource,
		i.Name, i.Path, i.IsResource, i.LongRunning(), i.Discovery(), i.Stream())
}

// model is the meaning of a request by the rules of the API server, in their order.
type model struct {
	verb, group, version, namespace, resource, subresource, name, path string
	isResource, longRunning, discovery                                 bool
	stream                                                             string
}

func modelText(method, target string) string {
	m := readTarget(method, target)
	return fmt.Sprintf("%q %q %q %q %q %q %q %q %v %v %v %v", m.verb, m.group, m.version, m.namespace, m.resource, m.subresource,
		m.name, m.path, m.isResource, m.longRunning, m.discovery, m.stream)
}

func readTarget(method, target string) (m model) {
	raw, query, _ := strings.Cut(target, "?")
	if !strings.HasPrefix(raw, "/") {
		if _, authority, ok := strings.Cut(raw, "://"); ok {
			at := strings.IndexByte(authority+"/", '/')
			raw = authority[at:]
		}
	}
	m.verb, m.path = strings.ToLower(method), raw
	path, err := url.PathUnescape(raw)
	if err != nil {
		return m
	}
	m.path = path
	trimmed := strings.Trim(path, "/")
	if trimmed == "" {
		return m
	}
	parts := strings.Split(trimmed, "/")
	m.discovery = (m.verb == "get" || m.verb == "head") && (parts[0] == "openapi" || len(parts) <= map[string]int{"api": 2, "apis": 3, "version": 1}[parts[0]])
	if parts, ok := m.readPrefix(method, parts); ok {
		m.readResource(parts)
		m.refine(query)
	}
	return m
}

// readPrefix reads prefix, group, version and legacy prefix. It returns the parts
// behind them, if the path is one of a resource.
func (m *model) readPrefix(method string, parts []string) (rest []string, ok bool) {
	group, version := "", 1
	switch {
	case len(parts) < 3 || parts[0] != "api" && parts[0] != "apis":
		return nil, false
	case parts[0] == "apis" && len(parts) < 4:
		return nil, false
	case parts[0] == "apis":
		group, version = parts[1], 2
	}
	verbs := map[string]string{"POST": "create", "GET": "get", "HEAD": "get", "PUT": "update", "PATCH": "patch", "DELETE": "delete"}
	verb, rest := verbs[method], parts[version+1:]
	if rest[0] == "watch" || rest[0] == "proxy" {
		if len(rest) < 2 {
			return nil, false
		}
		verb, rest = rest[0], rest[1:]
	}
	m.isResource, m.verb, m.group, m.version = true, verb, group, parts[version]
	return rest, true
}

// readResource reads what is behind the prefix.
func (m *model) readResource(parts []string) {
	if parts[0] == "namespaces" && len(parts) > 1 {
		m.namespace = parts[1]
		if len(parts) > 2 && parts[2] != "status" && parts[2] != "finalize" {
			parts = parts[2:]
		}
	}
	parts = append(slices.Clone(parts), "", "")
	m.resource, m.name = parts[0], parts[1]
	if m.verb != "proxy" {
		m.subresource = parts[2]
	}
}

// refine tells collections from single resources, and what follows from the verb.
func (m *model) refine(query string) {
	values, _ := url.ParseQuery(query)
	switch {
	case m.name != "":
	case m.verb == "delete":
		m.verb = "deletecollection"
	case m.verb == "get":
		m.verb = "list"
		if watch := values["watch"]; len(watch) > 0 && watch[0] != "0" && !strings.EqualFold(watch[0], "false") {
			m.verb = "watch"
		}
		m.name = selectedName(values.Get("fieldSelector"))
	}
	switch m.subresource {
	case "exec", "attach", "portforward", "proxy":
		m.stream = m.subresource
	}
	if m.verb == "proxy" {
		m.stream = "proxy"
	}
	m.longRunning = m.verb == "watch" || m.stream != "" || m.subresource == "log"
}

// selectedName returns the name that a field selector asks for, as the API server
// reads it.
func selectedName(selector string) string {
	if strings.Contains(selector, `\`) {
		return "" // no name has one
	}
	parsed, err := fields.ParseSelector(selector)
	if err != nil {
		return ""
	}
	name, _ := parsed.RequiresExactMatch("metadata.name")
	if name == "." || name == ".." || strings.ContainsAny(name, "/%") {
		return ""
	}
	return name
}

func requestInfoSeeds(testing.TB) (seeds []seed) {
	for _, target := range []string{
		"/", "", "*", "/version", "/api", "/api/v1", "/api/v1/", "/apis/apps/v1", "/openapi/v3", "/healthz?verbose",
		"/api/v1/namespaces/demo/pods", "/api/v1/namespaces/demo/pods/web", "/api/v1/namespaces/demo/pods/web/exec?command=sh&tty=1",
		"/api/v1/namespaces/demo/pods/web/%65xec", "/api/v1/namespaces/demo/pods%2Fweb/exec", "/api/v1/%6eamespaces/demo/pods/web/exec/",
		"//api/v1/pods", "/api/v1//namespaces/demo/pods/web/exec", "/api/v1/namespaces/demo/pods/web/log/../exec",
		"/api/v1/namespaces/demo/pods/web/log?follow=true", "/api/v1/namespaces/demo/pods/web/portforward", "/api/v1/nodes/n1/proxy/exec/a/b",
		"/api/v1/watch/namespaces/demo/pods/web", "/api/v1/proxy/nodes/n1/a", "/api/v1/watch", "/api/v1/proxy/",
		"/api/v1/namespaces/demo", "/api/v1/namespaces/demo/status", "/api/v1/namespaces/demo/finalize/x", "/api/v1/namespaces//pods",
		"/apis/apps/v1/namespaces/demo/deployments?watch=1", "/api/v1/pods?watch=false&watch=1", "/api/v1/pods?watch", "/api/v1/pods?%77atch=%30",
		"/api/v1/pods?fieldSelector=metadata.name%3Dweb", "/api/v1/pods?fieldSelector=spec.a!=b,metadata.name==web&watch=0",
		"/api/v1/pods?fieldSelector=metadata.name=b,metadata.name==c", "/api/v1/pods?a=b;watch=1", "/api/v1/pods?watch=%3&watch=0",
		"/api/v1/pods/%zz", "/api/v1/pods%3Fwatch=1", "https://h:6443/api/v1/pods?watch=1", "https://h:6443", "/api/v1/x://y/z", "/a+b?watch=+0",
	} {
		for _, method := range []string{"GET", "POST", "DELETE", "HEAD"} {
			seeds = append(seeds, seed{method, target, uint64(0x5a5a5a5a5a5a5a5a)})
		}
	}
	return append(seeds, seed{"get", "/api/v1/pods", uint64(1)}, seed{"FROB", "/metrics", uint64(1)})
}
