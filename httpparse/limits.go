package httpparse

// What a zero field of Limits means. kubectl's heads are below 1 KiB and recipients should take request lines of
// 8000 octets (RFC 9112, Section 3); the API server itself would take 1 MiB.
const (
	defaultHead    = 32 << 10
	defaultLine    = 16 << 10
	defaultFields  = 128
	defaultTrailer = 4 << 10
)

// Limits bounds what a peer can make the gateway hold. A head is refused as soon as the octets given pass a limit,
// whether or not it is complete. A nil *Limits and a zero field mean the defaults.
type Limits struct {
	// Head is the most octets of a head, from its first line to its empty line. If zero, 32 KiB.
	Head int

	// Line is the most octets of one line of a head with its CRLF. If zero, 16 KiB.
	Line int

	// Fields is the most field lines of a head. If zero, 128.
	Fields int

	// Trailer is the most octets of a trailer section, to be given to a ChunkDecoder. If zero, 4 KiB.
	Trailer int
}

// orDefault returns the limits with every zero field filled in.
func (l *Limits) orDefault() Limits {
	var full Limits
	if l != nil {
		full = *l
	}
	setDefault(&full.Head, defaultHead)
	setDefault(&full.Line, defaultLine)
	setDefault(&full.Fields, defaultFields)
	setDefault(&full.Trailer, defaultTrailer)
	return full
}

func setDefault(limit *int, value int) {
	if *limit == 0 {
		*limit = value
	}
}
