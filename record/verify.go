package record

import (
	"bytes"
	"crypto/ed25519"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
)

// A Fault is what is wrong with a recording.
type Fault string

// The faults that Verify finds, the gravest first.
const (
	FaultNone     Fault = ""
	FaultAltered  Fault = "altered"  // the .cast has other octets than were sealed
	FaultMissing  Fault = "missing"  // the .cast ends too early, or is not there
	FaultAdded    Fault = "added"    // the .cast goes on behind the end
	FaultSeal     Fault = "seal"     // the .seal is not there, not signed by the key, or altered
	FaultMetadata Fault = "metadata" // the .json says something else than was sealed
	FaultContent  Fault = "content"  // the content of a copied file is not what was sealed
	FaultUnended  Fault = "unended"  // the .json says that it has ended, the .seal has no end
)

// A Verdict is what Verify has found.
type Verdict struct {
	ID    string
	State State // as sealed; StateOpen if the seal has no end
	Size  int64 // of the .cast, octets

	// Proven is how many octets, from the first, are what the gateway sealed.
	// Of a recording that is not ended it is less than Size.
	Proven int64

	// Live is how many of them were sealed by the gateway that wrote them. It
	// is less than Proven if another has sealed what a crash left.
	Live int64

	// Fault is what is wrong. With FaultAltered, FaultMissing and FaultAdded,
	// Offset is that of the first octet that is wrong or missing. It is Exact
	// if one octet was changed or removed or one run inserted, or if octets
	// were added at the end. Otherwise, with FaultAltered, it is somewhere
	// before Until; with FaultMissing, Offset is where the file ends, and
	// octets from Proven to there can't be checked, as their block is
	// incomplete.
	Fault  Fault
	Offset int64
	Until  int64
	Exact  bool

	Reason string // a sentence
}

// OK tells whether nothing is wrong.
func (v *Verdict) OK() bool { return v.Fault == FaultNone }

// String returns the sentence.
func (v *Verdict) String() string { return v.Reason }

// Verify checks the recording whose .cast, .seal or .json path names against
// its seal, with the public key alone, or with those that a store has had. The error
// is of reading the files, not of what is in them.
func Verify(path string, keys ...ed25519.PublicKey) (*Verdict, error) {
	base := trimSuffix(path)
	v := &Verdict{ID: baseID(base), State: StateOpen}
	meta, err := ReadMetadata(base)
	if errors.Is(err, fs.ErrPermission) {
		return nil, err
	}
	if err != nil {
		meta = nil
	} else if _, err := idTime(v.ID); err != nil {
		v.ID = meta.ID // the files were given another name
	}
	if meta != nil && meta.State == StateDeleted {
		return v.deleted(meta, keys), nil
	}
	cast, size, err := openCast(base + castSuffix)
	if errors.Is(err, fs.ErrNotExist) {
		return v.fault(FaultMissing, 0, 0, "the .cast file is not there"), nil
	}
	if err != nil {
		return nil, err
	}
	defer cast.Close()
	v.Size = size
	seal, err := os.ReadFile(base + sealSuffix)
	if errors.Is(err, fs.ErrNotExist) {
		return v.fault(FaultSeal, 0, 0, "the .seal file is not there"), nil
	}
	if err != nil {
		return nil, fmt.Errorf("record: reading the seal: %w", err)
	}
	p, err := prove(cast, size, seal, v.ID, keys)
	if err != nil {
		return nil, err
	}
	if v.judge(p, meta); v.OK() && p.end != nil {
		if name, err := checkContents(base, meta.Transfers); err != nil {
			v.fault(FaultContent, 0, 0, fmt.Sprintf("the content of %q does not match the seal: %v; the .cast does", name, err))
		}
	}
	return v, nil
}

func openCast(path string) (*os.File, int64, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, 0, fmt.Errorf("record: opening the recording: %w", err)
	}
	info, err := f.Stat()
	if err != nil {
		f.Close()
		return nil, 0, fmt.Errorf("record: opening the recording: %w", err)
	}
	return f, info.Size(), nil
}

// judge makes the verdict of a proof and the metadata, which is nil if it can't
// be read.
func (v *Verdict) judge(p *proof, meta *Metadata) *Verdict {
	v.Proven, v.Live = p.proven, p.proven
	if p.end != nil {
		v.State = p.end.State
		if p.end.Proven != nil {
			v.Live = *p.end.Proven
		}
	}
	switch {
	case p.wrong != nil:
		return v.damaged(p)
	case p.invalid != nil:
		return v.fault(FaultSeal, 0, 0, fmt.Sprintf("%v; octets 0 to %d are proven", p.invalid, v.Proven))
	case p.start == nil:
		return v.fault(FaultSeal, 0, 0, "the .seal file is empty")
	case p.end != nil && v.Size > v.Proven:
		v.Exact = true
		return v.fault(FaultAdded, v.Proven, v.Proven+1,
			fmt.Sprintf("octet %d and what follows it were added: the recording ends before it", v.Proven))
	case meta == nil:
		return v.fault(FaultMetadata, 0, 0, "the .json file cannot be read; the .cast matches the seal")
	}
	if reason := contradiction(p, meta); reason != "" {
		return v.fault(FaultMetadata, 0, 0, reason+"; the .cast matches the seal")
	}
	return v.good(meta)
}

// good says how much is proven of a recording without fault.
func (v *Verdict) good(meta *Metadata) *Verdict {
	switch {
	case v.State == StateComplete:
		v.Reason = fmt.Sprintf("all %d octets match the seal", v.Size)
	case v.State == StateRecovered:
		v.Reason = fmt.Sprintf("all %d octets match the seal; the gateway that wrote them sealed octets 0 to %d "+
			"and was then killed, the rest was sealed as it was found by the next start", v.Size, v.Live)
	case meta.State != StateOpen:
		return v.fault(FaultUnended, v.Proven, v.Size,
			fmt.Sprintf("the end of the seal is missing: the recording is %s, but only octets 0 to %d are proven", meta.State, v.Proven))
	default:
		v.Reason = fmt.Sprintf("the recording is not ended: octets 0 to %d of %d are proven", v.Proven, v.Size)
	}
	return v
}

func (v *Verdict) fault(f Fault, offset, until int64, reason string) *Verdict {
	v.Fault, v.Offset, v.Until, v.Reason = f, offset, until, reason
	return v
}

// contradiction returns what the metadata says that the seal does not.
func contradiction(p *proof, meta *Metadata) string {
	if digest, err := meta.Session.digest(); err != nil || !bytes.Equal(digest, p.start.Session) {
		return "the .json file contradicts the seal about the start of the session"
	}
	if p.end == nil || meta.State == StateOpen {
		// Killed between the end of the seal and the writing of the .json.
		return ""
	}
	if digest, err := meta.digest(); err != nil || !bytes.Equal(digest, p.end.Metadata) {
		return "the .json file contradicts the seal about the session"
	}
	return ""
}

// deleted judges what is left of a deleted recording.
func (v *Verdict) deleted(meta *Metadata, keys []ed25519.PublicKey) *Verdict {
	v.State = StateDeleted
	d := meta.Deletion
	if d == nil || !signedByOne(keys, deletionOctets(meta.ID, d), d.Signature) {
		return v.fault(FaultMetadata, 0, 0, "the recording is said to be deleted, but not signed by the key")
	}
	v.Reason = fmt.Sprintf("the recording was deleted on %s: %s", d.Time.Format("2006-01-02 15:04:05"), d.Reason)
	return v
}

// damaged names the first octet that is wrong or missing.
func (v *Verdict) damaged(p *proof) *Verdict {
	d := p.wrong
	v.Proven = d.offset
	v.Live = min(v.Live, v.Proven)
	// Enough for the block and what was inserted into it.
	file := make([]byte, min(max(v.Size-d.offset, 0), 64*blockSize))
	n, err := p.cast.ReadAt(file, d.offset)
	if err != nil && err != io.EOF {
		file = nil
	} else {
		file = file[:n]
	}
	if at, ok := locate(d, file, v.Size-p.length, p.lengthKnown); ok {
		v.Exact = true
		offset := d.offset + at
		if offset == v.Size {
			return v.fault(FaultMissing, offset, offset+1, fmt.Sprintf("octet %d is missing: the file ends there", offset))
		}
		return v.fault(FaultAltered, offset, offset+1, fmt.Sprintf("octet %d is the first that is wrong or missing", offset))
	}
	if v.Size < d.until {
		length := max(p.length, d.until)
		return v.fault(FaultMissing, v.Size, length, fmt.Sprintf(
			"octet %d is missing: the file ends there, of %d octets that were sealed; octets 0 to %d are proven",
			v.Size, length, d.offset))
	}
	return v.fault(FaultAltered, d.offset, d.until, fmt.Sprintf(
		"the first octet that is wrong or missing is one of %d to %d; octets 0 to %d are proven", d.offset, d.until-1, d.offset))
}
