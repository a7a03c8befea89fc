package tlsmux

import (
	"fmt"
	"net/netip"

	"github.com/spliceway/spliceway/limit"
)

// The words for the limits that close a connection.
const (
	LimitOpening          = "unauthenticated"            // Config.MaxOpening
	LimitPerSource        = "connections_per_source"     // Config.MaxPerSource
	LimitOpeningPerSource = "unauthenticated_per_source" // Config.MaxOpeningPerSource
)

// A LimitError is a connection that was closed because a limit was reached.
type LimitError struct {
	Limit  string     // one of the Limit constants
	Source netip.Addr // whose it would have been
}

// Error implements the error interface.
func (e *LimitError) Error() string {
	return fmt.Sprintf("tlsmux: limit %s is reached, for a connection from %s", e.Limit, e.Source)
}

// A quota counts connections that are limited by who opens them and by how far
// they have come.
type quota struct {
	opening          *limit.Counts[struct{}]
	perSource        *limit.Counts[netip.Addr]
	openingPerSource *limit.Counts[netip.Addr]
}

func newQuota() *quota {
	return &quota{
		opening:          limit.NewCounts[struct{}](),
		perSource:        limit.NewCounts[netip.Addr](),
		openingPerSource: limit.NewCounts[netip.Addr](),
	}
}

// A share is what one connection has of a quota. The goroutine that serves the
// connection owns it.
type share struct {
	of      *quota // nil: nothing
	source  netip.Addr
	opening bool
}

// take counts a connection until authenticated and give. Its error is a
// *LimitError, and nothing is counted then. The limits of a source come first, so
// that a flood from one shows as what it is.
func (s *share) take(q *quota, cfg *Config, addr netip.Addr) error {
	source := limit.Source(addr)
	if !q.perSource.Take(source, cfg.MaxPerSource) {
		return &LimitError{Limit: LimitPerSource, Source: source}
	}
	if !q.openingPerSource.Take(source, cfg.MaxOpeningPerSource) {
		q.perSource.Give(source)
		return &LimitError{Limit: LimitOpeningPerSource, Source: source}
	}
	if !q.opening.Take(struct{}{}, cfg.MaxOpening) {
		q.openingPerSource.Give(source)
		q.perSource.Give(source)
		return &LimitError{Limit: LimitOpening, Source: source}
	}
	*s = share{of: q, source: source, opening: true}
	return nil
}

// authenticated ends what is counted while a connection is being opened.
func (s *share) authenticated() {
	if s.opening {
		s.opening = false
		s.of.opening.Give(struct{}{})
		s.of.openingPerSource.Give(s.source)
	}
}

// give ends all that is counted.
func (s *share) give() {
	if s.of == nil {
		return
	}
	s.authenticated()
	s.of.perSource.Give(s.source)
	s.of = nil
}

// Usage is how much of the limits is in use at one moment.
type Usage struct {
	Opening          int // connections not yet authenticated
	PerSource        int // connections of the source that has most
	OpeningPerSource int // connections not yet authenticated, of the source that has most
}

// Usage returns what is in use now. It looks at every source.
func (m *Mux) Usage() Usage {
	return Usage{
		Opening:          m.quota.opening.Highest(),
		PerSource:        m.quota.perSource.Highest(),
		OpeningPerSource: m.quota.openingPerSource.Highest(),
	}
}
