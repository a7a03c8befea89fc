package spdy_test

import (
	"fmt"

	"github.com/spliceway/spliceway/spdy"
)

// A gateway gives each direction to its decoder and forwards what it took. The label says what the octets are.
func ExampleConn() {
	conn := spdy.NewConn(spdy.Exec, nil)
	forward := func(from spdy.Peer, octets []byte) {
		for len(octets) > 0 {
			n, ev, err := conn.From(from).Next(octets)
			if err != nil {
				fmt.Println(err)
				return // and end the connection
			}
			switch {
			case ev.Kind == spdy.Open:
				fmt.Printf("stream %d is %s\n", ev.Stream, ev.Label)
			case ev.Kind == spdy.Data && ev.Label == spdy.LabelStdout:
				fmt.Printf("output %q\n", ev.Data)
			}
			octets = octets[n:] // forward octets[:n]
		}
	}
	forward(spdy.Client, []byte("\x80\x03\x00\x01\x00\x00\x00\x2b"+ // SYN_STREAM
		"\x00\x00\x00\x01\x00\x00\x00\x00\x00\x00"+ // stream 1
		"\x78\xf9\xe3\xc6\xa7\xc2\x62\x60\x60\x60\x04\xa7\xb3\x92\xa2\xd4\xc4\x5c\x68\x51\xc2"+
		"\x56\x5c\x92\x92\x5f\x5a\x02\x00\x00\x00\xff\xff"))
	forward(spdy.Server, []byte("\x80\x03\x00\x02\x00\x00\x00\x14"+ // SYN_REPLY
		"\x00\x00\x00\x01\x78\xf9\xe3\xc6\xa7\xc2\x62\x60\x60\x60\x00\x00\x00\x00\xff\xff"))
	forward(spdy.Server, []byte("\x00\x00\x00\x01\x00\x00\x00\x05he")) // a frame of 5 octets, two of them here
	forward(spdy.Server, []byte("llo"))
	forward(spdy.Server, []byte("\x00\x00\x00\x09\x00\x00\x00\x05ghost"))
	// Output:
	// stream 1 is stdout
	// output "he"
	// output "llo"
	// spdy: stream that was not opened in the frame at octet 41
}
