package httpparse_test

import (
	"bytes"
	"fmt"

	"github.com/spliceway/spliceway/httpparse"
)

// A gateway reads a head, puts its own identity in the place of the client's, and forwards it.
func ExampleParseRequest() {
	buf := []byte("POST /api/v1/namespaces/default/pods HTTP/1.1\r\n" +
		"Host: gateway\r\n" +
		"Impersonate-User: system:admin\r\n" +
		"Content-Type: application/json\r\n" +
		"Content-Length: 2\r\n" +
		"\r\n" +
		"{}")
	var req httpparse.Request
	n, err := httpparse.ParseRequest(buf, nil, &req)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Printf("%s %s, body: %s %d\n", req.Method, req.Target, req.Framing.Kind, req.Framing.Length)
	head := httpparse.AppendRequest(nil, &req, &httpparse.RequestEdit{
		Host:  []byte("kubernetes.default.svc"),
		Lines: [][]byte{[]byte("Impersonate-User: alice\r\n")},
	})
	fmt.Printf("%s%s\n", bytes.ReplaceAll(head, []byte("\r\n"), []byte("\n")), buf[n:])
	// Output:
	// POST /api/v1/namespaces/default/pods, body: content-length 2
	// POST /api/v1/namespaces/default/pods HTTP/1.1
	// Host: kubernetes.default.svc
	// Content-Type: application/json
	// Content-Length: 2
	// Impersonate-User: alice
	//
	// {}
}

// What is wrong is found as soon as it is there.
func ExampleParseRequest_refused() {
	var req httpparse.Request
	for _, in := range []string{
		"GET / HTTP/1.1\r\nHost: a",
		"GET / HTTP/1.1\r\nHost : a",
		"GET / HTTP/1.0",
	} {
		_, err := httpparse.ParseRequest([]byte(in), nil, &req)
		fmt.Println(err)
	}
	// Output:
	// httpparse: need more octets
	// httpparse: space in or behind a field name at octet 20
	// httpparse: version is not HTTP/1.1 at octet 13
}

// A body is forwarded span by span; its trailer is not.
func ExampleChunkDecoder() {
	body := []byte("5\r\nhello\r\n0\r\nX-Checksum: 1\r\n\r\nGET / HTTP/1.1\r\n")
	var d httpparse.ChunkDecoder
	for len(body) > 0 && !d.Done() {
		n, keep, err := d.Decode(body)
		if err != nil {
			fmt.Println(err)
			return
		}
		fmt.Printf("keep %v %q\n", keep, body[:n])
		body = body[n:]
	}
	fmt.Printf("next %q\n", body)
	// Output:
	// keep true "5\r\nhello\r\n0\r\n"
	// keep false "X-Checksum: 1\r\n"
	// keep true "\r\n"
	// next "GET / HTTP/1.1\r\n"
}

// Most responses leave as they came, in one write with the octets of the body behind them.
func ExampleResponse_Verbatim() {
	buf := []byte("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}")
	var resp httpparse.Response
	n, err := httpparse.ParseResponse(buf, nil, nil, &resp)
	if err != nil {
		fmt.Println(err)
		return
	}
	if resp.Verbatim(false) != nil {
		fmt.Printf("%q\n", buf)
	} else {
		fmt.Printf("%q\n", append(httpparse.AppendResponse(nil, &resp, false), buf[n:]...))
	}
	// Output: "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"
}
