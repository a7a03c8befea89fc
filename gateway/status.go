package gateway

import (
	"cmp"
	"os"
	"slices"
	"time"

	"github.com/spliceway/spliceway/status"
)

// inside is what the gateway says of itself to its operator.
func (g *Gateway) inside() *status.Report {
	gen := g.current.Load()
	r := &status.Report{
		Time: time.Now().UTC(), PID: os.Getpid(), Version: g.version, Started: g.started.UTC(),
		Draining: g.draining.Load(), Problems: g.problems(),
		Configuration: status.Configuration{Loaded: gen.loaded.UTC()},
		Limits:        g.limitsInside(gen),
		Keys:          status.Keys{Source: gen.keys.source()},
		Certificates:  []status.Certificate{},
		Recordings:    gen.recorder.inside(),
		Connections:   g.tunnels.inside(), Streams: g.sessions.inside(),
	}
	if refused := g.refused.Load(); refused != nil {
		r.Configuration.Refused = *refused
	}
	if at := gen.keys.Fetched().UTC(); !at.IsZero() {
		r.Keys.Fetched = &at
	}
	for _, e := range gen.certs.Expiries() {
		r.Certificates = append(r.Certificates, status.Certificate{File: e.File, Expires: e.NotAfter.UTC()})
	}
	for _, c := range gen.clusters.Clusters() {
		r.Clusters = append(r.Clusters, gen.backends[c.Name()].inside())
	}
	return r
}

func (u *upstream) inside() status.Cluster {
	stats := u.pool.Stats()
	c := status.Cluster{Name: u.cluster.Name(), Address: u.cluster.Addr(), Active: stats.Active, Idle: stats.Idle}
	if err := u.trouble(); err != nil {
		c.Error = err.Error()
	}
	return c
}

// inside returns nil if nothing is recorded.
func (r *recorder) inside() *status.Recordings {
	if r.store == nil {
		return nil
	}
	s := &status.Recordings{Active: r.store.Recorders(), Used: r.store.Used(), Quota: r.store.settings.Quota}
	if err := r.store.Room(); err != nil {
		s.Error = err.Error()
	}
	return s
}

// inside lists all tunnels.
func (t *tunnels) inside() []status.Connection {
	t.mu.Lock()
	defer t.mu.Unlock()
	all := make([]status.Connection, 0, len(t.open))
	for o := range t.open {
		usage, who := o.conn.Usage(), o.caller.Connection
		all = append(all, status.Connection{
			ID: who.ID, User: who.User, Groups: slices.Clone(who.Groups), Device: who.Device, RemoteAddr: who.RemoteAddr,
			Cluster: who.Cluster, Since: o.start.UTC(), Expires: who.Expires.UTC(),
			Idle: usage.Idle, Requests: usage.Requests, BytesUp: usage.BytesUp, BytesDown: usage.BytesDown,
		})
	}
	slices.SortFunc(all, func(a, b status.Connection) int { return cmp.Or(a.Since.Compare(b.Since), cmp.Compare(a.ID, b.ID)) })
	return all
}

// inside lists all streams.
func (s *sessions) inside() []status.Stream {
	s.mu.Lock()
	defer s.mu.Unlock()
	all := make([]status.Stream, 0, len(s.shown))
	for o := range s.shown {
		e, who := &o.event, o.event.Connection
		all = append(all, status.Stream{
			RequestID: string(e.RequestID), ConnID: who.ID, SessionID: e.ID, User: who.User, Cluster: who.Cluster,
			Kind: e.Kind, Protocol: e.Protocol, Namespace: e.Namespace, Pod: e.Pod, Container: e.Container, Node: e.Node,
			Command: slices.Clone(e.Command), TTY: e.TTY, Mode: e.Mode, Rule: e.Rule,
			Since: o.started.UTC(), BytesUp: o.up.Load(), BytesDown: o.down.Load(),
		})
	}
	slices.SortFunc(all, func(a, b status.Stream) int {
		return cmp.Or(a.Since.Compare(b.Since), cmp.Compare(a.RequestID, b.RequestID))
	})
	return all
}
