package manpage

import (
	"strings"
	"testing"
	"time"
)

// A page can't be told by its text to do anything: each of these would be a
// request, an escape or a change of what can be copied.
func TestTextIsNotMarkup(t *testing.T) {
	p := New("spliceway-x", "1", time.Unix(0, 0), `v1 "dirty"`, "Manual")
	p.Text(".so /etc/passwd\n'br\nC:\\new -- don't `x` ~ ^")
	p.Verbatim(".SH no section\n")
	p.Term("--flag", "FILE", "")
	want := `.TH "SPLICEWAY\-X" 1 "1970\-01\-01" "v1 \(dqdirty\(dq" "Manual"
.nh
.ad l
.PP
\&.so /etc/passwd
\(aqbr
C:\enew \-\- don\(aqt \(gax\(ga \(ti \(ha
.PP
.EX
\&.SH no section
.EE
.TP
\fB\-\-flag\fR \fIFILE\fR

`
	if got := p.String(); got != want {
		t.Errorf("page:\n%s\nwant:\n%s", got, want)
	}
}

func TestTextKeepsIndentedLines(t *testing.T) {
	p := new(Page)
	p.Text("First\nparagraph.\n\n  spliceway a\n  spliceway b\n\nLast.\n")
	want := ".PP\nFirst\nparagraph.\n.PP\n.EX\n  spliceway a\n  spliceway b\n.EE\n.PP\nLast.\n"
	if got := p.String(); got != want {
		t.Errorf("page:\n%s\nwant:\n%s", got, want)
	}
}

func TestNameBeginsSmall(t *testing.T) {
	for short, want := range map[string]string{
		"Run the gateway":    `x \- run the gateway`,
		"JSON of everything": `x \- JSON of everything`,
	} {
		p := new(Page)
		p.Name("x", short)
		if got := p.String(); !strings.HasSuffix(got, want+"\n") {
			t.Errorf("Name(%q) = %q, want it to end with %q", short, got, want)
		}
	}
}

func TestSeeAlso(t *testing.T) {
	p := new(Page)
	p.SeeAlso([]string{"a(1)", "b-c(5)"})
	if got, want := p.String(), ".SH \"SEE ALSO\"\n.BR a (1),\n.BR b\\-c (5)\n"; got != want {
		t.Errorf("SeeAlso = %q, want %q", got, want)
	}
}
