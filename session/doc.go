// Package session reads a stream that a 101 has begun: an exec, attach or port-forward over SPDY or WebSocket becomes one
// sequence of events, and what the gateway has to say is put into it without breaking it. It does no I/O and starts no
// goroutine.
//
//	heads ── Recognise ──> Info ── New ──> Session
//
//	client  ── Up ──>   ┌─ decoder ─┐  ──> API server
//	                    │  events ──┼──> Sink
//	client <── Down ──  └─ decoder ─┘  <── API server
//	       <── Insert ── words of ours, where a frame ends
//
// # What is a session
//
// What was negotiated decides, in both heads; the path only says which kind a channel protocol is. So a channel protocol
// is read as one on any path: behind a node's proxy, of an aggregated API.
//
//	| negotiated                                  | path                              | kind                        |
//	|---------------------------------------------|-----------------------------------|-----------------------------|
//	| SPDY, [v2. v3. v4.]channel.k8s.io           | any                               | attach if made for it, exec |
//	| SPDY, portforward.k8s.io                    | any                               | portforward                 |
//	| SPDY, anything else or nothing              | any                               | refused                     |
//	| WebSocket, [v4. v5.][base64.]channel.k8s.io | of a portforward                  | portforward; v5 is refused  |
//	|                                             | any other                         | attach if made for it, exec |
//	| WebSocket, SPDY/3.1+portforward.k8s.io      | any                               | portforward                 |
//	| WebSocket, nothing                          | pods exec, attach, portforward;   | as channel.k8s.io           |
//	|                                             | exec, attach, run, portForward of |                             |
//	|                                             | a kubelet; exec and attach of an  |                             |
//	|                                             | aggregated API                    |                             |
//	|                                             | any other                         | application                 |
//	| WebSocket, another name                     | those of pods and kubelets above  | refused                     |
//	|                                             | any other, unless the name is     | application                 |
//	|                                             | like those of Kubernetes          |                             |
//
// # Contract
//
//   - A Session is called by any goroutine; one lock makes its calls follow each other. The Sink, Wake and Closing are called
//     with that lock held, so they must not call the Session.
//   - A Sink that is a Gatherer gets what one Down decodes between Gather and Flush. If it does not take that, the session
//     goes on as if Down had not been called, up to the last words.
//   - Output is with the Sink before Down returns it, input before Up returns. Frames are not buffered: the head of a
//     frame may go out before it is complete, output goes out as it comes.
//   - Words of ours go out where a message and a frame of the API server's end, on a stream that it has opened, and are
//     with the Sink first. Without a terminal stdout is never used for them, for it may be data.
//   - Whatever can't be read with certainty is an *Error, and so is a Sink that does not take an event. Then no octet of
//     the API server's reaches the client any more, nor one of the client's the API server. Insert has the last words. If
//     the client has a part of an output frame, up to 64 KiB of NULs complete it, so that they can be read.
//   - Behind a WebSocket close frame, of either side, Closing asks that the end of the connection be not waited for long.
//   - Octets are the caller's again when a call returns. Data allocates nothing.
//
// For each session there are the decoders of both directions, up to 32 KiB of a status, and for a port-forward about 300
// octets for each open connection.
//
// # Files
//
// [Files] looks for tar archives in what a command without a terminal reads and writes, and tells of each file in them. It
// only describes; what it does not understand it passes over in silence, and it takes the place of no recording.
//
// # Limitations
//
// What a container's process does with its input is not known. Which octets of input an echo repeats is not known.
// Forwarded connections are counted and not read. What an application says over its own WebSocket is not read at all, a
// shell in a browser included, and there is no place for words in it. A kubelet answers POST /run without an upgrade, so
// that no session is ever seen; [RunsCommand] tells of such requests. Containers' logs are no sessions.
package session
