package conn

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/spliceway/spliceway/audit"
	"github.com/spliceway/spliceway/internal/testnet"
)

// bomb is a Tap that panics on a word.
type bomb struct {
	untapped
	closed chan error
}

func (b bomb) Close(cause error) { b.closed <- cause }

func (bomb) Up(p []byte) error {
	if strings.Contains(string(p), "up") {
		panic("tap of up")
	}
	return nil
}

func (bomb) Down(p []byte) (int, error) {
	if strings.Contains(string(p), "down") {
		panic("tap of down")
	}
	return len(p), nil
}

// A panic on any goroutine of a connection comes out of its Serve, where it can be
// recovered, and gives back what the connection had.
func TestPanicComesOutOfServe(t *testing.T) {
	for _, way := range []string{"up", "down"} {
		t.Run(way, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newSite(t)
				defer s.hangUp()
				closed := make(chan error, 2)
				s.config.Tap = func(*Upgrade) (Tap, error) { return bomb{closed: closed}, nil }
				lines, err := Impersonate("ann@example.com", []string{"dev", "on call"})
				if err != nil {
					t.Fatal(err)
				}
				caller := &Caller{Connection: &audit.Connection{ID: "c1"}, Lines: lines}
				theirs, ours := testnet.Pipe()
				c := &client{peer: &peer{t: t, name: "client", PipeConn: theirs}}
				recovered := make(chan string, 1)
				go func() {
					defer ours.Close()
					defer func() { recovered <- fmt.Sprint(recover()) }()
					New(ours, caller, &s.config).Serve(context.Background())
				}()
				up := upgraded(s, c)
				if way == "up" {
					c.says("up")
				} else {
					up.says("down")
				}
				if got := <-recovered; !strings.Contains(got, "tap of "+way) {
					t.Errorf("Serve panics with %.80q, want the tap's own words", got)
				}
				if cause := <-closed; cause == nil || cause.Error() != "conn: panic" || len(closed) > 0 {
					t.Errorf("the tap is closed with %v and %d times more, want once with a panic", cause, len(closed))
				}
				up.hearsEnd()
				time.Sleep(time.Second)
				s.wantPool(0, 0)
				s.wantReasons("gateway panic")
			})
		})
	}
}
