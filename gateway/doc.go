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
//
// # Generations
//
// What follows from one configuration is a generation: verifier, certificates,
// clusters, recording policy. Reload builds another one beside it and puts it in
// force as a whole. A tunnel goes on with the generation that let it in, which ends
// with its last tunnel. Parts whose settings did not change, as connections to an
// API server, signing keys and the store of recordings, are handed on, and end with
// the last generation that has them. Listeners, metrics, the audit log and the
// registries of what is open belong to the Gateway.
//
// HandOver lets another process take the listeners over; Run then drains.
//
// # Who is told what
//
// Every connection that got as far as a CONNECT, or failed otherwise than by going
// away in silence, has one line in the audit log that says so: connection.refused,
// or connection.opened with a connection.closed. A refusal names the user as soon
// as token and proof are good. A request that does not end in order is counted in
// one of three metrics: upstream_errors_total if the API server is to blame,
// refusals_total if the gateway answered it, else requests_aborted_total.
//
// What lasts is logged when it begins and when it is over, not each time that a
// user meets it: an API server that can't be reached, signing keys that can't be
// read, files that can't be used, audit events that are lost.
//
// # Readiness
//
// A gateway is ready while it has signing keys, at least one API server could be
// reached when it was last tried, and it is not draining. API servers that can't be
// reached are tried again and again without waiting for a request.
package gateway
