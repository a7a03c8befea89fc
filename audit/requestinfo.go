package audit

import (
	"bytes"
	"strings"
)

// RequestInfo is what a request means to a Kubernetes API server. The zero value
// is ready for Parse.
//
// All slices are valid until the target's buffer is reused or Parse is called
// again.
type RequestInfo struct {
	// Verb is the API verb of a resource request (get, list, watch, create,
	// update, patch, delete, deletecollection, or proxy by legacy prefix; empty
	// for a method that has none), else the method in lower case.
	Verb string

	APIGroup    []byte // empty for the core group and for non-resource requests
	APIVersion  []byte
	Namespace   []byte // also the name of a namespace that is itself the resource
	Resource    []byte
	Subresource []byte
	Name        []byte // from the path, or from fieldSelector=metadata.name=…

	Path []byte // percent-decoded, without query; as sent if it has a bad escape

	// IsResource says that the path is one of an API resource. It stays false
	// for a legacy prefix with nothing behind it, which the API server refuses.
	IsResource bool

	discovery bool
	path      []byte // backs Path where it was decoded; reused
	query     []byte // backs decoded query values; reused
}

// StreamKind is what kind of upgrade a path is made for.
type StreamKind uint8

const (
	StreamNone        StreamKind = iota
	StreamExec                   // subresource exec
	StreamAttach                 // subresource attach
	StreamPortForward            // subresource portforward
	StreamProxy                  // subresource proxy, or the legacy prefix: anything can be behind it
)

// String returns the subresource that makes the kind, empty for StreamNone.
func (k StreamKind) String() string {
	return [...]string{"", "exec", "attach", "portforward", "proxy"}[k]
}

const (
	verbWatch = "watch"
	verbProxy = "proxy"
)

// Parse fills i from the method and the target of a request line. The target is
// in origin form, or in absolute form, whose scheme and authority are ignored.
// Parse never fails: what is not a resource request is a non-resource one.
func (i *RequestInfo) Parse(method, target []byte) {
	raw, query := splitTarget(target)
	*i = RequestInfo{path: i.path[:0], query: i.query[:0], Verb: lowerMethod(method), Path: raw}
	if bytes.IndexByte(raw, '%') >= 0 {
		var ok bool
		if i.path, ok = appendUnescaped(i.path, raw, false); !ok {
			return // the API server answers 400
		}
		i.Path = i.path
	}
	p := pathParts{rest: bytes.Trim(i.Path, "/")}
	if len(p.rest) == 0 {
		return
	}
	i.discovery = isDiscovery(p, i.Verb)
	if i.parseAPI(&p, method) {
		i.parseResource(&p)
		i.refineVerb(query)
	}
}

// parseAPI reads prefix, group, version and legacy prefix, and sets the verb. It
// reports whether the path is one of a resource; p then stands at the resource.
func (i *RequestInfo) parseAPI(p *pathParts, method []byte) bool {
	if p.count() < 3 {
		return false
	}
	var group []byte
	switch prefix := p.next(); string(prefix) {
	case "api":
	case "apis":
		if p.count() < 3 {
			return false
		}
		group = p.next()
	default:
		return false
	}
	version := p.next()
	verb := resourceVerb(method)
	if special := string(p.peek()); special == verbWatch || special == verbProxy {
		if p.count() < 2 {
			return false // the API server answers 500
		}
		verb = verbWatch
		if special == verbProxy {
			verb = verbProxy
		}
		p.next()
	}
	i.IsResource, i.Verb, i.APIGroup, i.APIVersion = true, verb, group, version
	return true
}

// parseResource reads namespace, resource, name and subresource.
func (i *RequestInfo) parseResource(p *pathParts) {
	if string(p.peek()) == "namespaces" && p.count() > 1 {
		// The namespace is dropped from the path unless it is the resource,
		// which it is when nothing but its own subresource follows.
		behind := *p
		behind.next()
		i.Namespace = behind.next()
		if sub := string(behind.peek()); behind.count() > 0 && sub != "status" && sub != "finalize" {
			*p = behind
		}
	}
	i.Resource = p.next()
	i.Name = p.next()
	// What follows a name behind the proxy prefix belongs to the application.
	if i.Verb != verbProxy {
		i.Subresource = p.next()
	}
}

// refineVerb tells get from list and watch, and delete from deletecollection:
// without a name it is the collection that is meant.
func (i *RequestInfo) refineVerb(query []byte) {
	if len(i.Name) != 0 {
		return
	}
	switch i.Verb {
	case "get":
		i.Verb = "list"
		i.query = i.query[:0]
		var watch []byte
		var found bool
		if i.query, watch, found = queryValue(i.query, query, "watch"); found && queryBool(watch) {
			i.Verb = verbWatch
		}
		var selector []byte
		if i.query, selector, found = queryValue(i.query, query, "fieldSelector"); found {
			i.Name = selectedName(selector)
		}
	case "delete":
		i.Verb = "deletecollection"
	}
}

// LongRunning reports whether the API server puts no time limit on the request
// and its response must never be held back: watches, proxied requests, logs
// (followed or not) and streams.
func (i *RequestInfo) LongRunning() bool {
	if !i.IsResource {
		return false
	}
	switch i.Verb {
	case verbWatch, verbProxy:
		return true
	}
	return string(i.Subresource) == "log" || i.Stream() != StreamNone
}

// Discovery reports whether the request is one by which clients learn what the
// server offers: GET of /api, /apis, a group, a group's version, /version and
// /openapi. kubectl loses the message of a Status in answer to it ("unknown"), so
// that a refusal is to be sent as text/plain.
func (i *RequestInfo) Discovery() bool { return i.discovery }

// Stream returns which kind of upgrade the path is made for. It is a hint for
// wording and for what to expect; what a stream is, the 101 says.
func (i *RequestInfo) Stream() StreamKind {
	if !i.IsResource {
		return StreamNone
	}
	if i.Verb == verbProxy {
		return StreamProxy
	}
	switch string(i.Subresource) {
	case "exec":
		return StreamExec
	case "attach":
		return StreamAttach
	case "portforward":
		return StreamPortForward
	case "proxy":
		return StreamProxy
	}
	return StreamNone
}

func isDiscovery(p pathParts, verb string) bool {
	if verb != "get" && verb != "head" {
		return false
	}
	n := p.count()
	switch string(p.next()) {
	case "api":
		return n <= 2
	case "apis":
		return n <= 3
	case "version":
		return n == 1
	case "openapi":
		return true
	}
	return false
}

// lowerMethod returns the method in lower case; the known ones without allocating.
func lowerMethod(method []byte) string {
	switch string(method) {
	case "GET":
		return "get"
	case "HEAD":
		return "head"
	case "POST":
		return "post"
	case "PUT":
		return "put"
	case "PATCH":
		return "patch"
	case "DELETE":
		return "delete"
	case "OPTIONS":
		return "options"
	}
	return strings.ToLower(string(method))
}

// resourceVerb returns the verb that a method means on a resource with a name.
// Methods are case-sensitive, RFC 9110, Section 9.1.
func resourceVerb(method []byte) string {
	switch string(method) {
	case "POST":
		return "create"
	case "GET", "HEAD":
		return "get"
	case "PUT":
		return "update"
	case "PATCH":
		return "patch"
	case "DELETE":
		return "delete"
	}
	return ""
}
