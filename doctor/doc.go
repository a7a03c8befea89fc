// Package doctor walks the way of a connection, one step after the other, and says which step fails, why, and what to
// do about it. [Server] walks the gateway's part of it, from its configuration to the API servers; [Client] walks from a
// user's machine through a gateway. [Explain] finds the likely cause of an error line that somebody has seen.
//
// A walk ends at the first step that fails: what lies behind it can't be judged, and would only hide the cause. Each
// step is a [Step]; nothing is changed anywhere, and no secret is printed.
//
// # Limitations
//
// The upgrades ask for a command in a pod that does not exist, in the gateway's own name or in the user's: the API
// server refuses it, and that it does so in its own words shows that it was reached. A proxy that strips the Upgrade
// field is found out for certain over WebSocket by a bearer token that API servers take from the handshake only; with
// a client certificate there is no such proxy. Over SPDY it is found only where the request is allowed.
package doctor
