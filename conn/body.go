package conn

import "github.com/spliceway/spliceway/httpparse"

// body follows the framing of one message body through the octets that pass
// by, and so knows where it ends.
type body struct {
	kind   httpparse.FramingKind
	left   int64 // octets to come, with FramingLength
	chunks httpparse.ChunkDecoder
	done   bool
}

// init makes b the body of responses or requests.
func (b *body) init(response bool, lim *httpparse.Limits) {
	b.chunks.Response, b.chunks.TrailerLimit = response, lim.Trailer
}

func (b *body) start(f httpparse.Framing) {
	b.kind, b.left = f.Kind, f.Length
	b.done = f.Kind == httpparse.FramingNone || f.Kind == httpparse.FramingLength && f.Length == 0
	if f.Kind == httpparse.FramingChunked {
		b.chunks.Reset()
	}
}

// next returns how many of the first octets of p belong to the body and are to
// be treated alike: forwarded if keep is true, dropped otherwise. It returns 0
// when p is empty or the body is done.
func (b *body) next(p []byte) (n int, keep bool, err error) {
	if b.done {
		return 0, false, nil
	}
	switch b.kind {
	case httpparse.FramingLength:
		n = int(min(int64(len(p)), b.left))
		b.left -= int64(n)
		b.done = b.left == 0
		return n, true, nil
	case httpparse.FramingChunked:
		n, keep, err = b.chunks.Decode(p)
		b.done = b.chunks.Done()
		return n, keep, err
	default: // until close: only the connection's end ends it
		return len(p), true, nil
	}
}

// appendNext appends to dst what is to be forwarded of the body octets that
// buf holds, and takes them from buf.
func (b *body) appendNext(dst []byte, buf *buffer) ([]byte, error) {
	for buf.len() > 0 && !b.done {
		n, keep, err := b.next(buf.bytes())
		if err != nil {
			return dst, err
		}
		if keep {
			dst = append(dst, buf.bytes()[:n]...)
		}
		buf.skip(n)
	}
	return dst, nil
}
