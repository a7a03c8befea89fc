// Package soak is a test of the gateway under faults that come for as long as one
// likes:
//
//	go test ./soak                                       # some seconds, Linux only
//	go test ./soak -v -timeout 0 -duration 1h -rounds 8 -idle 10000
//	go test ./soak -v -run Soak/vanish -duration 1m
//
// # What runs
//
//	load ══ TLS in TLS ══> (cuts) ══> spliceway serve ══> (cuts) ══ TLS ══> API server
//	                                        └── keys ──> issuer
//
// The gateway is the real binary, a process of its own, which is looked at from
// outside: its metrics, its descriptors, its memory. All else is in the test:
// clients that open tunnels and ask for small and large things, watch, stream and
// send bodies; two relays that can cut what goes through them; an API server that
// can be killed and started again, and an issuer's key server that can lie. All is
// on loopback.
//
// # What is wanted
//
// A class of faults is on while the load is. Requests may fail meanwhile, but never
// unnoticed: each is whole and its own, or refused, or visibly cut. When the class is
// over and all clients are gone, the gateway must have as many goroutines and
// descriptors as before, no connection, no tunnel and nothing active in its pool; and
// a request must be served as on the first day. Memory is told, not judged: the most
// that each class took, what is left when all is quiet at the end of a round, and by how
// much that grows with the requests from round to round.
//
// # Overload
//
// TestOverload asks a gateway of its own for more than its limits allow, and tells what
// each refusal costs it in CPU time.
//
// # The clock
//
// A process shares the clock with its machine, and Go reads it without a call that could
// be replaced. So the gateway is built with one line more in time.Now, which adds what
// the test has put into a file that both have mapped. A version of Go whose time.Now has
// another text is used as it is, and the class is skipped.
//
// # What it does not do
//
// Its clients that vanish do so without a word only if the test may put a socket into
// repair mode (CAP_NET_ADMIN); else they reset the connection.
package soak
