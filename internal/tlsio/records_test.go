package tlsio

import (
	"crypto/tls"
	"encoding/binary"
	"io"
	"slices"
	"testing"

	"github.com/spliceway/spliceway/internal/testnet"
)

func record(kind byte, length int) []byte {
	return append(binary.BigEndian.AppendUint16([]byte{kind, 3, 3}, uint16(length)), make([]byte, length)...)
}

func TestRecordsCutAnywhere(t *testing.T) {
	stream := slices.Concat(record(22, 90), record(20, 1), record(23, 17), record(23, 100), record(21, 2), record(23, 18))
	const held = 100 - 17 + 18 - 17
	for at := range stream {
		for _, step := range []int{1, 3, len(stream)} {
			var r records
			r.arrive(stream[:at])
			for rest := stream[at:]; len(rest) > 0; {
				if at > 0 && r.between() && r.held == held {
					t.Fatalf("cut at %d: the end is seen %d octets before it", at, len(rest))
				}
				n := min(step, len(rest))
				r.arrive(rest[:n])
				rest = rest[n:]
			}
			if r.held != held || !r.between() {
				t.Fatalf("cut at %d: %d octets held (%v), want %d", at, r.held, r.between(), held)
			}
		}
	}
}

// TestSpentNeedsNoRead wants it to be known without a Read that nothing is left, once
// a first one has found so.
func TestSpentNeedsNoRead(t *testing.T) {
	for layers, name := range []string{1: "tls", 2: "nested"} {
		if name == "" {
			continue
		}
		w := newWire(t, layers)
		p := make([]byte, 100)
		for turn := range 3 {
			w.says(t, []byte("hello"))
			if n, err := w.Read(p[:1]); n != 1 || err != nil {
				t.Fatalf("%s: Read() = %d, %v", name, n, err)
			}
			if w.spent() {
				t.Fatalf("%s: spent() = true with four octets left", name)
			}
			if n := w.ReadArrived(p); n != 4 {
				t.Fatalf("%s: ReadArrived() = %d, want 4", name, n)
			}
			if turn > 0 && !w.spent() {
				t.Errorf("%s: spent() = false behind the last octet", name)
			}
			if !w.Drained() || !w.spent() {
				t.Errorf("%s: Drained() = false behind the last octet", name)
			}
		}
	}
}

// TestSpentBeforeTLS13 wants nothing to be claimed of records that are made otherwise.
func TestSpentBeforeTLS13(t *testing.T) {
	theirs, ours := testnet.TCPPair(t)
	ca := testnet.NewCA(t)
	base := NewBase(ours)
	top := tls.Server(base, &tls.Config{Certificates: []tls.Certificate{ca.Issue(t, "peer.test")}, MaxVersion: tls.VersionTLS12})
	peer := tls.Client(theirs, &tls.Config{RootCAs: ca.Pool(), ServerName: "peer.test"})
	c := New(top, base)
	go peer.Write([]byte("hello")) // with the handshake; ends with the connection
	p := make([]byte, 100)
	if _, err := io.ReadFull(c, p[:5]); err != nil {
		t.Fatal(err)
	}
	if !c.Drained() || c.spent() {
		t.Error("a connection of TLS 1.2 is not drained, or claims to know without asking")
	}
}

func TestDrainedSeesAPartOfARecord(t *testing.T) {
	for layers := 1; layers <= 2; layers++ {
		w := newWire(t, layers)
		w.says(t, []byte("a"))
		if n, err := w.Read(make([]byte, 1)); n != 1 || err != nil {
			t.Fatalf("Read() = %d, %v", n, err)
		}
		if !w.Drained() {
			t.Error("Drained() = false behind the last octet")
		}
		w.raw.Write([]byte{applicationData, 3, 3})
		if err := w.AwaitArrival(); err != nil {
			t.Fatal(err)
		}
		w.socket.more = true // as after a Read that was filled
		if w.Drained() {
			t.Error("Drained() = true within a record")
		}
	}
}

func TestBeginWithOctetsReadAhead(t *testing.T) {
	b := NewBase(&counted{})
	b.above.arrive([]byte("PROXY UNKNOWN\r\n\x17\x03"))
	begun := record(applicationData, 20)
	b.Begin(begun[:2])
	if b.above.between() || b.above.held != 0 {
		t.Error("nothing is known of the octets in front")
	}
	b.above.arrive(begun[2:])
	if !b.above.between() || b.above.held != 3 {
		t.Errorf("%d octets held, want 3", b.above.held)
	}
}
