// Package replay shows recordings to people: as they were, as text, as a page,
// as a table, and as the lines in which something was found.
//
// It reads through [record.Reader] and writes to an [io.Writer]; it never writes
// into a store. What it is given was made by people who may not wish the auditor
// well, so that there are two ways out, and nothing leaves by a third:
//
//   - [Printable] is for words: metadata, lines of a screen. Whatever is no
//     printable character is spelled out. [Transcript], [Table], [WriteDetails] and
//     [WriteJSON] print nothing else; what [Grep] finds is for it.
//   - A filter is for terminals: [Play] and [Follow] write what it lets pass.
//
// # What a terminal is given
//
// Text, and of the rest only what is known to draw: BEL BS HT LF VT FF CR SO SI;
// movement of the cursor, erasing, inserting, deleting, scrolling, margins, tab
// stops, colours and attributes, repetition, the shape and visibility of the
// cursor, line drawing characters, the alternate screen, and the modes insert,
// newline, origin, wrap and reverse video. A full reset becomes one of the
// drawing state only.
//
// Everything else is left out: all of OSC (titles, clipboard, colours, links),
// DCS, APC, PM and SOS, which have no effect that belongs to the picture; ENQ,
// device reports and every other question, because the terminal would type the
// answer; mouse, focus, paste and keyboard modes, because they change what the
// auditor types; window operations, printing, keyboard locks, and the erasing of
// what was scrolled away. C1 controls are known in the form of two octets (UTF-8)
// and become ESC sequences. Octets that are not UTF-8 become U+FFFD.
// [Config.Unfiltered] turns this off.
//
// # What was visible
//
// [Transcript] and [Grep] look at the screen of a terminal emulator that is given
// the same, piece by piece: a line that was overwritten at once was there, and is
// found. A string that was begun (OSC, DCS, APC, PM, SOS) hides what follows until
// it ends, as xterm has it. Sizes are bounded to 500 columns and 300 rows.
//
// # Limitations
//
// Emulators differ in the width of new emoji and in what they do at a resize.
// To scroll or clear the largest screen takes some 10 ms, which a recording can want
// a million times: to search it takes long, and can be interrupted at any time.
// To seek back is to play from the start without waiting. The page that
// [WriteHTML] makes needs the asciinema player, which is only there in a binary
// that was built with the tag player.
package replay
