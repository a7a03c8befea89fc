// Package trace follows requests through the gateway, for OpenTelemetry: it reads and
// writes W3C Trace Context, decides what is sampled, and exports spans by OTLP over
// HTTP, as protobuf.
//
//	traceparent ──> Parse ──> Tracer.Start ──> AppendParent ──> the API server
//	                               │
//	                               └── Span ──> Tracer.Emit ──> queue ──> collector
//
// # Contract
//
// Start and Emit never wait, for nobody: a span that finds the queue full is dropped
// and counted. Export happens on the goroutine of Run alone. A Span that was given to
// Emit is the Tracer's.
//
// All waits of Run end: an attempt to send has ten seconds, a batch a minute with all
// its attempts, and what is left when Run's context is done five seconds.
//
// # Trace Context
//
// What is written is version 00 with no flag but sampled, as the Recommendation has
// it: the flag for random ids, of its successor, makes a good part of those who read
// it today discard the whole value. What is read may be of any later version. A
// tracestate is never looked at; whoever passes a parent on passes it as it came.
//
// # Sampling
//
// A request with a parent is sampled if its parent is. One without is by the ratio of
// the configuration, which looks at the trace id as all of OpenTelemetry does, so that
// two gateways with one ratio choose the same traces.
//
// # Limitations
//
// Events, links and other signals than traces there are none. Of a text, 1024 octets
// are exported at most.
package trace
