package replay

import (
	"bufio"
	"context"
	"io"
)

// A Key is what a key asks of a player.
type Key uint8

// The keys that mean something.
const (
	KeyPause   Key = iota // blank: pause or go on
	KeyStep               // full stop: show the next output, and pause
	KeyBack               // cursor left: 5 seconds back
	KeyForward            // cursor right: 5 seconds on
	KeyFaster             // cursor up
	KeySlower             // cursor down
	KeyQuit               // q or ^C
)

// KeyHelp says in a line what the keys do.
const KeyHelp = "space: pause   .: step   left, right: 5 s back or on   up, down: faster or slower   q: quit"

// ReadKeys reads keys from a terminal in raw mode until ctx is done or r ends,
// and then closes the channel. A read that waits is not broken off: its goroutine
// ends with the next octet from r, or with the process.
func ReadKeys(ctx context.Context, r io.Reader) <-chan Key {
	keys := make(chan Key)
	go func() { // until ctx is done or r ends
		defer close(keys)
		in := bufio.NewReader(r)
		for {
			key, ok, err := readKey(in)
			if err != nil {
				return
			}
			if !ok {
				continue
			}
			select {
			case keys <- key:
			case <-ctx.Done():
				return
			}
		}
	}()
	return keys
}

// readKey reads a key and tells whether it means something.
func readKey(in *bufio.Reader) (Key, bool, error) {
	c, err := in.ReadByte()
	if err != nil {
		return 0, false, err
	}
	switch c {
	case ' ':
		return KeyPause, true, nil
	case '.':
		return KeyStep, true, nil
	case 'q', 'Q', 3, 4: // ^C, ^D
		return KeyQuit, true, nil
	case esc:
		return readCursorKey(in)
	}
	return 0, false, nil
}

// readCursorKey reads what follows ESC: CSI or SS3 and a letter.
func readCursorKey(in *bufio.Reader) (Key, bool, error) {
	c, err := in.ReadByte()
	if err != nil || c != '[' && c != 'O' {
		return 0, false, err
	}
	if c, err = in.ReadByte(); err != nil {
		return 0, false, err
	}
	key, ok := map[byte]Key{'A': KeyFaster, 'B': KeySlower, 'C': KeyForward, 'D': KeyBack}[c]
	return key, ok, nil
}
