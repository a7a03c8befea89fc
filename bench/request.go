package main

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"time"
)

// requestHead is what kubectl sends, about.
func requestHead(path string) []byte { return headOf(http.MethodGet, path, "") }

// headOf returns a head with further lines.
func headOf(method, path, more string) []byte {
	return []byte(method + " " + path + " HTTP/1.1\r\n" +
		"Host: " + target + "\r\n" +
		"User-Agent: kubectl/v1.36.3 (linux/amd64) kubernetes/0000000\r\n" +
		"Accept: application/json;as=Table;v=v1;g=meta.k8s.io,application/json;as=Table;v=v1beta1;g=meta.k8s.io,application/json\r\n" +
		"Accept-Encoding: gzip\r\n" +
		"Kubectl-Command: kubectl get\r\n" +
		"Kubectl-Session: 5b6bd34b-6f57-4e1b-a3c5-1d2f2d0f8d53\r\n" +
		more +
		"\r\n")
}

var (
	smallRequest = requestHead(smallPath)
	okLine       = []byte("HTTP/1.1 200 ")
)

// get does one small request and compares the answer.
func (t *tunnel) get() error {
	if _, err := t.conn.Write(smallRequest); err != nil {
		return err
	}
	return t.readSmall()
}

var (
	errTooLong  = errors.New("answer is too long")
	errBody     = errors.New("answer has not the body that was sent")
	errNoLength = errors.New("answer has no Content-Length")
)

// readSmall reads one answer with a length, and nothing more.
func (t *tunnel) readSmall() (err error) {
	n, head := 0, 0 // octets that are there; of the head, when it is complete
	for head == 0 {
		if n, err = t.more(n); err != nil {
			return err
		}
		head = headEnd(t.buf[:n])
	}
	length, err := checkHead(t.buf[:head])
	if err != nil {
		return err
	}
	for n < head+length {
		if n, err = t.more(n); err != nil {
			return err
		}
	}
	if !bytes.Equal(t.buf[head:n], smallBody) {
		return errBody
	}
	return nil
}

// more reads on behind the first n octets of the buffer.
func (t *tunnel) more(n int) (int, error) {
	if n == len(t.buf) {
		return n, errTooLong
	}
	m, err := t.conn.Read(t.buf[n:])
	if m > 0 {
		err = nil // it comes again
	}
	return n + m, err
}

// checkHead returns the length of the body.
func checkHead(head []byte) (int, error) {
	if !bytes.HasPrefix(head, okLine) {
		return 0, refusedError(head)
	}
	n, err := contentLength(head)
	return int(n), err
}

// contentLength returns the length that a head gives.
func contentLength(head []byte) (int64, error) {
	value := field(head, "Content-Length")
	if value == "" {
		return 0, errNoLength
	}
	return strconv.ParseInt(value, 10, 64)
}

// field returns the value of a header field; empty: it is not there.
func field(head []byte, name string) string {
	for rest := head; len(rest) > 0; {
		var line []byte
		line, rest, _ = bytes.Cut(rest, []byte("\r\n"))
		key, value, _ := bytes.Cut(line, []byte(":"))
		if bytes.EqualFold(key, []byte(name)) {
			return string(bytes.TrimSpace(value))
		}
	}
	return ""
}

// watch begins a watch and reads its first event. Nothing comes after that.
func (t *tunnel) watch() error { return t.watchEvents(0, 0, 0) }

// watchEvents is watch, and after delay further events come, gap apart.
func (t *tunnel) watchEvents(count int, gap, delay time.Duration) error {
	path := watchPath
	if count > 0 {
		path = fmt.Sprintf("%s&events=%d&gap=%d&delay=%d", path, count, gap, delay)
	}
	if _, err := t.conn.Write(requestHead(path)); err != nil {
		return err
	}
	answer, err := t.answer()
	if err != nil {
		return err
	}
	t.body = answer.Body
	return t.events(1)
}

// events reads events of a watch.
func (t *tunnel) events(n int) error {
	event := make([]byte, len(watchEvent))
	for range n {
		if _, err := io.ReadFull(t.body, event); err != nil {
			return err
		}
		if !bytes.Equal(event, watchEvent) {
			return errBody
		}
	}
	return nil
}

// answer reads the head of an answer that must be 200.
func (t *tunnel) answer() (*http.Response, error) { return t.answerWith(http.StatusOK) }

// answerWith reads the head of an answer that must have a status.
func (t *tunnel) answerWith(status int) (*http.Response, error) {
	if t.in == nil {
		t.in = bufio.NewReaderSize(t.conn, 32<<10)
	}
	answer, err := http.ReadResponse(t.in, nil)
	if err != nil {
		return nil, err
	}
	if answer.StatusCode != status {
		return nil, fmt.Errorf("answered %q", answer.Status)
	}
	return answer, nil
}

// download gets a body of a size, in one of the codings, and compares it.
func (t *tunnel) download(size int64, coding string) error {
	path := fmt.Sprintf("%ssize=%d&coding=%s", downloadPath, size, coding)
	if _, err := t.conn.Write(requestHead(path)); err != nil {
		return err
	}
	answer, err := t.answer()
	if err != nil {
		return err
	}
	var check patternCheck
	n, err := copyAll(&check, answer.Body, make([]byte, 32<<10))
	if err != nil {
		return err
	}
	if n != size {
		return errBody
	}
	return nil
}

// upload sends a body of a size, with its length.
func (t *tunnel) upload(size int64) error {
	length := fmt.Sprintf("Content-Type: application/json\r\nContent-Length: %d\r\n", size)
	if _, err := t.conn.Write(headOf(http.MethodPost, uploadPath, length)); err != nil {
		return err
	}
	if err := writePattern(t.conn, size); err != nil {
		return err
	}
	return t.readSmall()
}
