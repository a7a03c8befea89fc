// Package ws reads WebSocket frames (RFC 6455), and the channels that Kubernetes has in them, for a gateway that forwards
// the octets it was given and records what they mean. It does no I/O and starts no goroutine.
//
// exec and attach have a channel in the first octet of each message; a port-forward is either that, or a SPDY connection
// cut into messages:
//
//	| subprotocol                  | a message                                                          |
//	|------------------------------|--------------------------------------------------------------------|
//	| v5.channel.k8s.io            | channel(8) octets; or 255 channel(8): the client closes the channel|
//	| v4.channel.k8s.io            | channel(8) octets                                                  |
//	| channel.k8s.io, or none      | the same; the status on channel 3 is text                          |
//	| v4.base64.channel.k8s.io     | text: a digit, then base64                                         |
//	| base64.channel.k8s.io        | the same; the status on channel 3 is text                          |
//	| SPDY/3.1+portforward.k8s.io  | octets of a stream that package spdy reads                         |
//
// Two libraries serve and read these, and they differ: one joins fragments as the RFC says, to the other every frame is
// a message; one refuses what the RFC reserves, the other looks at little of it. Whatever two decoders could read
// differently is refused here.
//
// # Contract
//
//   - A Decoder reads one direction, in pieces of any size, by one goroutine at a time. Two of them share nothing.
//   - Octets are given to the Decoder before they are forwarded; what Next refused is not forwarded.
//   - Octets of messages are handed on as they come. They are part of what was given to Next, or, where they are masked
//     or in base64, in storage that the next call uses again: 4 KiB for a Decoder. What was given is never changed.
//     Control frames are reported as a whole.
//   - The events, with the data of a message joined, and the frame that is refused, are the same however the octets
//     arrived. Of a message whose base64 is refused, pieces that came in front of the fault may have been handed on.
//   - A refusal is final for the connection: end both directions. Its Code is for a close frame.
//   - Nothing is allocated once there is a Decoder.
//
// # Policy
//
//	| subject                                    | choice                                                        |
//	|--------------------------------------------|---------------------------------------------------------------|
//	| mask                                       | on every frame of the client, on none of the server; 1002     |
//	| reserved bits, unknown opcodes             | 1002: no extension gets through the gateway                   |
//	| lengths                                    | 63 bits in the shortest form; 1002                            |
//	| messages of more than 32 MiB               | 1009: servers skip them                                       |
//	| control frames                             | 125 octets, no fragments; between fragments too               |
//	| close                                      | no code, or one that may be sent, with a reason in UTF-8;     |
//	|                                            | nothing behind it                                             |
//	| fragments of the server                    | joined                                                        |
//	| fragments of the client                    | 1003, but for a Tunnel, where joining makes no difference     |
//	| text of the server, and in a Tunnel        | 1003; with base64 binary of the server is 1003                |
//	| text or binary of the client               | either: servers go by the subprotocol                         |
//	| text that is not UTF-8                     | accepted of the client: servers read octets                   |
//	| empty messages                             | of the client nothing, as servers ignore them; of the server  |
//	|                                            | 1002, but for a Tunnel                                        |
//	| channels of the server                     | 1 2 3, or those of the ports; 1002                            |
//	| channels of the client                     | any: servers ignore what they don't read                      |
//	| close of a channel                         | with v5 only, of 0 to 4; 1002                                 |
//	| base64                                     | padded, no line ends, no stray bits; 1007                     |
//
// # Limits
//
// It does not parse sizes, statuses or ports, match pings and pongs, compare the two directions, drop what a client sends
// on a channel it has closed, or bound the time that anything takes.
package ws
