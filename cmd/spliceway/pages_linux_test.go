package main

import (
	"slices"
	"strings"
	"testing"
)

func TestParseMappings(t *testing.T) {
	const smaps = `00400000-00b00000 r-xp 00000000 fe:00 1234   /usr/bin/spliceway
Size:               7168 kB
Anonymous:             0 kB
AnonHugePages:         0 kB
00b00000-01400000 r--p 00700000 fe:00 1234   /usr/bin/a name with spaces
Anonymous:             0 kB
01400000-01500000 rw-p 01000000 fe:00 1234   /usr/bin/spliceway
Anonymous:             0 kB
01500000-01600000 r--p 01100000 fe:00 1234   /usr/lib/relocated.so
Anonymous:             4 kB
c000000000-c000400000 rw-p 00000000 00:00 0
Anonymous:             0 kB
c000400000-c000800000 r--p 00000000 00:00 0
Anonymous:             0 kB
7fff00000000-7fff00002000 r-xp 00000000 00:00 0   [vdso]
Anonymous:             0 kB
`
	got := parseMappings(strings.NewReader(smaps))
	want := startPages{{0x400000, 0xb00000, true}, {0xb00000, 0x1400000, false}}
	if !slices.Equal(got, want) {
		t.Errorf("parseMappings() = %v, want %v: read-only, of files, as the files are", got, want)
	}
	if got := parseMappings(strings.NewReader("what else\nAnonymous: 0 kB\n")); len(got) > 0 {
		t.Errorf("parseMappings() of something else = %v", got)
	}
}

// TestReleaseStartPages wants a program that goes on: had pages that were written to
// been released, it would crash.
func TestReleaseStartPages(t *testing.T) {
	pages := newStartPages()
	if !slices.ContainsFunc(pages, func(m mapping) bool { return m.code }) {
		t.Skip("the code of this process is not seen in /proc")
	}
	for _, m := range pages {
		if err := m.advise(0); err != nil { // MADV_NORMAL
			t.Errorf("madvise of %v: %v", m, err)
		}
	}
	pages.release()
	succeed(t, "version")
}
