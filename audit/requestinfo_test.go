package audit

import (
	"fmt"
	"strings"
	"testing"
)

// want renders what Parse found: verb and path for a non-resource request, else
// verb group/version namespace resource/name/subresource, a dash for empty.
func rendered(i *RequestInfo) string {
	if !i.IsResource {
		return fmt.Sprintf("%s %s", i.Verb, i.Path)
	}
	dash := func(b []byte) string {
		if len(b) == 0 {
			return "-"
		}
		return string(b)
	}
	verb := i.Verb
	if verb == "" {
		verb = "-"
	}
	return fmt.Sprintf("%s %s %s ns=%s %s name=%s sub=%s", verb, dash(i.APIGroup), dash(i.APIVersion),
		dash(i.Namespace), dash(i.Resource), dash(i.Name), dash(i.Subresource))
}

// The expectations are written by hand from the API server's rules; rows marked
// live were seen answered so by a real one.
var requestRows = []struct{ name, method, target, want string }{
	// Rule 1: non-resource requests.
	{"root", "GET", "/", "get /"},
	{"empty-target", "GET", "", "get "},
	{"asterisk", "OPTIONS", "*", "options *"},
	{"version", "GET", "/version", "get /version"},
	{"healthz-query", "GET", "/healthz?verbose", "get /healthz"},
	{"api-alone", "GET", "/api", "get /api"},
	{"api-version-alone", "GET", "/api/v1", "get /api/v1"},
	{"api-version-slash", "GET", "/api/v1/", "get /api/v1/"},
	{"three-parts-other-prefix", "POST", "/logs/kubelet/x", "post /logs/kubelet/x"},
	{"prefix-case-counts", "GET", "/API/v1/pods", "get /API/v1/pods"},
	{"unknown-method", "FROB", "/metrics", "frob /metrics"},
	// Rule 2: group and version.
	{"apis-group", "GET", "/apis/apps", "get /apis/apps"},
	{"apis-group-version", "GET", "/apis/apps/v1", "get /apis/apps/v1"},
	{"apis-list", "GET", "/apis/apps/v1/deployments", "list apps v1 ns=- deployments name=- sub=-"},
	{"api-list", "GET", "/api/v1/pods", "list - v1 ns=- pods name=- sub=-"},
	{"apis-named", "GET", "/apis/apps/v1/namespaces/demo/deployments/web", "get apps v1 ns=demo deployments name=web sub=-"},
	// Rule 3: verbs by method.
	{"get", "GET", "/api/v1/namespaces/demo/pods/web", "get - v1 ns=demo pods name=web sub=-"},
	{"head", "HEAD", "/api/v1/namespaces/demo/pods/web", "get - v1 ns=demo pods name=web sub=-"},
	{"create", "POST", "/api/v1/namespaces/demo/pods", "create - v1 ns=demo pods name=- sub=-"},
	{"update", "PUT", "/api/v1/namespaces/demo/pods/web", "update - v1 ns=demo pods name=web sub=-"},
	{"patch", "PATCH", "/api/v1/namespaces/demo/pods/web", "patch - v1 ns=demo pods name=web sub=-"},
	{"delete", "DELETE", "/api/v1/namespaces/demo/pods/web", "delete - v1 ns=demo pods name=web sub=-"},
	{"other-method-no-verb", "OPTIONS", "/api/v1/namespaces/demo/pods/web", "- - v1 ns=demo pods name=web sub=-"},
	{"method-case-counts", "get", "/api/v1/namespaces/demo/pods/web", "- - v1 ns=demo pods name=web sub=-"},
	// Rule 3: legacy prefixes.
	{"watch-prefix", "GET", "/api/v1/watch/pods", "watch - v1 ns=- pods name=- sub=-"},
	{"watch-prefix-namespace", "GET", "/api/v1/watch/namespaces/demo/pods/web", "watch - v1 ns=demo pods name=web sub=-"},
	{"watch-prefix-any-method", "POST", "/api/v1/watch/pods", "watch - v1 ns=- pods name=- sub=-"},
	{"watch-prefix-apis", "GET", "/apis/apps/v1/watch/deployments", "watch apps v1 ns=- deployments name=- sub=-"},
	{"watch-prefix-nothing-behind", "GET", "/api/v1/watch", "get /api/v1/watch"},
	{"proxy-prefix", "GET", "/api/v1/proxy/namespaces/demo/pods/web/a/b", "proxy - v1 ns=demo pods name=web sub=-"},
	{"proxy-prefix-node", "POST", "/api/v1/proxy/nodes/n1/exec/x", "proxy - v1 ns=- nodes name=n1 sub=-"},
	{"proxy-prefix-nothing-behind", "GET", "/api/v1/proxy/", "get /api/v1/proxy/"},
	{"live-watch-prefix-exec", "POST", "/api/v1/watch/namespaces/demo/pods/web/exec", "watch - v1 ns=demo pods name=web sub=exec"},
	// Rule 4: namespaces.
	{"namespaces-list", "GET", "/api/v1/namespaces", "list - v1 ns=- namespaces name=- sub=-"},
	{"namespace-get", "GET", "/api/v1/namespaces/demo", "get - v1 ns=demo namespaces name=demo sub=-"},
	{"namespace-status", "PUT", "/api/v1/namespaces/demo/status", "update - v1 ns=demo namespaces name=demo sub=status"},
	{"namespace-finalize", "PUT", "/api/v1/namespaces/demo/finalize", "update - v1 ns=demo namespaces name=demo sub=finalize"},
	{"namespace-status-further", "GET", "/api/v1/namespaces/demo/status/x", "get - v1 ns=demo namespaces name=demo sub=status"},
	{"namespace-empty-name", "GET", "/api/v1/namespaces//pods", "list - v1 ns=- pods name=- sub=-"},
	{"namespaces-of-a-group", "GET", "/apis/x.io/v1/namespaces/demo/things/t", "get x.io v1 ns=demo things name=t sub=-"},
	{"namespaces-as-name", "GET", "/api/v1/namespaces/namespaces/pods/pods", "get - v1 ns=namespaces pods name=pods sub=-"},
	// Rule 5: name, subresource, rest.
	{"exec", "POST", "/api/v1/namespaces/demo/pods/web/exec?command=sh", "create - v1 ns=demo pods name=web sub=exec"},
	{"exec-get", "GET", "/api/v1/namespaces/demo/pods/web/exec?command=sh", "get - v1 ns=demo pods name=web sub=exec"},
	{"log", "GET", "/api/v1/namespaces/demo/pods/web/log?follow=true", "get - v1 ns=demo pods name=web sub=log"},
	{"node-proxy-rest", "GET", "/api/v1/nodes/n1/proxy/exec/ns/pod/c", "get - v1 ns=- nodes name=n1 sub=proxy"},
	{"service-proxy-rest", "GET", "/api/v1/namespaces/demo/services/https:web:443/proxy/a", "get - v1 ns=demo services name=https:web:443 sub=proxy"},
	{"cluster-scoped", "GET", "/api/v1/nodes/n1/status", "get - v1 ns=- nodes name=n1 sub=status"},
	// Rule 6: lists, watches, collections.
	{"watch-true", "GET", "/api/v1/pods?watch=true", "watch - v1 ns=- pods name=- sub=-"},
	{"watch-1", "GET", "/api/v1/pods?watch=1", "watch - v1 ns=- pods name=- sub=-"},
	{"watch-empty", "GET", "/api/v1/pods?watch=", "watch - v1 ns=- pods name=- sub=-"},
	{"watch-no-value", "GET", "/api/v1/pods?limit=5&watch", "watch - v1 ns=- pods name=- sub=-"},
	{"watch-nonsense", "GET", "/api/v1/pods?watch=no", "watch - v1 ns=- pods name=- sub=-"},
	{"watch-0", "GET", "/api/v1/pods?watch=0", "list - v1 ns=- pods name=- sub=-"},
	{"watch-false", "GET", "/api/v1/pods?watch=false", "list - v1 ns=- pods name=- sub=-"},
	{"watch-false-any-case", "GET", "/api/v1/pods?watch=FaLse", "list - v1 ns=- pods name=- sub=-"},
	{"watch-first-counts", "GET", "/api/v1/pods?watch=0&watch=1", "list - v1 ns=- pods name=- sub=-"},
	{"watch-key-case-counts", "GET", "/api/v1/pods?Watch=1", "list - v1 ns=- pods name=- sub=-"},
	{"watch-escaped-key", "GET", "/api/v1/pods?%77atch=1", "watch - v1 ns=- pods name=- sub=-"},
	{"watch-escaped-value", "GET", "/api/v1/pods?watch=%30", "list - v1 ns=- pods name=- sub=-"},
	{"watch-bad-escape-dropped", "GET", "/api/v1/pods?watch=%3&watch=0", "list - v1 ns=- pods name=- sub=-"},
	{"watch-semicolon-dropped", "GET", "/api/v1/pods?a=b;watch=1", "list - v1 ns=- pods name=- sub=-"},
	{"watch-with-name", "GET", "/api/v1/namespaces/demo/pods/web?watch=1", "get - v1 ns=demo pods name=web sub=-"},
	{"watch-on-create", "POST", "/api/v1/namespaces/demo/pods?watch=1", "create - v1 ns=demo pods name=- sub=-"},
	{"selector-name", "GET", "/api/v1/pods?fieldSelector=metadata.name%3Dweb", "list - v1 ns=- pods name=web sub=-"},
	{"selector-name-watch", "GET", "/api/v1/pods?watch=1&fieldSelector=metadata.name%3Dweb&limit=1", "watch - v1 ns=- pods name=web sub=-"},
	{"selector-unescaped", "GET", "/api/v1/pods?fieldSelector=metadata.name=web", "list - v1 ns=- pods name=web sub=-"},
	{"selector-double-equals", "GET", "/api/v1/pods?fieldSelector=metadata.name==web", "list - v1 ns=- pods name=web sub=-"},
	{"selector-among-others", "GET", "/api/v1/pods?fieldSelector=spec.nodeName!=n1,metadata.name=web", "list - v1 ns=- pods name=web sub=-"},
	{"selector-twice-smallest", "GET", "/api/v1/pods?fieldSelector=metadata.name=b,metadata.name==c", "list - v1 ns=- pods name=c sub=-"},
	{"selector-backslash", "GET", "/api/v1/pods?fieldSelector=metadata.name=a%5C%2Cb", "list - v1 ns=- pods name=- sub=-"},
	{"selector-not-equals", "GET", "/api/v1/pods?fieldSelector=metadata.name!=web", "list - v1 ns=- pods name=- sub=-"},
	{"selector-other-field", "GET", "/api/v1/pods?fieldSelector=metadata.namespace=web", "list - v1 ns=- pods name=- sub=-"},
	{"selector-bad-term", "GET", "/api/v1/pods?fieldSelector=metadata.name=web,x", "list - v1 ns=- pods name=- sub=-"},
	{"selector-name-with-slash", "GET", "/api/v1/pods?fieldSelector=metadata.name=a/b", "list - v1 ns=- pods name=- sub=-"},
	{"selector-name-dotdot", "GET", "/api/v1/pods?fieldSelector=metadata.name=..", "list - v1 ns=- pods name=- sub=-"},
	{"selector-not-on-create", "POST", "/api/v1/pods?fieldSelector=metadata.name=web", "create - v1 ns=- pods name=- sub=-"},
	{"delete-collection", "DELETE", "/api/v1/namespaces/demo/pods", "deletecollection - v1 ns=demo pods name=- sub=-"},
	// Escapes, empty parts, spellings.
	{"live-escaped-subresource", "POST", "/api/v1/namespaces/demo/pods/web/%65xec", "create - v1 ns=demo pods name=web sub=exec"},
	{"live-trailing-slash", "POST", "/api/v1/namespaces/demo/pods/web/exec/", "create - v1 ns=demo pods name=web sub=exec"},
	{"live-escaped-slash", "POST", "/api/v1/namespaces/demo/pods%2Fweb/exec", "create - v1 ns=demo pods name=web sub=exec"},
	{"live-escaped-namespaces", "POST", "/api/v1/%6eamespaces/demo/pods/web/exec", "create - v1 ns=demo pods name=web sub=exec"},
	{"live-empty-part", "POST", "/api/v1//namespaces/demo/pods/web/exec", "create - v1 ns=- - name=namespaces sub=demo"},
	{"live-dotdot", "POST", "/api/v1/namespaces/demo/pods/web/log/../exec", "create - v1 ns=demo pods name=web sub=log"},
	{"live-escaped-dotdot", "POST", "/api/v1/namespaces/demo/pods/web/log/%2e%2e/exec", "create - v1 ns=demo pods name=web sub=log"},
	{"live-upper-case-exec", "POST", "/api/v1/namespaces/demo/pods/web/EXEC", "create - v1 ns=demo pods name=web sub=EXEC"},
	{"live-leading-slashes", "GET", "//api/v1/pods", "list - v1 ns=- pods name=- sub=-"},
	{"escaped-once-only", "GET", "/api/v1/namespaces/demo/pods/web/%2565xec", "get - v1 ns=demo pods name=web sub=%65xec"},
	{"plus-is-itself", "GET", "/api/v1/namespaces/a+b", "get - v1 ns=a+b namespaces name=a+b sub=-"},
	{"bad-escape", "GET", "/api/v1/namespaces/demo/pods/%zz", "get /api/v1/namespaces/demo/pods/%zz"},
	{"cut-escape", "GET", "/api/v1/namespaces/demo/pods/%6", "get /api/v1/namespaces/demo/pods/%6"},
	{"escaped-question-mark", "GET", "/api/v1/pods%3Fwatch=1", "list - v1 ns=- pods?watch=1 name=- sub=-"},
	{"absolute-form", "GET", "https://h:6443/api/v1/pods?watch=1", "watch - v1 ns=- pods name=- sub=-"},
	{"absolute-form-no-path", "GET", "https://h:6443", "get "},
	{"url-in-path", "GET", "/api/v1/x://y/z", "list - v1 ns=- x: name=- sub=y"},
}

func TestParse(t *testing.T) {
	var reused RequestInfo
	for _, row := range requestRows {
		t.Run(row.name, func(t *testing.T) {
			var fresh RequestInfo
			fresh.Parse([]byte(row.method), []byte(row.target))
			if got := rendered(&fresh); got != row.want {
				t.Errorf("Parse(%q, %q) = %q, want %q", row.method, row.target, got, row.want)
			}
			// The same again in one that holds the leftovers of the last row.
			reused.Parse([]byte(row.method), []byte(row.target))
			if got := rendered(&reused); got != row.want {
				t.Errorf("reused Parse(%q, %q) = %q, want %q", row.method, row.target, got, row.want)
			}
		})
	}
}

func TestRequestInfoKinds(t *testing.T) {
	const pod = "/api/v1/namespaces/demo/pods/web"
	for _, row := range []struct {
		method, target         string
		longRunning, discovery bool
		stream                 StreamKind
	}{
		{"GET", "/api", false, true, StreamNone},
		{"GET", "/api/", false, true, StreamNone},
		{"GET", "/api?timeout=32s", false, true, StreamNone},
		{"HEAD", "/api", false, true, StreamNone},
		{"POST", "/api", false, false, StreamNone},
		{"GET", "/api/v1", false, true, StreamNone},
		{"GET", "/apis", false, true, StreamNone},
		{"GET", "/apis/apps", false, true, StreamNone},
		{"GET", "/apis/apps/v1?timeout=32s", false, true, StreamNone},
		{"GET", "/apis/apps/v1/deployments", false, false, StreamNone},
		{"GET", "/api/v1/pods", false, false, StreamNone},
		{"GET", "/version", false, true, StreamNone},
		{"GET", "/version/x", false, false, StreamNone},
		{"GET", "/openapi/v2", false, true, StreamNone},
		{"GET", "/openapi/v3/apis/apps/v1?hash=1", false, true, StreamNone},
		{"GET", "/metrics", false, false, StreamNone},
		{"GET", "/", false, false, StreamNone},
		{"GET", "/exec", false, false, StreamNone},
		{"GET", pod, false, false, StreamNone},
		{"GET", "/api/v1/pods?watch=1", true, false, StreamNone},
		{"GET", "/api/v1/watch/pods", true, false, StreamNone},
		{"GET", pod + "/log", true, false, StreamNone},
		{"GET", pod + "/status", false, false, StreamNone},
		{"POST", pod + "/exec", true, false, StreamExec},
		{"GET", pod + "/exec", true, false, StreamExec},
		{"POST", pod + "/attach", true, false, StreamAttach},
		{"POST", pod + "/portforward", true, false, StreamPortForward},
		{"GET", pod + "/proxy/a", true, false, StreamProxy},
		{"GET", "/api/v1/nodes/n/proxy/exec/a/b/c", true, false, StreamProxy},
		{"GET", "/api/v1/proxy/nodes/n", true, false, StreamProxy},
		{"POST", pod + "/EXEC", false, false, StreamNone},
		{"POST", pod + "/x/exec", false, false, StreamNone},
	} {
		var i RequestInfo
		i.Parse([]byte(row.method), []byte(row.target))
		if got := i.LongRunning(); got != row.longRunning {
			t.Errorf("%s %s: LongRunning() = %v, want %v", row.method, row.target, got, row.longRunning)
		}
		if got := i.Discovery(); got != row.discovery {
			t.Errorf("%s %s: Discovery() = %v, want %v", row.method, row.target, got, row.discovery)
		}
		if got := i.Stream(); got != row.stream {
			t.Errorf("%s %s: Stream() = %v, want %v", row.method, row.target, got, row.stream)
		}
	}
}

// TestParseOwnsNothingOfTheNext parses into one RequestInfo twice and expects the
// second result to hold nothing of the first.
func TestParseOwnsNothingOfTheNext(t *testing.T) {
	var i RequestInfo
	i.Parse([]byte("POST"), []byte("/apis/apps/v1/namespaces/d%65mo/pods/web/exec?fieldSelector=metadata.name%3Dx"))
	i.Parse([]byte("GET"), []byte("/api"))
	if i.IsResource || len(i.APIGroup)+len(i.Namespace)+len(i.Resource)+len(i.Name)+len(i.Subresource) != 0 {
		t.Errorf("second Parse left %+v", i)
	}
}

func TestParseAppendCannotReachTheTarget(t *testing.T) {
	target := []byte("/api/v1/namespaces/demo/pods/web/log")
	var i RequestInfo
	i.Parse([]byte("GET"), target)
	for _, field := range [][]byte{i.APIVersion, i.Namespace, i.Resource, i.Name} {
		_ = append(field, "!!!!"...)
	}
	if got := string(target); strings.Contains(got, "!") {
		t.Errorf("append to a field wrote into the target: %q", got)
	}
}

func FuzzParse(f *testing.F) {
	for _, row := range requestRows {
		f.Add([]byte(row.method), []byte(row.target))
	}
	f.Fuzz(func(t *testing.T, method, target []byte) {
		var i, again RequestInfo
		i.Parse(method, target)
		if i.IsResource && len(i.APIVersion) > len(i.Path) {
			t.Errorf("Parse(%q, %q): version is longer than the path", method, target)
		}
		if i.IsResource && i.Discovery() {
			t.Errorf("Parse(%q, %q): both a resource and discovery", method, target)
		}
		// Escaping every octet of the path but slashes changes nothing.
		path, query := splitTarget(target)
		if len(path) == 0 || path[0] != '/' || !i.decodes(path) {
			return
		}
		var escaped []byte
		for _, c := range i.Path {
			if c == '/' {
				escaped = append(escaped, c)
			} else {
				escaped = fmt.Appendf(escaped, "%%%02X", c)
			}
		}
		again.Parse(method, append(append(escaped, '?'), query...))
		if got, want := rendered(&again), rendered(&i); got != want {
			t.Errorf("Parse(%q, %q) = %q, fully escaped = %q", method, target, want, got)
		}
	})
}

// decodes reports whether all escapes of path are well-formed.
func (i *RequestInfo) decodes(path []byte) bool {
	_, ok := appendUnescaped(nil, path, false)
	return ok
}
