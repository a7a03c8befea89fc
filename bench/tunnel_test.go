package main

import (
	"bytes"
	"crypto/tls"
	"io"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/spliceway/spliceway/internal/testnet"
)

// answering returns a tunnel whose peer sends the given octets and then closes.
func answering(t *testing.T, octets string) *tunnel {
	t.Helper()
	ca := testnet.NewCA(t)
	near, far := testnet.TCPPair(t)
	server := tls.Server(far, &tls.Config{Certificates: []tls.Certificate{ca.Issue(t, targetHost)}})
	done := make(chan struct{})
	go func() {
		defer close(done)
		io.WriteString(server, octets)
		server.Close()
	}()
	t.Cleanup(func() { near.Close(); <-done })
	client := tls.Client(near, &tls.Config{RootCAs: ca.Pool(), ServerName: targetHost})
	return &tunnel{conn: client, buf: make([]byte, answerRoom)}
}

func TestReadSmall(t *testing.T) {
	good := string(smallAnswer)
	for _, row := range []struct {
		name, octets string
		want         error // nil: none; errAny: any
	}{
		{"good", good, nil},
		{"field-in-other-case", strings.Replace(good, "Content-Length", "content-length", 1), nil},
		{"other-status", strings.Replace(good, "200 OK", "503 No", 1), errAny},
		{"other-body", strings.Replace(good, "xxx", "xyx", 1), errBody},
		{"octets-behind", good + "H", errBody},
		{"short", good[:len(good)-1], io.EOF},
		{"cut-in-head", good[:100], io.EOF},
		{"no-length", strings.Replace(good, "Content-Length", "Content-Width", 1), errNoLength},
		{"endless-head", strings.Repeat("x", answerRoom+1), errTooLong},
	} {
		t.Run(row.name, func(t *testing.T) {
			err := answering(t, row.octets).readSmall()
			if err != row.want && (row.want != errAny || err == nil) {
				t.Errorf("readSmall = %v, want %v", err, row.want)
			}
		})
	}
}

var errAny = io.ErrNoProgress // stands for any error in a table

func TestSmallObjectHasItsSize(t *testing.T) {
	if len(smallBody) != 4096 {
		t.Errorf("the body has %d octets", len(smallBody))
	}
	if !bytes.HasSuffix(smallAnswer, smallBody) {
		t.Error("the answer does not end with the body")
	}
}

func TestReadHead(t *testing.T) {
	for _, row := range []struct {
		name, octets string
		ok           bool
	}{
		{"whole", "GET / HTTP/1.1\r\nA: b\r\n\r\n", true},
		{"octets-behind", "GET / HTTP/1.1\r\n\r\nG", false},
		{"cut", "GET / HTTP/1.1\r\n", false},
		{"too-long", strings.Repeat("x", 65), false},
		{"empty", "", false},
	} {
		head, err := readHead(strings.NewReader(row.octets), make([]byte, 64))
		if (err == nil) != row.ok || row.ok && string(head) != row.octets {
			t.Errorf("%s: readHead(%q) = %q, %v", row.name, row.octets, head, err)
		}
	}
}

func TestReadHeadInSingleOctets(t *testing.T) {
	const head, next = "GET / HTTP/1.1\r\nA: b\r\n\r\n", "GET /"
	got, err := readHead(iotest.OneByteReader(strings.NewReader(head+next)), make([]byte, 64))
	if err != nil || string(got) != head {
		t.Errorf("readHead = %q, %v, want %q", got, err, head)
	}
}
