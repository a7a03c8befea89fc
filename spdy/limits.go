package spdy

// What a zero field of Limits means. Header blocks of Kubernetes clients are below 100 octets; the peers themselves
// would take 16 MiB of control payload, 1000 fields and 1 MiB for a name.
const (
	defaultControl = 64 << 10
	defaultBlock   = 16 << 10
	defaultFields  = 64
	defaultStreams = 1024
)

// Limits bounds what a peer can make a Conn hold. A nil *Limits and a zero field mean the defaults.
type Limits struct {
	// Control is the most octets of a control frame's payload. If zero, 64 KiB.
	Control int

	// Block is the most octets of a header block when inflated. If zero, 16 KiB.
	Block int

	// Fields is the most fields of a header block. If zero, 64.
	Fields int

	// Streams is the most streams of a Conn that are open at once. If zero, 1024.
	Streams int
}

// orDefault returns the limits with every zero field filled in.
func (l *Limits) orDefault() Limits {
	var full Limits
	if l != nil {
		full = *l
	}
	setDefault(&full.Control, defaultControl)
	setDefault(&full.Block, defaultBlock)
	setDefault(&full.Fields, defaultFields)
	setDefault(&full.Streams, defaultStreams)
	return full
}

func setDefault(limit *int, value int) {
	if *limit == 0 {
		*limit = value
	}
}
