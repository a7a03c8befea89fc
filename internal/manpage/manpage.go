// Package manpage writes manual pages from plain text, in the macros of man(7).
// What it is given is text: nothing in it is taken for markup.
package manpage

import (
	"fmt"
	"strings"
	"time"
)

// Page is a manual page that is being written, from its first line to its last.
type Page struct {
	b strings.Builder
}

// New begins the page of a name and a section of the manual. The date is that of
// what it describes, and source says which version that is.
func New(name, section string, date time.Time, source, manual string) *Page {
	p := new(Page)
	fmt.Fprintf(&p.b, ".TH %s %s %s %s %s\n", quote(strings.ToUpper(name)), section, quote(date.UTC().Format(time.DateOnly)), quote(source), quote(manual))
	p.b.WriteString(".nh\n.ad l\n") // options and file names are not to be hyphenated or spread
	return p
}

// Name writes the section that apropos(1) reads.
func (p *Page) Name(name, short string) {
	p.Section("NAME")
	fmt.Fprintf(&p.b, "%s \\- %s\n", escape(name), escape(lowerFirst(short)))
}

// Section begins a section.
func (p *Page) Section(title string) {
	fmt.Fprintf(&p.b, ".SH %s\n", quote(title))
}

// Text writes paragraphs, which are separated by empty lines. Lines that are
// indented stay as they are.
func (p *Page) Text(text string) {
	for paragraph := range strings.SplitSeq(strings.TrimSpace(text), "\n\n") {
		if strings.HasPrefix(paragraph, " ") {
			p.Verbatim(paragraph)
			continue
		}
		p.b.WriteString(".PP\n")
		p.lines(paragraph)
	}
}

// Verbatim writes lines as they are.
func (p *Page) Verbatim(text string) {
	p.b.WriteString(".PP\n.EX\n")
	p.lines(text)
	p.b.WriteString(".EE\n")
}

// Synopsis writes a command line.
func (p *Page) Synopsis(line string) {
	fmt.Fprintf(&p.b, ".B %s\n", escape(line))
}

// Term writes a term in bold, more about it in italics, and what it is, in
// paragraphs. All but the term can be empty.
func (p *Page) Term(bold, italic, text string) {
	p.b.WriteString(".TP\n")
	fmt.Fprintf(&p.b, "\\fB%s\\fR", escape(bold))
	if italic != "" {
		fmt.Fprintf(&p.b, " \\fI%s\\fR", escape(italic))
	}
	p.b.WriteByte('\n')
	if text == "" {
		text = "\n"
	}
	p.lines(text)
}

// SeeAlso writes references to other pages, each as name(section).
func (p *Page) SeeAlso(pages []string) {
	p.Section("SEE ALSO")
	for i, page := range pages {
		name, section, _ := strings.Cut(page, "(")
		comma := ","
		if i == len(pages)-1 {
			comma = ""
		}
		fmt.Fprintf(&p.b, ".BR %s (%s%s\n", escape(name), section, comma)
	}
}

// String returns the page.
func (p *Page) String() string { return p.b.String() }

func (p *Page) lines(text string) {
	for line := range strings.Lines(text) {
		line = escape(strings.TrimSuffix(line, "\n"))
		if strings.HasPrefix(line, ".") || strings.HasPrefix(line, "'") {
			line = `\&` + line // else it were a request
		}
		p.b.WriteString(line + "\n")
	}
}

// escape writes text so that it is read as itself: a hyphen as that of options,
// which can be copied, quotes straight.
func escape(text string) string {
	return strings.NewReplacer(`\`, `\e`, "-", `\-`, "'", `\(aq`, "`", "\\(ga", "^", `\(ha`, "~", `\(ti`).Replace(text)
}

// quote is one argument of a macro.
func quote(text string) string {
	return `"` + strings.ReplaceAll(escape(text), `"`, `\(dq`) + `"`
}

// lowerFirst is for the custom that a page's name is not followed by a sentence.
// Names that are all upper case stay.
func lowerFirst(text string) string {
	if len(text) > 1 && text[1] >= 'a' {
		return strings.ToLower(text[:1]) + text[1:]
	}
	return text
}
