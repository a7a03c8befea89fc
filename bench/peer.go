package main

import (
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net/url"
	"strconv"
	"strings"
	"time"
)

// peer is the upstream's end of a connection.
type peer struct {
	*tls.Conn
	buf        []byte
	begin, end int // of what has been read and not been used
}

// head returns the next request's head. It is valid until the next read.
func (p *peer) head() ([]byte, error) {
	p.end = copy(p.buf, p.buf[p.begin:p.end])
	p.begin = 0
	for {
		if n := headEnd(p.buf[:p.end]); n > 0 {
			p.begin = n
			return p.buf[:n], nil
		}
		if p.end == len(p.buf) {
			return nil, errTooLong
		}
		n, err := p.Conn.Read(p.buf[p.end:])
		p.end += n
		if n == 0 && err != nil {
			return nil, err
		}
	}
}

// Read reads what is behind the head.
func (p *peer) Read(to []byte) (int, error) {
	if p.begin < p.end {
		n := copy(to, p.buf[p.begin:p.end])
		p.begin += n
		return n, nil
	}
	return p.Conn.Read(to)
}

// query returns the parameters of a request's target.
func query(head []byte) (url.Values, error) {
	_, rest, _ := strings.Cut(string(head), " ")
	target, _, _ := strings.Cut(rest, " ")
	u, err := url.ParseRequestURI(target)
	if err != nil {
		return nil, err
	}
	return u.Query(), nil
}

// number returns a parameter that must be one.
func number(q url.Values, name string) (int64, error) {
	n, err := strconv.ParseInt(q.Get(name), 10, 64)
	if err != nil || n < 0 {
		return 0, fmt.Errorf("parameter %s is %q, not a number", name, q.Get(name))
	}
	return n, nil
}

// download sends a body of a size: with chunks of 32 KiB if coding is chunked, and
// else with a length.
func (p *peer) download(head []byte) error {
	q, err := query(head)
	if err != nil {
		return err
	}
	size, err := number(q, "size")
	if err != nil {
		return err
	}
	if q.Get("coding") != codingChunked {
		if _, err := fmt.Fprintf(p, answerHead+"Content-Length: %d\r\n\r\n", size); err != nil {
			return err
		}
		return writePattern(p, size)
	}
	if _, err := io.WriteString(p, answerHead+"Transfer-Encoding: chunked\r\n\r\n"); err != nil {
		return err
	}
	if err := writePattern(&chunker{w: p}, size); err != nil {
		return err
	}
	_, err = io.WriteString(p, "0\r\n\r\n")
	return err
}

// chunker makes a chunk of each Write. RFC 9112, Section 7.1.
type chunker struct {
	w   io.Writer
	buf []byte
}

func (c *chunker) Write(p []byte) (int, error) {
	c.buf = fmt.Appendf(c.buf[:0], "%x\r\n", len(p))
	c.buf = append(append(c.buf, p...), "\r\n"...)
	_, err := c.w.Write(c.buf)
	return len(p), err
}

// upload takes a body with a length and looks at it.
func (p *peer) upload(head []byte) error {
	size, err := contentLength(head)
	if err != nil {
		return err
	}
	var check patternCheck
	if n, err := copyAll(&check, io.LimitReader(p, size), make([]byte, 32<<10)); err != nil || n < size {
		return fmt.Errorf("upload ended after %d of %d octets: %w", n, size, err)
	}
	_, err = p.Write(smallAnswer)
	return err
}

// watch sends one event, then those that the parameters ask for, and is then
// silent until the watcher goes away.
func (p *peer) watch(head []byte) error {
	q, err := query(head)
	if err != nil {
		return err
	}
	if _, err := p.Write(watchAnswer); err != nil {
		return err
	}
	if q.Has("events") {
		if err := p.events(q); err != nil {
			return err
		}
	}
	_, err = io.Copy(io.Discard, p)
	return err
}

// events sends one event after another; gap and delay are in nanoseconds.
func (p *peer) events(q url.Values) error {
	count, err1 := number(q, "events")
	gap, err2 := number(q, "gap")
	delay, err3 := number(q, "delay")
	if err := errors.Join(err1, err2, err3); err != nil {
		return err
	}
	time.Sleep(time.Duration(delay))
	beat := newPace(time.Duration(gap))
	for range count {
		if _, err := p.Write(watchChunk); err != nil {
			return err
		}
		beat.wait()
	}
	return nil
}

// pace sleeps from one point in time to the next, and is not put off by a late
// awakening.
type pace struct {
	next time.Time
	gap  time.Duration
}

func newPace(gap time.Duration) *pace { return &pace{time.Now(), gap} }

func (p *pace) wait() {
	p.next = p.next.Add(p.gap)
	time.Sleep(time.Until(p.next))
}
