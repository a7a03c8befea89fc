// Package limit counts what may be had a limited number of times, and shares it out
// fairly. It does no I/O and logs nothing: its callers say what a refusal means.
//
//	Counts      so many of each key: connections of an address
//	Accounts    what one user has in use: connections, streams, requests a second
//	Gate        so many at once of one thing, with a queue that is fair among users
//
// All types are safe for concurrent use. A limit of zero is none, unless it is said
// otherwise. Limits may change at any time; who is in beyond a lower one stays in.
//
// # Memory
//
// A key that has nothing in use is forgotten, so that memory is bounded by what is
// in use. An Account is kept a little longer, until its allowance of requests is
// whole again: to forget it earlier would make it whole at once.
//
// # Fairness
//
// Those who wait at a Gate form one line a user; a place that is free goes to the
// user whose turn it is, and there to who came first. A user who waits with a
// thousand requests delays the one of another user by one. Likewise a line that is
// full refuses those of whom most wait.
//
// Places are of two kinds, because a short request has its place for milliseconds
// and a stream for hours. A share is kept for short requests, which streams can't
// take; of the rest both may have all. Where both kinds wait for the same place,
// they take turns.
package limit
