package trace

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"strconv"
	"time"
)

// How long is tried to deliver a batch. Meanwhile the queue fills.
const (
	attemptTime  = 10 * time.Second // one answer
	deliveryTime = time.Minute      // from the first attempt to the beginning of the last
	firstPause   = time.Second      // between two attempts; it doubles
	longestPause = 30 * time.Second // and is never longer, also if the collector says so
)

// maxAnswer is how much is read of a collector's answer, in octets.
const maxAnswer = 64 << 10

// refusal is an attempt that failed.
type refusal struct {
	err   error
	again bool          // it may be repeated
	after time.Duration // but not before; 0: at the next turn
}

// deliver sends a batch until it has been taken or there is no point in going on, and
// reports what has become of it.
func (t *Tracer) deliver(ctx context.Context, batch []*Span) {
	body, err := encode(t.cfg.Process, batch)
	if err != nil {
		t.cfg.Report(Failed, len(batch), fmt.Errorf("trace: %w", err))
		return
	}
	start := time.Now()
	for pause := firstPause; ; pause = min(2*pause, longestPause) {
		rejected, reason, refused := t.attempt(ctx, body)
		if refused == nil {
			t.delivered(len(batch), rejected, reason)
			return
		}
		err := fmt.Errorf("trace: exporting to %s: %w", t.cfg.Endpoint, refused.err)
		wait := min(max(pause/2+rand.N(pause/2), refused.after), longestPause)
		if !refused.again || ctx.Err() != nil || time.Since(start)+wait > deliveryTime {
			t.cfg.Report(Failed, len(batch), err)
			return
		}
		t.cfg.Report(Retried, len(batch), err)
		sleep(ctx, wait)
	}
}

// sleep waits until a time has passed or ctx is done.
func sleep(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}

// delivered reports a batch that was taken, all or in part. What was not is never sent
// again. OTLP, Section "Partial Success".
func (t *Tracer) delivered(spans int, rejected int64, reason string) {
	lost := int(min(max(rejected, 0), int64(spans)))
	t.cfg.Report(Sent, spans-lost, nil)
	if lost > 0 {
		t.cfg.Report(Rejected, lost, fmt.Errorf("trace: %s says %.200q", t.cfg.Endpoint, reason))
	}
}

// attempt sends a batch once.
func (t *Tracer) attempt(ctx context.Context, body []byte) (rejected int64, reason string, refused *refusal) {
	ctx, cancel := context.WithTimeout(ctx, attemptTime)
	defer cancel()
	l := t.link.Get()
	if l != t.used {
		t.used.close()
		t.used = l
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, t.cfg.Endpoint, bytes.NewReader(body))
	if err != nil {
		return 0, "", &refusal{err: err}
	}
	request.Header = l.header.Clone()
	response, err := l.client.Do(request)
	if err != nil {
		return 0, "", &refusal{err: withoutURL(err), again: true}
	}
	defer response.Body.Close()
	answer, err := io.ReadAll(io.LimitReader(response.Body, maxAnswer))
	if response.StatusCode/100 != 2 {
		return 0, "", refusedBy(response)
	}
	if err != nil { // it has been taken
		return 0, "", nil
	}
	rejected, reason = decodeAnswer(answer)
	return rejected, reason, nil
}

// withoutURL leaves the URL out of an error, because it is told anyway.
func withoutURL(err error) error {
	if inner := errors.Unwrap(err); inner != nil {
		return inner
	}
	return err
}

// refusedBy is what a status means. OTLP, Section "Failures": the codes that may be
// repeated are these four.
func refusedBy(response *http.Response) *refusal {
	r := &refusal{err: fmt.Errorf("it answers %d", response.StatusCode)}
	switch response.StatusCode {
	case http.StatusTooManyRequests, http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout:
		r.again, r.after = true, retryAfter(response.Header.Get("Retry-After"), time.Now())
	case http.StatusMovedPermanently, http.StatusFound, http.StatusTemporaryRedirect, http.StatusPermanentRedirect:
		r.err = fmt.Errorf("%w; give the endpoint that it leads to", r.err)
	}
	return r
}

// retryAfter is the pause that a server asks for, 0 if none: seconds or a date.
// RFC 9110, Section 10.2.3.
func retryAfter(value string, now time.Time) time.Duration {
	if n, err := strconv.ParseUint(value, 10, 31); err == nil {
		return time.Duration(n) * time.Second
	}
	if at, err := http.ParseTime(value); err == nil {
		return max(at.Sub(now), 0)
	}
	return 0
}
