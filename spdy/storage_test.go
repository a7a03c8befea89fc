package spdy

import "testing"

// TestDecoderStorage: nothing is allocated by a declared length, and what is kept is bounded by what came.
func TestDecoderStorage(t *testing.T) {
	d := NewConn(Exec, nil).From(Client)
	if _, _, err := d.Next([]byte{0x80, 3, 0, 1, 0, 0xff, 0xff, 0xff}); err == nil {
		t.Error("a control frame of 16 MiB is accepted")
	}
	d = NewConn(Exec, nil).From(Client)
	if _, _, err := d.Next([]byte{0x80, 3, 0, 1, 0, 1, 0, 0, 'x'}); err != nil || cap(d.payload) > 64 {
		t.Errorf("one octet of a control frame: %d octets kept, %v", cap(d.payload), err)
	}
	for range 64<<10 - 2 {
		if _, _, err := d.Next([]byte{'x'}); err != nil {
			t.Fatal(err)
		}
	}
	if cap(d.payload) > 96<<10 {
		t.Errorf("an incomplete control frame keeps %d octets", cap(d.payload))
	}
}
