// Package gateway makes a running gateway out of a validated configuration.
//
// It owns no protocol. It decides which part talks to which, and it is the one
// place where what happens in tlsmux, authn and conn becomes an audit event, a
// metric or a line of the log:
//
//	tlsmux.Mux ── CONNECT ──> authenticate: authn.Verifier, cluster.Set
//	     │
//	     └── tunnel ──> conn.Conn with the cluster's pool and credential
//
// A Gateway is made by New, which opens no port, and lives for as long as Run.
package gateway
