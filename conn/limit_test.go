package conn

import (
	"errors"
	"fmt"
	"net"
	"os"
	"syscall"
	"testing"
	"time"

	"github.com/spliceway/spliceway/limit"
)

// Requests that wait for a connection get one when the one before them is done.
func TestGateLetsRequestsWait(t *testing.T) {
	conversation(t, func(s *site) {
		s.config.Gate = limit.NewGate(limit.GateConfig{Most: 2, Queue: 1, Wait: time.Minute})
		first, second, third, fourth := s.connect(), s.connect(), s.connect(), s.connect()
		first.says(request("GET /1"))
		one := s.accepts()
		second.says(request("GET /2"))
		two := s.accepts()
		third.says(request("GET /3"))
		s.acceptsNone()
		const busy = "too many requests wait for this cluster's API server; try again later"
		fourth.says(request("GET /4"))
		fourth.hears(refusal("503 Service Unavailable", "ServiceUnavailable", busy))
		one.says(noContent)
		first.hears(noContent)
		one.says(noContent) // to the third
		third.hears(noContent)
		two.says(noContent)
		second.hears(noContent)
		fourth.says(request("GET /4"))
		two.says(noContent)
		fourth.hears(noContent)
		if stats := s.config.Gate.Stats(); stats != (limit.GateStats{}) {
			t.Errorf("gate at the end: %+v, want nobody", stats)
		}
	})
}

// A gateway that has run out of files says that it is its own fault.
func TestFilesExhausted(t *testing.T) {
	conversation(t, func(s *site) {
		s.dialErr = fmt.Errorf("dialing: %w", &net.OpError{Op: "dial", Net: "tcp", Err: os.NewSyscallError("socket", syscall.EMFILE)})
		if !errors.Is(s.dialErr, syscall.EMFILE) {
			t.Fatal("not the error that the kernel gives")
		}
		c := s.connect()
		c.says(request("GET /x"))
		const says = "the API server can't be reached"
		want := refusal("503 Service Unavailable", "ServiceUnavailable", says)
		c.hears(want)
		s.wantReasons("gateway gateway-exhausted")
	})
}
