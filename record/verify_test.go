package record

import (
	"bytes"
	"crypto/ed25519"
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// sealedRecording returns a small recording with a checkpoint in the middle.
func sealedRecording(t *testing.T) (base string, key ed25519.PublicKey) {
	t.Helper()
	s := openStore(t, t.TempDir(), func(cfg *Config) { cfg.Checkpoint = time.Nanosecond; cfg.Sync = time.Hour })
	r := s.start(alice())
	must(t, r.Output(0, []byte("the secret is 42\r\n")))
	s.tick()
	must(t, r.Output(0, []byte("no more\r\n")))
	must(t, r.Close(End{Cause: "done"}))
	if v := s.verify(r); !v.OK() || v.State != StateComplete || v.Proven != v.Size || v.Live != v.Size {
		t.Fatalf("before any change: %s (%+v)", v, v)
	}
	if n := strings.Count(readFile(t, r.base+sealSuffix), `"checkpoint"`); n != 1 {
		t.Fatalf("the seal has %d checkpoints, want 1", n)
	}
	return r.base, s.PublicKey()
}

// firstDifference returns the offset of the first octet that two files do not
// have in common.
func firstDifference(a, b []byte) int64 {
	n := 0
	for n < len(a) && n < len(b) && a[n] == b[n] {
		n++
	}
	return int64(n)
}

func TestVerifyFirstOctetEverywhere(t *testing.T) {
	base, key := sealedRecording(t)
	good := []byte(readFile(t, base+castSuffix))
	changes := []struct {
		name  string
		apply func(i int) []byte
	}{
		{"changed", func(i int) []byte { p := bytes.Clone(good); p[i] ^= 0x20; return p }},
		{"removed", func(i int) []byte { return slices.Delete(bytes.Clone(good), i, i+1) }},
		{"inserted", func(i int) []byte { return slices.Insert(bytes.Clone(good), i, 'X') }},
		{"many-inserted", func(i int) []byte { return slices.Insert(bytes.Clone(good), i, []byte("some words")...) }},
		{"cut", func(i int) []byte { return good[:i] }},
		{"added", func(i int) []byte { return append(bytes.Clone(good), good[:i+1]...) }},
	}
	for _, change := range changes {
		t.Run(change.name, func(t *testing.T) {
			for i := 0; i < len(good); i += step {
				bad := change.apply(i)
				must(t, os.WriteFile(base+castSuffix, bad, fileMode))
				v := verify(t, base, key)
				want := firstDifference(good, bad)
				if v.OK() || v.Offset != want {
					t.Fatalf("at %d: fault %q at %d (%s), want %d", i, v.Fault, v.Offset, v, want)
				}
				if change.name != "cut" && !v.Exact {
					t.Fatalf("at %d: not exact: %s", i, v)
				}
				if v.Proven > want {
					t.Fatalf("at %d: octets 0 to %d are said to be proven, %d is wrong", i, v.Proven, want)
				}
			}
		})
	}
}

// TestVerifyNamesTheBlock changes too much for one octet to be found.
func TestVerifyNamesTheBlock(t *testing.T) {
	s := openStore(t, t.TempDir(), nil)
	r := s.start(alice())
	must(t, r.Output(0, plainFrame(100<<10)))
	must(t, r.Close(End{}))
	good := []byte(readFile(t, r.path()))
	for _, at := range []int{0, 1000, 50_000, len(good) - 20} {
		for _, change := range []string{"replaced", "removed"} {
			bad := bytes.Clone(good)
			if change == "replaced" {
				copy(bad[at:], "#########")
			} else {
				bad = slices.Delete(bad, at, at+9)
			}
			must(t, os.WriteFile(r.path(), bad, fileMode))
			v := s.verify(r)
			if v.OK() || v.Exact || v.Proven > int64(at) || v.Until <= int64(at) || v.Fault == FaultAltered && v.Until-v.Offset > blockSize {
				t.Errorf("%s at %d: %s (%+v)", change, at, v, v)
			}
		}
	}
}

func TestVerifySealAlteredEverywhere(t *testing.T) {
	base, key := sealedRecording(t)
	good := []byte(readFile(t, base+sealSuffix))
	for i := 0; i < len(good); i += step {
		for _, bad := range [][]byte{
			append(append(bytes.Clone(good[:i]), good[i]^1), good[i+1:]...),
			slices.Delete(bytes.Clone(good), i, i+1),
			good[:i],
		} {
			if bytes.Equal(bad, bytes.TrimSuffix(good, []byte("\n"))) {
				continue
			}
			must(t, os.WriteFile(base+sealSuffix, bad, fileMode))
			if v := verify(t, base, key); v.OK() {
				t.Fatalf("octet %d: %s\n%s", i, v, bad)
			}
		}
	}
}

// TestVerifyLinesOfTheSeal removes and doubles whole lines, and takes those of
// another recording with the same key.
func TestVerifyLinesOfTheSeal(t *testing.T) {
	base, key := sealedRecording(t)
	lines := slices.Collect(strings.Lines(readFile(t, base+sealSuffix)))
	for i := range lines {
		if strings.Contains(lines[i], `"checkpoint"`) {
			continue // what it proves the end proves too
		}
		for name, bad := range map[string][]string{
			"removed": slices.Delete(slices.Clone(lines), i, i+1),
			"doubled": slices.Insert(slices.Clone(lines), i, lines[i]),
			"cut":     lines[:i],
		} {
			must(t, os.WriteFile(base+sealSuffix, []byte(strings.Join(bad, "")), fileMode))
			if v := verify(t, base, key); v.OK() {
				t.Errorf("line %d %s: %s", i+1, name, v)
			}
		}
	}
}

func TestVerifyEndOfTheSealRemoved(t *testing.T) {
	base, key := sealedRecording(t)
	lines := slices.Collect(strings.Lines(readFile(t, base+sealSuffix)))
	checkpoint := slices.IndexFunc(lines, func(line string) bool { return strings.Contains(line, `"checkpoint"`) })
	must(t, os.WriteFile(base+sealSuffix, []byte(strings.Join(lines[:checkpoint+1], "")), fileMode))
	v := verify(t, base, key)
	if v.Fault != FaultUnended || v.Proven == 0 || v.Proven >= v.Size {
		t.Errorf("verdict %s (%+v), want %q", v, v, FaultUnended)
	}
}

func TestVerifyOtherKey(t *testing.T) {
	base, _ := sealedRecording(t)
	other, _, err := ed25519.GenerateKey(nil)
	must(t, err)
	if v := verify(t, base, other); v.Fault != FaultSeal || v.Proven != 0 {
		t.Errorf("verdict %s, want %q", v, FaultSeal)
	}
}

// TestVerifyForgedBlocks rewrites both files as somebody without the key can.
func TestVerifyForgedBlocks(t *testing.T) {
	base, key := sealedRecording(t)
	cast := strings.Replace(readFile(t, base+castSuffix), "42", "43", 1)
	must(t, os.WriteFile(base+castSuffix, []byte(cast), fileMode))
	meta, err := ReadMetadata(base)
	must(t, err)
	digest, err := meta.Session.digest()
	must(t, err)
	c := newChain(meta.ID, digest)
	var forged []string
	for line := range strings.Lines(readFile(t, base+sealSuffix)) {
		var l sealLine
		must(t, json.Unmarshal([]byte(line), &l))
		if l.To != 0 {
			c.write([]byte(cast[l.From:l.To]))
			c.cut()
			l.Blocks = bytes.Clone(c.digests)
			c.listed()
			text, err := json.Marshal(&l)
			must(t, err)
			line = string(text) + "\n"
		}
		forged = append(forged, line)
	}
	must(t, os.WriteFile(base+sealSuffix, []byte(strings.Join(forged, "")), fileMode))
	if v := verify(t, base, key); v.Fault != FaultSeal || v.Proven != 0 {
		t.Errorf("verdict %s, want %q", v, FaultSeal)
	}
}

func TestVerifyMetadata(t *testing.T) {
	base, key := sealedRecording(t)
	good := readFile(t, base+metaSuffix)
	for name, change := range map[string][2]string{
		"user":  {`"user": "alice"`, `"user": "bob"`},
		"start": {`12:00:00`, `12:00:01`},
		"cause": {`"cause": "done"`, `"cause": "other"`},
		"size":  {`"output": 27`, `"output": 28`},
		"state": {`"state": "complete"`, `"state": "recovered"`},
		"json":  {`{`, `[`},
	} {
		bad := strings.Replace(good, change[0], change[1], 1)
		if bad == good {
			t.Fatalf("%s: nothing to change in\n%s", name, good)
		}
		must(t, os.WriteFile(base+metaSuffix, []byte(bad), fileMode))
		if v := verify(t, base, key); v.Fault != FaultMetadata {
			t.Errorf("%s: verdict %s, want %q", name, v, FaultMetadata)
		}
	}
	must(t, os.Remove(base+metaSuffix))
	if v := verify(t, base, key); v.Fault != FaultMetadata {
		t.Errorf("removed: verdict %s, want %q", v, FaultMetadata)
	}
}

func TestVerifyFilesOfAnotherRecording(t *testing.T) {
	s := openStore(t, t.TempDir(), nil)
	first, second := s.start(alice()), s.start(alice())
	must(t, first.Close(End{}))
	must(t, second.Close(End{}))
	for _, suffix := range []string{castSuffix, sealSuffix, metaSuffix} {
		must(t, os.Rename(first.base+suffix, second.base+suffix))
	}
	if v := s.verify(second); v.Fault != FaultSeal {
		t.Errorf("verdict %s, want %q", v, FaultSeal)
	}
	elsewhere := filepath.Join(t.TempDir(), "evidence")
	for _, suffix := range []string{castSuffix, sealSuffix, metaSuffix} {
		must(t, os.Rename(second.base+suffix, elsewhere+suffix))
	}
	if v := verify(t, elsewhere+castSuffix, s.PublicKey()); !v.OK() || v.ID != first.ID() {
		t.Errorf("under another name: %s", v)
	}
}

func TestVerifyOpenRecording(t *testing.T) {
	s := openStore(t, t.TempDir(), func(cfg *Config) { cfg.Checkpoint = time.Nanosecond; cfg.Sync = time.Hour })
	r := s.start(alice())
	must(t, r.Output(0, []byte("a")))
	s.tick()
	size := r.offset
	must(t, r.Output(0, []byte("b")))
	if v := s.verify(r); !v.OK() || v.State != StateOpen || v.Proven != size {
		t.Errorf("verdict %s (%+v), want %d octets proven", v, v, size)
	}
	must(t, r.Close(End{}))
}

// TestVerifyManyBlocks has lists, checkpoints between writes and an end.
func TestVerifyManyBlocks(t *testing.T) {
	s := openStore(t, t.TempDir(), func(cfg *Config) { cfg.Checkpoint = time.Nanosecond; cfg.Sync = time.Hour })
	r := s.start(alice())
	for i := range 40 {
		must(t, r.Output(0, plainFrame(1+i*1009)))
		if i%7 == 0 {
			s.tick()
		}
	}
	must(t, r.Output(0, plainFrame(600<<10)))
	must(t, r.Close(End{}))
	if v := s.verify(r); !v.OK() || v.Proven != v.Size {
		t.Errorf("verdict %s", v)
	}
}

// TestCheckpointBehindLaterBlocks has blocks listed while a checkpoint waits for
// the disk.
func TestCheckpointBehindLaterBlocks(t *testing.T) {
	s := openStore(t, t.TempDir(), func(cfg *Config) { cfg.Checkpoint = time.Nanosecond; cfg.Sync = time.Hour })
	r := s.start(alice())
	must(t, r.Output(0, []byte("a")))
	checkpoint, _, _ := r.prepare()
	must(t, r.Output(0, plainFrame(600<<10)))
	must(t, r.sign(checkpoint))
	if v := s.verify(r); !v.OK() || v.Proven != *checkpoint.Checkpoint {
		t.Errorf("open: verdict %s, want %d octets proven", v, *checkpoint.Checkpoint)
	}
	must(t, r.Close(End{}))
	if v := s.verify(r); !v.OK() || v.Proven != v.Size {
		t.Errorf("verdict %s", v)
	}
}

func TestKeyFiles(t *testing.T) {
	dir := t.TempDir()
	s := openStore(t, dir, nil)
	info, err := os.Stat(filepath.Join(dir, keyFile))
	must(t, err)
	if info.Mode().Perm() != 0o600 {
		t.Errorf("the private key has mode %v", info.Mode())
	}
	public, err := ReadPublicKey(filepath.Join(dir, publicFile))
	must(t, err)
	if !public.Equal(s.PublicKey()) {
		t.Error("seal.pub is not of seal.key")
	}
	if again := openStore(t, dir, nil); !again.PublicKey().Equal(public) {
		t.Error("a second start has another key")
	}
	must(t, os.WriteFile(filepath.Join(dir, keyFile), []byte("nonsense"), 0o600))
	if _, err := Open(Config{Dir: dir}); err == nil {
		t.Error("Open with a key file that is none: no error")
	}
}

// A recording that was begun under one key and ended by a start with another verifies
// with both, and with neither alone.
func TestKeyReplaced(t *testing.T) {
	first := openStore(t, t.TempDir(), func(cfg *Config) { cfg.Checkpoint = time.Nanosecond; cfg.Sync = time.Hour })
	r := first.start(alice())
	must(t, r.Output(0, plainFrame(5000)))
	first.tick()
	must(t, r.Output(time.Second, []byte("behind the checkpoint")))
	dir := t.TempDir()
	base, err := basePath(dir, r.ID())
	must(t, err)
	must(t, os.MkdirAll(filepath.Dir(base), dirMode))
	for _, suffix := range []string{castSuffix, sealSuffix, metaSuffix} {
		must(t, os.WriteFile(base+suffix, []byte(readFile(t, r.base+suffix)), fileMode))
	}
	must(t, os.WriteFile(filepath.Join(dir, publicFile), []byte(readFile(t, filepath.Join(first.dir, publicFile))), 0o644))
	must(t, r.Close(End{}))

	second := openStore(t, dir, nil)
	oldKey, newKey := first.PublicKey(), second.PublicKey()
	if oldKey.Equal(newKey) {
		t.Fatal("the key was not replaced")
	}
	v, err := Verify(base, newKey, oldKey)
	must(t, err)
	if !v.OK() || v.State != StateRecovered || v.Proven != v.Size || v.Live < 5000 {
		t.Errorf("with both keys: %s (%+v)", v, v)
	}
	for _, one := range []ed25519.PublicKey{oldKey, newKey} {
		if v := verify(t, base, one); v.Fault != FaultSeal {
			t.Errorf("with the key %s alone: %s", KeyID(one), v)
		}
	}
	meta, err := ReadMetadata(base)
	must(t, err)
	if want := []string{KeyID(oldKey), KeyID(newKey)}; !slices.Equal(meta.Keys, want) || meta.Recovery.Fault != "" {
		t.Errorf("the metadata names the keys %q and the fault %q, want %q and none", meta.Keys, meta.Recovery.Fault, want)
	}
	keys, err := ReadPublicKeys(dir)
	must(t, err)
	if len(keys) != 2 {
		t.Errorf("%d public keys are there, want both", len(keys))
	}
	if v, err := Verify(base, keys...); err != nil || !v.OK() {
		t.Errorf("with the keys of the folder: %s, %v", v, err)
	}
	third := openStore(t, dir, nil)
	if !third.PublicKey().Equal(newKey) {
		t.Error("the next start has another key again")
	}
}

func TestFilesAreForTheOwnerOnly(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "store")
	s := openStore(t, dir, nil)
	r := s.start(alice())
	must(t, r.Close(End{}))
	for path := r.base; path != dir; path = filepath.Dir(path) {
		info, err := os.Stat(filepath.Dir(path))
		must(t, err)
		if info.Mode().Perm() != 0o700 {
			t.Errorf("%s has mode %v", filepath.Dir(path), info.Mode())
		}
	}
	for _, suffix := range []string{castSuffix, sealSuffix, metaSuffix} {
		info, err := os.Stat(r.base + suffix)
		must(t, err)
		if info.Mode().Perm() != 0o600 {
			t.Errorf("%s has mode %v", suffix, info.Mode())
		}
	}
}
