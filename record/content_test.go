package record

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"os"
	"strings"
	"testing"
	"time"
)

// keep has a recording keep a file, in pieces, and returns what is told of it.
func keep(t *testing.T, r *Recorder, direction, content string, whole bool) Transfer {
	t.Helper()
	sum := sha256.Sum256([]byte(content))
	told := Transfer{Name: "../../etc/" + direction, Direction: direction, Size: int64(len(content)), SHA256: hex.EncodeToString(sum[:])}
	c := r.Keep(direction)
	for p := []byte(content); len(p) > 0; {
		n := min(len(p), 1000)
		if _, err := c.Write(p[:n]); err != nil {
			t.Fatalf("Write: %v", err)
		}
		p = p[n:]
	}
	if offset, kept := c.End(whole); kept {
		told.Offset = &offset
	}
	return told
}

func keepFiles(cfg *Config) { cfg.KeepFiles = true }

func TestKeepFiles(t *testing.T) {
	dir := t.TempDir()
	s := openStore(t, dir, keepFiles)
	r, err := s.Start(alice(), nil)
	if err != nil {
		t.Fatal(err)
	}
	contents := []string{strings.Repeat("first", 1000), "", strings.Repeat("cut", 100), strings.Repeat("second", 500), "sent"}
	transfers := []Transfer{
		keep(t, r, "download", contents[0], true), keep(t, r, "download", contents[1], true), keep(t, r, "download", contents[2], false),
		keep(t, r, "download", contents[3], true), keep(t, r, "upload", contents[4], true),
	}
	if err := r.Close(End{Transfers: transfers}); err != nil {
		t.Fatal(err)
	}
	if transfers[2].Offset != nil {
		t.Error("a file that was cut short is kept")
	}
	for i := range transfers {
		if transfers[i].Offset == nil {
			continue
		}
		content, err := OpenTransfer(r.path(), &transfers[i])
		if err != nil {
			t.Fatal(err)
		}
		if got, err := io.ReadAll(content); err != nil || string(got) != contents[i] {
			t.Errorf("file %d has %d octets, %v, want %d", i, len(got), err, len(contents[i]))
		}
		content.Close()
	}
	if v, err := Verify(r.path(), s.PublicKey()); err != nil || !v.OK() {
		t.Errorf("Verify = %v, %v", v, err)
	}
	base := trimSuffix(r.path())
	total := int64(0)
	for _, suffix := range []string{castSuffix, sealSuffix, uploadSuffix, downloadSuffix} {
		info, err := os.Stat(base + suffix)
		if err != nil || info.Mode().Perm() != fileMode {
			t.Fatalf("%s: %v, %v", suffix, info, err)
		}
		total += info.Size()
	}
	if s.Used() != total {
		t.Errorf("%d octets are used, want %d", s.Used(), total)
	}
	kept, err := os.ReadFile(base + downloadSuffix)
	if err != nil {
		t.Fatal(err)
	}
	kept[5500] ^= 1
	if err := os.WriteFile(base+downloadSuffix, kept, 0); err != nil {
		t.Fatal(err)
	}
	if v, err := Verify(r.path(), s.PublicKey()); err != nil || v.Fault != FaultContent {
		t.Errorf("Verify of changed content = %v, %v, want the fault %s", v, err, FaultContent)
	}
	if _, err := checkContents(base, transfers); !errors.Is(err, ErrContent) {
		t.Errorf("reading changed content = %v, want ErrContent", err)
	}
	if err := s.remove(base, "old"); err != nil {
		t.Fatal(err)
	}
	for _, suffix := range []string{uploadSuffix, downloadSuffix} {
		if _, err := os.Stat(base + suffix); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("%s is there after the recording was deleted: %v", suffix, err)
		}
	}
}

func TestKeepFilesLimit(t *testing.T) {
	for _, mode := range []Mode{Strict, BestEffort} {
		s := openStore(t, t.TempDir(), func(cfg *Config) { cfg.KeepFiles, cfg.MaxSession = true, 8<<10 })
		session := alice()
		session.Mode = mode
		r, err := s.Start(session, nil)
		if err != nil {
			t.Fatal(err)
		}
		c := r.Keep("upload")
		if _, err := c.Write(bytes.Repeat([]byte{'x'}, 5<<10)); err != nil {
			t.Fatal(err)
		}
		if _, err := c.Write(bytes.Repeat([]byte{'x'}, 5<<10)); !errors.Is(err, ErrSessionLimit) {
			t.Errorf("Write beyond MaxSession = %v, want ErrSessionLimit", err)
		}
		if _, kept := c.End(true); kept {
			t.Error("a file that has no room is kept")
		}
		if err := r.Output(time.Second, []byte("next")); errors.Is(err, ErrSessionLimit) != (mode == Strict) {
			t.Errorf("in mode %v the next Output = %v", mode, err)
		}
		if err := r.Close(End{}); (err != nil) != (mode == Strict) {
			t.Errorf("in mode %v Close = %v", mode, err)
		}
		if v, err := Verify(r.path(), s.PublicKey()); err != nil || !v.OK() {
			t.Errorf("Verify = %v, %v", v, err)
		}
	}
}

func TestKeepFilesOff(t *testing.T) {
	s := openStore(t, t.TempDir(), nil)
	r, err := s.Start(alice(), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close(End{})
	if r.Keep("upload") != nil {
		t.Error("content is kept that nobody wants kept")
	}
}
