package ws

// Protocol is a subprotocol: what the messages of a connection are.
type Protocol uint8

const (
	// ChannelV1 and all up to ChannelV5 have the channel in the first octet of each message, and its octets behind that.
	// The session's status, on channel 3, is text, empty on success.
	ChannelV1 Protocol = iota

	// Base64V1 is ChannelV1 in text: the channel is a digit, its octets are in base64.
	Base64V1

	// ChannelV4 is ChannelV1 with a status in JSON.
	ChannelV4

	// Base64V4 is ChannelV4 in text.
	Base64V4

	// ChannelV5 is ChannelV4 with a message by which the client closes a channel.
	ChannelV5

	// Tunnel has no channels: the messages of a direction, joined, are what would go over SPDY.
	Tunnel
)

var protocolNames = [...]string{
	ChannelV1: "channel.k8s.io",
	Base64V1:  "base64.channel.k8s.io",
	ChannelV4: "v4.channel.k8s.io",
	Base64V4:  "v4.base64.channel.k8s.io",
	ChannelV5: "v5.channel.k8s.io",
	Tunnel:    "SPDY/3.1+portforward.k8s.io",
}

// String returns the name of the subprotocol.
func (p Protocol) String() string { return protocolNames[p] }

// ParseProtocol returns the subprotocol that a server chose. The empty name, which says that it chose none, is ChannelV1.
func ParseProtocol(name string) (p Protocol, ok bool) {
	if name == "" {
		return ChannelV1, true
	}
	for p, known := range protocolNames {
		if name == known {
			return Protocol(p), true
		}
	}
	return 0, false
}

// JSONStatus tells whether the status on ChannelError is JSON, else it is text.
func (p Protocol) JSONStatus() bool { return p == ChannelV4 || p == Base64V4 || p == ChannelV5 }

// base64 tells whether messages are text.
func (p Protocol) base64() bool { return p == Base64V1 || p == Base64V4 }

// Channels of exec and attach.
const (
	ChannelStdin  = 0 // from the client
	ChannelStdout = 1 // from the server
	ChannelStderr = 2 // from the server
	ChannelError  = 3 // from the server: how the session ended
	ChannelResize = 4 // from the client: JSON objects with the size of its terminal

	execChannels = 5
	closeSignal  = 255 // with ChannelV5: the next octet is a channel that the client closes
)
