package record

import (
	"bytes"
	"crypto/ed25519"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"
)

// sealName begins all that is signed or hashed for a seal, so that no
// signature of the same key for another purpose can be taken for one.
const sealName = "spliceway recording seal 1\n"

// A sealLine is a line of a .seal file, of one of four kinds: the first has
// Seal, one that lists blocks has To, a checkpoint has Checkpoint, the last has
// End. All but the lists are signed.
type sealLine struct {
	Seal    int    `json:"seal,omitempty"` // 1
	ID      string `json:"id,omitempty"`
	Key     string `json:"key,omitempty"`     // KeyID of who signed this line; of the first and the last one
	Session []byte `json:"session,omitempty"` // SHA-256 of the facts of the start

	From   int64  `json:"from,omitempty"`
	To     int64  `json:"to,omitempty"`
	Blocks []byte `json:"blocks,omitempty"` // digestSize octets each

	Checkpoint *int64     `json:"checkpoint,omitempty"` // octets that Chain covers
	End        *int64     `json:"end,omitempty"`        // the same, and there are no more
	Time       *time.Time `json:"time,omitempty"`
	Chain      []byte     `json:"chain,omitempty"`
	State      State      `json:"state,omitempty"`    // of the end
	Proven     *int64     `json:"proven,omitempty"`   // if recovered: where the last checkpoint was
	Metadata   []byte     `json:"metadata,omitempty"` // SHA-256 of the final metadata

	Signature []byte `json:"signature,omitempty"`
}

// A sealer makes the lines of one .seal file.
type sealer struct {
	id    string
	key   ed25519.PrivateKey
	chain *chain
	lines []byte // not written yet
}

// begin makes the first line.
func (s *sealer) begin(session []byte) error {
	s.chain = newChain(s.id, session)
	line, err := s.sign(&sealLine{Seal: 1, ID: s.id, Key: s.keyID(), Session: session})
	s.lines = append(s.lines, line...)
	return err
}

func (s *sealer) keyID() string { return KeyID(s.key.Public().(ed25519.PublicKey)) }

// write continues the chain and lists blocks when there are many.
func (s *sealer) write(p []byte) {
	for len(p) > 0 {
		n := min(len(p), blockSize-s.chain.inBlock)
		s.chain.write(p[:n])
		p = p[n:]
		if len(s.chain.digests) >= maxListed*digestSize {
			s.list()
		}
	}
}

// list makes a line of the blocks that are complete.
func (s *sealer) list() {
	c := s.chain
	if len(c.digests) == 0 {
		return
	}
	// Without slices of slices, Marshal can't fail.
	line, _ := json.Marshal(&sealLine{From: c.from, To: c.offset - int64(c.inBlock), Blocks: c.digests})
	s.lines = append(append(s.lines, line...), '\n')
	c.listed()
}

// cut ends the chain here and returns a checkpoint that is not signed yet.
func (s *sealer) cut(now time.Time) *sealLine {
	s.chain.cut()
	s.list()
	offset, now := s.chain.offset, now.UTC().Round(0)
	return &sealLine{Checkpoint: &offset, Time: &now, Chain: bytes.Clone(s.chain.sum[:])}
}

// end makes the last line.
func (s *sealer) end(m *Metadata, now time.Time) error {
	digest, err := m.digest()
	if err != nil {
		return err
	}
	line := s.cut(now)
	line.End, line.Checkpoint = line.Checkpoint, nil
	line.State, line.Metadata, line.Key = m.State, digest, s.keyID()
	if m.Recovery != nil {
		line.Proven = &m.Recovery.Proven
	}
	signed, err := s.sign(line)
	s.lines = append(s.lines, signed...)
	return err
}

// sign returns the line with a signature over all that precedes it.
func (s *sealer) sign(line *sealLine) ([]byte, error) {
	text, err := json.Marshal(line)
	if err != nil {
		return nil, err
	}
	text = text[:len(text)-1] // the brace
	signature, err := json.Marshal(ed25519.Sign(s.key, signedOctets(s.id, text)))
	if err != nil {
		return nil, err
	}
	text = append(text, signatureField...)
	text = append(text, signature...)
	return append(text, '}', '\n'), nil
}

// signatureField is behind what is signed of a line.
const signatureField = `,"signature":`

// signedOctets returns what is signed of a line.
func signedOctets(id string, line []byte) []byte {
	signed := make([]byte, 0, len(sealName)+len(id)+1+len(line))
	signed = append(signed, sealName...)
	signed = append(signed, id...)
	signed = append(signed, '\n')
	return append(signed, line...)
}

// parseSealLine reads a line and checks that one of the keys has signed it, if it has
// to be signed.
func parseSealLine(text []byte, id string, keys []ed25519.PublicKey) (*sealLine, error) {
	var line sealLine
	if err := json.Unmarshal(text, &line); err != nil {
		return nil, fmt.Errorf("no line of a seal: %w", err)
	}
	kinds := 0
	for _, is := range []bool{line.Seal != 0, line.To != 0, line.Checkpoint != nil, line.End != nil} {
		if is {
			kinds++
		}
	}
	if kinds != 1 || len(line.Blocks)%digestSize != 0 {
		return nil, fmt.Errorf("no line of a seal: %.40q", text)
	}
	if line.To != 0 {
		return &line, nil
	}
	i := bytes.LastIndex(text, []byte(signatureField))
	if i < 0 || !signedByOne(keys, signedOctets(id, text[:i]), line.Signature) {
		return nil, noSignature(&line, keys)
	}
	return &line, nil
}

// signedByOne tells whether a signature is of one of the keys: a recording that was
// begun before the key was replaced, and ended by a start after it, has two.
func signedByOne(keys []ed25519.PublicKey, signed, signature []byte) bool {
	return slices.ContainsFunc(keys, func(key ed25519.PublicKey) bool { return ed25519.Verify(key, signed, signature) })
}

// noSignature says which keys have not signed a line, and which one it names.
func noSignature(line *sealLine, keys []ed25519.PublicKey) error {
	ids := make([]string, len(keys))
	for i, key := range keys {
		ids[i] = KeyID(key)
	}
	if line.Key != "" && !slices.Contains(ids, line.Key) {
		return fmt.Errorf("no signature of the key %s; it names the key %.16q", strings.Join(ids, " or "), line.Key)
	}
	return fmt.Errorf("no signature of the key %s", strings.Join(ids, " or "))
}

// signDeletion returns the signature of a Deletion.
func signDeletion(key ed25519.PrivateKey, id string, d *Deletion) []byte {
	return ed25519.Sign(key, deletionOctets(id, d))
}

func deletionOctets(id string, d *Deletion) []byte {
	return fmt.Appendf(nil, "spliceway recording deletion 1\n%s\n%s\n%d\n%s",
		id, d.Time.Format(time.RFC3339Nano), d.Size, d.Reason)
}
