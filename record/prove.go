package record

import (
	"bytes"
	"crypto/ed25519"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
)

// A proof is what the lines of a seal prove of a .cast.
type proof struct {
	id    string
	keys  []ed25519.PublicKey
	cast  io.ReaderAt
	size  int64 // of the .cast
	lists []*sealLine

	start   *sealLine         // the first line, nil if there is none that is signed
	sum     [sha256.Size]byte // of what is proven
	proven  int64             // octets of the .cast
	kept    int               // octets of the .seal that prove it
	end     *sealLine         // the last line, nil if there is none
	wrong   *damage           // of the .cast, nil if there is none
	invalid error             // of the .seal

	length      int64 // that the .cast had at its end
	lengthKnown bool
}

// A damage is the first block of a .cast that is not what was sealed.
type damage struct {
	offset, until int64
	sum           [sha256.Size]byte // of the blocks before
	want          []byte            // the digest of the block
}

// prove checks a .cast of some size against the text of its .seal, every line of which
// is to be signed with one of the keys.
func prove(cast io.ReaderAt, size int64, seal []byte, id string, keys []ed25519.PublicKey) (*proof, error) {
	p := &proof{id: id, keys: keys, cast: cast, size: size}
	for number, at := 1, 0; at < len(seal); number++ {
		length := bytes.IndexByte(seal[at:], '\n')
		if length < 0 {
			break // a line that was not completed
		}
		line, err := parseSealLine(seal[at:at+length], id, keys)
		at += length + 1
		if err == nil && p.end != nil {
			err = errors.New("there is no line behind the end")
		}
		if err == nil {
			err = p.take(line, at)
		}
		if unreadable := (*castError)(nil); errors.As(err, &unreadable) {
			return nil, fmt.Errorf("record: %w", err)
		}
		if err != nil {
			p.invalid = fmt.Errorf("line %d of the seal: %w", number, err)
			break
		}
		if p.wrong != nil {
			break
		}
	}
	p.sealed(seal)
	return p, nil
}

// sealed looks for the end of the seal, which tells how long the .cast was even
// if what precedes it proves nothing.
func (p *proof) sealed(seal []byte) {
	text := bytes.TrimSuffix(seal, []byte("\n"))
	line, err := parseSealLine(text[bytes.LastIndexByte(text, '\n')+1:], p.id, p.keys)
	if err == nil && line.End != nil {
		p.length, p.lengthKnown = *line.End, true
	}
}

// take takes one line that ends at the offset at of the .seal.
func (p *proof) take(line *sealLine, at int) error {
	switch {
	case line.Seal != 0:
		if p.start != nil || line.Seal != 1 || line.ID != p.id {
			return fmt.Errorf("not the start of the seal of %s", p.id)
		}
		p.start = line
		p.sum = newChain(p.id, line.Session).sum
		p.kept = at
		return nil
	case p.start == nil:
		return errors.New("not the start of a seal")
	case line.To != 0:
		p.lists = append(p.lists, line)
		return nil
	case line.End != nil:
		return p.check(line, *line.End, at)
	}
	return p.check(line, *line.Checkpoint, at)
}

// check takes a signed line that says what the chain is up to an offset.
func (p *proof) check(line *sealLine, offset int64, at int) error {
	sum, from, used := p.sum, p.proven, 0
	for _, list := range p.lists {
		if list.From >= offset {
			break // written before the checkpoint that was made before it
		}
		used++
		blocks := int64(len(list.Blocks) / digestSize)
		if list.From != from || list.To > offset || (list.To-list.From+blockSize-1)/blockSize != blocks {
			return fmt.Errorf("the blocks before it are not those of octets %d to %d", p.proven, offset)
		}
		var err error
		if sum, err = p.checkBlocks(list, sum); err != nil || p.wrong != nil {
			return err
		}
		from = list.To
	}
	if from != offset || !bytes.Equal(sum[:], line.Chain) {
		return fmt.Errorf("the blocks before it are not those of octets %d to %d", p.proven, offset)
	}
	p.lists = p.lists[used:]
	p.sum, p.proven, p.kept = sum, offset, at
	if line.End != nil {
		p.end = line
	}
	return nil
}

// checkBlocks compares the blocks of a line with those of the .cast.
func (p *proof) checkBlocks(list *sealLine, sum [sha256.Size]byte) ([sha256.Size]byte, error) {
	var joined [sha256.Size + blockSize]byte
	from := list.From
	for want := list.Blocks; len(want) > 0; want = want[digestSize:] {
		until := min(from+blockSize, list.To)
		copy(joined[:], sum[:])
		block := joined[sha256.Size : sha256.Size+until-from]
		n, err := p.cast.ReadAt(block, from)
		if err != nil && err != io.EOF {
			return sum, &castError{err}
		}
		next := sha256.Sum256(joined[:sha256.Size+n])
		if n < len(block) || !bytes.Equal(next[:digestSize], want[:digestSize]) {
			p.wrong = &damage{from, until, sum, want[:digestSize]}
			return sum, nil
		}
		sum, from = next, until
	}
	return sum, nil
}

// A castError is one of reading the .cast, not of what is in it.
type castError struct{ err error }

func (e *castError) Error() string { return "reading the recording: " + e.err.Error() }
func (e *castError) Unwrap() error { return e.err }
