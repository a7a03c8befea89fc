package record

import (
	"bufio"
	"bytes"
	"cmp"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// A Collected is what Collect made of the lines of one recording.
type Collected struct {
	ID    string
	Path  string // of the .cast
	Lines int64  // that were used
	Size  int64  // of the .cast

	Duplicates int64 // lines that came more than once
	Reordered  int64 // lines that came after one with a higher number
	Conflicts  int64 // lines that came more than once and differ; the first was used
	Altered    int64 // lines whose digest is not theirs
	Gaps       []Gap // of line numbers
	Missing    []Gap // of octets of the .cast
	Ended      bool  // the metadata of the end is there
}

// A Gap is what is missing from First to Last. Last is -1 if nobody knows where
// it ends: nothing came behind First.
type Gap struct{ First, Last int64 }

// Complete tells whether all is there and as it was written.
func (c *Collected) Complete() bool {
	return c.Ended && len(c.Gaps) == 0 && len(c.Missing) == 0 && c.Conflicts == 0 && c.Altered == 0
}

// Collect reads a log in which there are lines of recordings, as Config.Lines
// gets them, and writes the files of each recording into the directory by date
// below dir, as a Store does. Other lines are passed over. Lines may be out of
// order, be there several times, have something in front, or be the "log",
// "message" or "msg" field of an object. Where something is missing, a marker in
// the .cast says so, and Verify names its first octet. The memory it needs is
// some 100 octets a line; the data are kept in a temporary file in dir.
func Collect(dir string, log io.Reader) ([]Collected, error) {
	spool, err := os.CreateTemp(dir, ".collect-*"+tempSuffix)
	if err != nil {
		return nil, fmt.Errorf("record: collecting: %w", err)
	}
	defer os.Remove(spool.Name())
	defer spool.Close()
	c := &collector{dir: dir, spool: spool, recordings: make(map[string]*collection)}
	if err := c.read(log); err != nil {
		return nil, fmt.Errorf("record: collecting: %w", err)
	}
	var results []Collected
	for _, id := range c.order {
		result, err := c.write(id, c.recordings[id])
		if err != nil {
			return results, fmt.Errorf("record: collecting %s: %w", id, err)
		}
		results = append(results, *result)
	}
	return results, nil
}

// maxOffset bounds the offsets that a line can tell.
const maxOffset = 1 << 50

// A collector has the lines of all recordings.
type collector struct {
	dir        string
	spool      *os.File
	spooled    int64
	order      []string // of the ids, by their first lines
	recordings map[string]*collection
}

// A collection is what has come of one recording.
type collection struct {
	Collected
	chunks  map[int64]chunk // by line number
	highest int64
}

// A chunk says where the data of a line are and what it said of them.
type chunk struct {
	seq    int64
	file   byte // 'c' cast, 's' seal, 'j' json
	offset int64
	at     int64 // in the spool
	length int64
	chain  [digestSize]byte
}

// A wireLine is a line as it is printed.
type wireLine struct {
	ID     string `json:"session_id"`
	Seq    int64  `json:"seq"`
	File   string `json:"file"`
	Offset int64  `json:"offset"`
	Data   string `json:"data"`
	Chain  string `json:"chain"`
}

// read takes all lines of a log.
func (c *collector) read(log io.Reader) error {
	lines := bufio.NewReaderSize(log, 64<<10)
	for {
		text, err := lines.ReadSlice('\n')
		if err == bufio.ErrBufferFull {
			// None of ours; skip the rest.
			for err == bufio.ErrBufferFull {
				_, err = lines.ReadSlice('\n')
			}
			text = nil
		}
		if line, ok := findLine(text); ok {
			if err := c.take(line); err != nil {
				return err
			}
		}
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
	}
}

// findLine finds a line of ours in a line of a log.
func findLine(text []byte) (*wireLine, bool) {
	if i := bytes.Index(text, []byte(lineStart)); i >= 0 {
		return decodeLine(text[i:])
	}
	if !bytes.Contains(text, []byte("recording.chunk")) {
		return nil, false
	}
	var wrapped struct {
		Log     string `json:"log"`
		Message string `json:"message"`
		Msg     string `json:"msg"`
	}
	start := bytes.IndexByte(text, '{')
	if start < 0 || json.NewDecoder(bytes.NewReader(text[start:])).Decode(&wrapped) != nil {
		return nil, false
	}
	inner := cmp.Or(wrapped.Log, wrapped.Message, wrapped.Msg)
	i := strings.Index(inner, lineStart)
	if i < 0 {
		return nil, false
	}
	return decodeLine([]byte(inner[i:]))
}

func decodeLine(text []byte) (*wireLine, bool) {
	var line wireLine
	if json.NewDecoder(bytes.NewReader(text)).Decode(&line) != nil {
		return nil, false
	}
	_, err := idTime(line.ID)
	known := line.File == "cast" || line.File == "seal" || line.File == "json"
	ok := err == nil && known && line.Seq >= 0 && line.Offset >= 0 && line.Offset < maxOffset && len(line.Data) <= maxChunk &&
		hex.DecodedLen(len(line.Chain)) == digestSize
	return &line, ok
}

// take keeps the data of one line.
func (c *collector) take(line *wireLine) error {
	k := c.recordings[line.ID]
	if k == nil {
		k = &collection{Collected: Collected{ID: line.ID}, chunks: make(map[int64]chunk), highest: -1}
		c.recordings[line.ID] = k
		c.order = append(c.order, line.ID)
	}
	piece := chunk{seq: line.Seq, file: line.File[0], offset: line.Offset, at: c.spooled, length: int64(len(line.Data))}
	chain, err := hex.DecodeString(line.Chain)
	if err != nil {
		return nil // not a line of ours
	}
	copy(piece.chain[:], chain)
	if first, is := k.chunks[line.Seq]; is {
		same, err := c.same(first, piece, line.Data)
		if err != nil {
			return err
		}
		if same {
			k.Duplicates++
		} else {
			k.Conflicts++
		}
		return nil
	}
	if line.Seq < k.highest {
		k.Reordered++
	}
	k.highest = max(k.highest, line.Seq)
	k.chunks[line.Seq] = piece
	k.Lines++
	n, err := c.spool.WriteString(line.Data)
	c.spooled += int64(n)
	return err
}

// same tells whether a line says what another with its number has said.
func (c *collector) same(first, second chunk, data string) (bool, error) {
	kept, err := c.data(first)
	second.at = first.at
	return first == second && string(kept) == data, err
}

func (c *collector) data(piece chunk) ([]byte, error) {
	p := make([]byte, piece.length)
	_, err := c.spool.ReadAt(p, piece.at)
	if err == io.EOF && piece.length == 0 {
		err = nil
	}
	return p, err
}

// write writes the files of one recording.
func (c *collector) write(id string, k *collection) (*Collected, error) {
	base, err := basePath(c.dir, id)
	if err != nil {
		return nil, err
	}
	if err := os.MkdirAll(filepath.Dir(base), dirMode); err != nil {
		return nil, err
	}
	chunks := make([]chunk, 0, len(k.chunks))
	for _, piece := range k.chunks {
		chunks = append(chunks, piece)
	}
	slices.SortFunc(chunks, func(a, b chunk) int { return cmp.Compare(a.seq, b.seq) })
	if err := c.check(k, chunks); err != nil {
		return nil, err
	}
	meta, err := c.metadata(base, k, chunks)
	if err != nil {
		return nil, err
	}
	if err := c.join(base+sealSuffix, chunks, 's', 0, func(int64, int64, float64) []byte { return nil }); err != nil {
		return nil, err
	}
	k.Path = base + castSuffix
	if err := c.writeCast(k, chunks, meta); err != nil {
		return nil, err
	}
	if !k.Ended {
		k.Gaps = append(k.Gaps, Gap{k.highest + 1, -1})
	}
	return &k.Collected, nil
}

// check looks for gaps and for lines that are not as they were written. The line
// behind a gap can't be checked but by the seal.
func (c *collector) check(k *collection, chunks []chunk) error {
	var next int64
	var before [digestSize]byte
	for _, piece := range chunks {
		data, err := c.data(piece)
		if err != nil {
			return err
		}
		if piece.seq != next {
			k.Gaps = append(k.Gaps, Gap{next, piece.seq - 1})
		} else if chainLine(before, fileName(piece.file), piece.offset, data) != piece.chain {
			k.Altered++
		}
		next, before = piece.seq+1, piece.chain
	}
	return nil
}

func fileName(file byte) string {
	return map[byte]string{'c': "cast", 's': "seal", 'j': "json"}[file]
}

// metadata writes the last .json that is there as a whole, and returns it, or
// nil.
func (c *collector) metadata(base string, k *collection, chunks []chunk) (*Metadata, error) {
	var text, last []byte
	var meta *Metadata
	for _, piece := range chunks {
		if piece.file != 'j' {
			continue
		}
		if piece.offset == 0 {
			text = text[:0]
		}
		if piece.offset != int64(len(text)) {
			continue
		}
		data, err := c.data(piece)
		if err != nil {
			return nil, err
		}
		text = append(text, data...)
		var m Metadata
		if json.Unmarshal(text, &m) == nil && m.ID == k.ID {
			meta, last = &m, bytes.Clone(text)
		}
	}
	if meta == nil {
		return nil, nil
	}
	k.Ended = meta.State != StateOpen
	return meta, replaceFile(base+metaSuffix, last, fileMode, true)
}

// writeCast writes the .cast. What is missing is marked in it, and the line that
// it begins in is completed.
func (c *collector) writeCast(k *collection, chunks []chunk, meta *Metadata) error {
	format, size := V2, int64(0)
	if meta != nil {
		format, size = meta.Format, meta.Size
	}
	err := c.join(k.Path, chunks, 'c', size, func(from, until int64, last float64) []byte {
		k.Missing = append(k.Missing, Gap{from, until - 1})
		enc := newEncoder(format, true)
		if from == 0 {
			enc.buf = append(enc.buf, plainHeader(format)...)
		}
		if format == V2 {
			enc.last = int64(last * 1e6)
		}
		enc.event(0, codeMarker, fmt.Sprintf("octets %d to %d of the recording are missing", from, until-1))
		return enc.buf
	})
	if err != nil {
		return err
	}
	info, err := os.Stat(k.Path)
	if err != nil {
		return err
	}
	k.Size = info.Size()
	return nil
}

// plainHeader returns a first line instead of one that is missing.
func plainHeader(format Format) string {
	if format == V3 {
		return `{"version":3,"term":{"cols":80,"rows":24}}` + "\n"
	}
	return `{"version":2,"width":80,"height":24}` + "\n"
}

// A gapFiller returns what to write instead of the octets of a file that are
// missing. last is the time of the event before, in seconds.
type gapFiller func(from, until int64, last float64) []byte

// join writes the chunks of one file in the order of their offsets. Where some
// are missing it asks gap what to write instead, and at the end, if the file was
// longer, size octets.
func (c *collector) join(path string, chunks []chunk, file byte, size int64, gap gapFiller) error {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_TRUNC|os.O_RDWR, fileMode)
	if err != nil {
		return err
	}
	defer f.Close()
	j := joiner{file: f}
	for _, piece := range inForce(chunks, file) {
		data, err := c.data(piece)
		if err != nil {
			return err
		}
		if err := j.add(piece.offset, data, gap); err != nil {
			return err
		}
	}
	if size > j.offset {
		if err := j.add(size, nil, gap); err != nil {
			return err
		}
	}
	return f.Sync()
}

// inForce returns the pieces of a file by their offsets. Those that a later line takes
// the place of could not be written all, and what they say was not recorded.
func inForce(chunks []chunk, file byte) (pieces []chunk) {
	for _, piece := range chunks {
		if piece.file != file {
			continue
		}
		for len(pieces) > 0 && pieces[len(pieces)-1].offset >= piece.offset {
			pieces = pieces[:len(pieces)-1]
		}
		pieces = append(pieces, piece)
	}
	return pieces
}

// A joiner puts pieces of a file of lines together.
type joiner struct {
	file   *os.File
	offset int64 // in the file as it was
	size   int64 // of the file as it becomes
	skip   bool  // the rest of a line whose beginning is missing
}

func (j *joiner) add(offset int64, data []byte, gap gapFiller) error {
	if overlap := j.offset - offset; overlap > 0 {
		data = data[min(overlap, int64(len(data))):]
		offset = j.offset
	}
	if offset > j.offset {
		if err := j.bridge(offset, gap(j.offset, offset, readEnd(io.NewSectionReader(j.file, 0, j.size)).time)); err != nil {
			return err
		}
	}
	j.offset = offset + int64(len(data))
	if j.skip {
		i := bytes.IndexByte(data, '\n')
		if i < 0 {
			return nil
		}
		data, j.skip = data[i+1:], false
	}
	n, err := j.file.WriteAt(data, j.size)
	j.size += int64(n)
	return err
}

// bridge completes the line that was begun and writes instead of what is
// missing.
func (j *joiner) bridge(offset int64, instead []byte) error {
	j.skip = true
	whole, err := lastLine(j.file, j.size)
	if err != nil {
		return err
	}
	line := make([]byte, j.size-whole)
	if _, err := j.file.ReadAt(line, whole); err != nil && err != io.EOF {
		return err
	}
	keep, tail := closeLine(line)
	if err := j.file.Truncate(whole + int64(keep)); err != nil {
		return err
	}
	n, err := j.file.WriteAt(append([]byte(tail), instead...), whole+int64(keep))
	j.size = whole + int64(keep+n)
	return err
}
