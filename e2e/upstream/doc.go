// Package upstream is an API server that says what a test has it say: it answers
// upgrades of any path, and what follows is up to the test, octet by octet or as
// sessions of either framing. It shares no code with the product.
//
// [Client] and the functions for frames are the other end: a client that sends
// what no kubectl would.
package upstream
