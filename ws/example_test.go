package ws_test

import (
	"fmt"

	"github.com/spliceway/spliceway/spdy"
	"github.com/spliceway/spliceway/ws"
)

// Each direction has a decoder. What it took is forwarded as it came, with its mask.
func ExampleDecoder() {
	protocol, _ := ws.ParseProtocol("v5.channel.k8s.io")
	server := ws.NewDecoder(ws.Server, protocol, nil)
	for _, octets := range []string{
		"\x82\x01\x01",          // the server is ready: no octets on channel 1
		"\x82\x06\x01he",        // a message of 6 octets, three of them here
		"llo\x82\x05\x02oops",   // its rest, and one on channel 2
		"\x89\x00\x82\x02\x00x", // a ping, and a message on channel 0, which servers don't write
	} {
		for rest := []byte(octets); len(rest) > 0; {
			n, ev, err := server.Next(rest)
			if err != nil {
				fmt.Println(err)
				return // and end the connection
			}
			if ev.Kind == ws.Data {
				fmt.Printf("channel %d %q\n", ev.Channel, ev.Data)
			}
			rest = rest[n:] // forward rest[:n]
		}
	}
	// Output:
	// channel 1 ""
	// channel 1 "he"
	// channel 1 "llo"
	// channel 2 "oops"
	// ws: channel that servers do not write in the frame at octet 20
}

// A port-forward has SPDY in its messages. What comes of one decoder goes into the other.
func ExampleDecoder_tunnel() {
	tunnel := ws.NewDecoder(ws.Client, ws.Tunnel, nil)
	conn := spdy.NewConn(spdy.PortForward, nil)
	octets := []byte("\x82\x83\x00\x00\x00\x00\x80\x03\x00" + // a third of a PING
		"\x82\x89\x00\x00\x00\x00\x06\x00\x00\x00\x04\x00\x00\x00\x01") // and the rest
	for len(octets) > 0 {
		n, message, err := tunnel.Next(octets)
		if err != nil {
			fmt.Println(err)
			return
		}
		for rest := message.Data; message.Kind == ws.Data && len(rest) > 0; {
			n, ev, err := conn.From(spdy.Client).Next(rest)
			if err != nil {
				fmt.Println(err)
				return
			}
			fmt.Println(n, ev.Kind, ev.Value)
			rest = rest[n:]
		}
		octets = octets[n:]
	}
	// Output:
	// 3 none 0
	// 9 PING 1
}
