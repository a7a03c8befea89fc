package main

import (
	"context"
	"crypto/tls"
	"errors"
)

// setUps is how many tunnels a sample opens, after setUpWarmUp, setUpWorkers at a
// time.
const (
	setUps       = 300
	setUpWarmUp  = 20
	setUpWorkers = 2
)

const setUpFull = "setup/keys=full"

// setUpWork is the CPU time of a tunnel with one small request, from accept to
// close: ECDSA, X25519MLKEM768. With resumed set, both layers resume by tickets.
func setUpWork(resumed bool) work {
	w := work{
		name:    setUpFull,
		figures: []figure{{title: "tunnel set-up and a GET, full", unit: "µs", goals: []goal{{of: sideCrypto, most: 1.1}}}},
		alone:   setUpCrypto,
		sample: func(ctx context.Context, l *lab, s *server) ([]float64, error) {
			us, err := setUpCost(ctx, l, s, resumed)
			return []float64{us}, err
		},
	}
	if resumed {
		w.name, w.alone = "setup/keys=resumed", nil
		w.figures = []figure{{
			title: "tunnel set-up and a GET, resumed", unit: "µs",
			asPart: setUpFull, goals: []goal{{of: setUpFull, most: 0.5}},
		}}
	}
	return w
}

func setUpCost(ctx context.Context, l *lab, s *server, resumed bool) (float64, error) {
	gates := make([]*gate, setUpWorkers)
	for i := range gates {
		gates[i] = l.gate(s)
		if resumed {
			gates[i].sessions = newSessions()
		}
	}
	if err := openOnceEach(ctx, gates, setUpWarmUp, false); err != nil {
		return 0, err
	}
	cost, err := spent(ctx, s, func() error { return openOnceEach(ctx, gates, setUps, resumed) })
	return float64(cost.Nanoseconds()) / 1e3 / setUps, err
}

var errNotResumed = errors.New("a session was not resumed")

// openOnceEach opens tunnels for one request each, shared out to the gates.
func openOnceEach(ctx context.Context, gates []*gate, count int, resumed bool) error {
	return each(ctx, len(gates), func(going context.Context, i int) error {
		for k := i; k < count && going.Err() == nil; k += len(gates) {
			t, err := gates[i].open(ctx)
			if err != nil {
				return err
			}
			err = t.get()
			if err == nil && resumed && !t.resumed() {
				err = errNotResumed
			}
			t.close()
			if err != nil {
				return because(ctx, err)
			}
		}
		return nil
	})
}

// sessions are the tickets of one client, by layer.
type sessions struct{ outer, inner tls.ClientSessionCache }

func newSessions() *sessions {
	return &sessions{tls.NewLRUClientSessionCache(4), tls.NewLRUClientSessionCache(4)}
}

// resumed reports whether both layers resumed a session.
func (t *tunnel) resumed() bool {
	return t.conn.ConnectionState().DidResume && t.conn.NetConn().(*tls.Conn).ConnectionState().DidResume
}
