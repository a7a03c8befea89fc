//go:build !race

package audit

import (
	"io"
	"testing"
)

func TestParseDoesNotAllocate(t *testing.T) {
	var i RequestInfo
	for _, target := range []string{
		"/api/v1/namespaces/demo/pods?limit=500&watch=1",
		"/api/v1/namespaces/demo/pods/web/exec?command=sh&tty=true",
		"/apis/apps/v1/deployments?fieldSelector=metadata.name%3Dweb", // decoded into the reused buffer
		"/api/v1/namespaces/demo/pods/web%2Fx",
		"/healthz",
	} {
		method, path := []byte("GET"), []byte(target)
		if n := testing.AllocsPerRun(100, func() { i.Parse(method, path) }); n != 0 {
			t.Errorf("Parse(GET, %q) allocates %v times, want 0", target, n)
		}
	}
	method, path := []byte("GET"), []byte("/apis/apps/v1/namespaces/demo/deployments/web?x=%20y")
	if n := testing.AllocsPerRun(100, func() { var fresh RequestInfo; fresh.Parse(method, path); keep = fresh.IsResource }); n != 0 {
		t.Errorf("Parse into a fresh RequestInfo allocates %v times, want 0", n)
	}
}

var keep bool

func TestRequestDoesNotAllocate(t *testing.T) {
	l := New(io.Discard, nil)
	r := exampleRequest(new(RequestInfo))
	if n := testing.AllocsPerRun(1000, func() { l.Request(r) }); n != 0 {
		t.Errorf("Request allocates %v times, want 0", n)
	}
}

func BenchmarkRequest(b *testing.B) {
	l := New(io.Discard, nil)
	r := exampleRequest(new(RequestInfo))
	b.ReportAllocs()
	for b.Loop() {
		l.Request(r)
	}
}

func BenchmarkParse(b *testing.B) {
	var i RequestInfo
	method, path := []byte("GET"), []byte("/api/v1/namespaces/demo/pods?limit=500&watch=1")
	b.ReportAllocs()
	for b.Loop() {
		i.Parse(method, path)
	}
}
