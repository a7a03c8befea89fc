package filewatch

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// tokenFile is a watched file that holds one word; the word "bad" and an
// empty file do not load.
type tokenFile struct {
	t     *testing.T
	path  string
	loads int
}

func newTokenFile(t *testing.T, word string) *tokenFile {
	f := &tokenFile{t: t, path: filepath.Join(t.TempDir(), "token")}
	f.replace(word)
	return f
}

// replace renames a complete file into place.
func (f *tokenFile) replace(word string) {
	f.t.Helper()
	if err := os.WriteFile(f.path+".new", []byte(word), 0o600); err != nil {
		f.t.Fatal(err)
	}
	if err := os.Rename(f.path+".new", f.path); err != nil {
		f.t.Fatal(err)
	}
}

func (f *tokenFile) load() (string, error) {
	f.loads++
	data, err := os.ReadFile(f.path)
	if err != nil {
		return "", err
	}
	if word := string(data); word != "bad" && word != "" {
		return word, nil
	}
	return "half a value", fmt.Errorf("token %q is not good", data)
}

func (f *tokenFile) value() *Value[string] {
	f.t.Helper()
	v, err := New(f.load, f.path)
	if err != nil {
		f.t.Fatalf("New = %v", err)
	}
	return v
}

// wantCheck calls Check and compares what it and then Get return.
func wantCheck(t *testing.T, v *Value[string], wantChanged, wantErr bool, want string) {
	t.Helper()
	changed, err := v.Check()
	if changed != wantChanged || (err != nil) != wantErr {
		t.Errorf("Check() = %v, %v, want %v, error %v", changed, err, wantChanged, wantErr)
	}
	if got := v.Get(); got != want {
		t.Errorf("Get() = %q, want %q", got, want)
	}
}

func TestNewNeedsGoodValue(t *testing.T) {
	f := newTokenFile(t, "bad")
	if v, err := New(f.load, f.path); v != nil || err == nil || !strings.Contains(err.Error(), "not good") {
		t.Errorf("New = %v, %v, want nil and load's error", v, err)
	}
	missing := filepath.Join(t.TempDir(), "missing")
	if v, err := New(f.load, missing); v != nil || !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("New = %v, %v, want nil, fs.ErrNotExist", v, err)
	}
}

func TestCheckLoadsOnlyWhatChanged(t *testing.T) {
	f := newTokenFile(t, "one")
	v := f.value()
	wantCheck(t, v, false, false, "one")
	wantCheck(t, v, false, false, "one")
	if f.loads != 1 {
		t.Errorf("%d loads of an unchanged file, want 1", f.loads)
	}
}

func TestCheckSeesChange(t *testing.T) {
	tests := []struct {
		name   string
		change func(t *testing.T, path string)
	}{
		{"replaced-same-size-same-time", func(t *testing.T, path string) {
			info, err := os.Stat(path)
			if err != nil {
				t.Fatal(err)
			}
			os.WriteFile(path+".new", []byte("two"), 0o600)
			os.Chtimes(path+".new", info.ModTime(), info.ModTime())
			os.Rename(path+".new", path)
		}},
		{"rewritten-other-size", func(t *testing.T, path string) {
			info, err := os.Stat(path)
			if err != nil {
				t.Fatal(err)
			}
			os.WriteFile(path, []byte("three"), 0o600)
			os.Chtimes(path, info.ModTime(), info.ModTime())
		}},
		{"rewritten-other-time", func(t *testing.T, path string) {
			os.WriteFile(path, []byte("two"), 0o600)
			os.Chtimes(path, time.Unix(1, 0), time.Unix(1, 0))
		}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			f := newTokenFile(t, "one")
			v := f.value()
			test.change(t, f.path)
			want, err := os.ReadFile(f.path)
			if err != nil {
				t.Fatal(err)
			}
			wantCheck(t, v, true, false, string(want))
			wantCheck(t, v, false, false, string(want))
		})
	}
}

// TestCheckSeesSecretUpdate updates a directory as the kubelet does: the
// files are links through ..data, which is swapped by rename.
func TestCheckSeesSecretUpdate(t *testing.T) {
	dir := t.TempDir()
	publish := func(version, cert, key string) {
		t.Helper()
		data := filepath.Join(dir, version)
		for _, err := range []error{
			os.Mkdir(data, 0o700),
			os.WriteFile(filepath.Join(data, "cert"), []byte(cert), 0o600),
			os.WriteFile(filepath.Join(data, "key"), []byte(key), 0o600),
			os.Symlink(version, filepath.Join(dir, "..data_tmp")),
			os.Rename(filepath.Join(dir, "..data_tmp"), filepath.Join(dir, "..data")),
		} {
			if err != nil {
				t.Fatal(err)
			}
		}
	}
	publish("..v1", "c1", "k1")
	cert, key := filepath.Join(dir, "cert"), filepath.Join(dir, "key")
	os.Symlink(filepath.Join("..data", "cert"), cert)
	os.Symlink(filepath.Join("..data", "key"), key)

	var between func() // runs between reading the certificate and the key
	load := func() (string, error) {
		c, err := os.ReadFile(cert)
		if err != nil {
			return "", err
		}
		if between != nil {
			between()
			between = nil
		}
		k, err := os.ReadFile(key)
		if err != nil {
			return "", err
		}
		if c[1] != k[1] {
			return "", fmt.Errorf("%s does not match %s", k, c)
		}
		return string(c) + string(k), nil
	}
	v, err := New(load, cert, key)
	if err != nil {
		t.Fatalf("New = %v", err)
	}
	publish("..v2", "c2", "k2")
	wantCheck(t, v, true, false, "c2k2")

	// The swap happens in the middle of a load: no error, no mixture.
	publish("..v3", "c3", "k3")
	between = func() { publish("..v4", "c4", "k4") }
	wantCheck(t, v, true, false, "c4k4")
}

func TestCheckSeesChangeDuringGoodLoad(t *testing.T) {
	f := newTokenFile(t, "one")
	v, err := New(func() (string, error) {
		word, err := f.load()
		if f.loads == 1 {
			f.replace("two") // after it was read
		}
		return word, err
	}, f.path)
	if err != nil || v.Get() != "one" {
		t.Fatalf("New = %v, %v, want a value of one", v, err)
	}
	wantCheck(t, v, true, false, "two")
}

func TestCheckKeepsValueOnFailure(t *testing.T) {
	f := newTokenFile(t, "one")
	v := f.value()
	f.replace("bad")
	wantCheck(t, v, false, true, "one")
	wantCheck(t, v, false, true, "one")
	os.Remove(f.path)
	wantCheck(t, v, false, true, "one")
	f.replace("two")
	wantCheck(t, v, true, false, "two")
}

// TestCheckRetriesUnchangedFiles: what made the load fail need not be in the
// files, for example a certificate that was not valid yet.
func TestCheckRetriesUnchangedFiles(t *testing.T) {
	f := newTokenFile(t, "one")
	early := true
	v, err := New(func() (string, error) {
		if word, err := f.load(); word != "two" || !early {
			return word, err
		}
		return "", errors.New("too early")
	}, f.path)
	if err != nil {
		t.Fatalf("New = %v", err)
	}
	f.replace("two")
	wantCheck(t, v, false, true, "one")
	early = false
	wantCheck(t, v, true, false, "two")
}

func TestRunReports(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newTokenFile(t, "one")
		v := f.value()
		var reports []string
		ctx, cancel := context.WithCancel(t.Context())
		var wg sync.WaitGroup
		wg.Go(func() {
			v.Run(ctx, time.Minute, func(err error) {
				if err == nil {
					reports = append(reports, "loaded "+v.Get())
					return
				}
				reports = append(reports, err.Error())
			})
		})
		// want lets intervals pass and compares what was reported meanwhile.
		want := func(intervals int, want ...string) {
			t.Helper()
			time.Sleep(time.Duration(intervals) * time.Minute)
			synctest.Wait()
			if !slices.Equal(reports, want) {
				t.Errorf("reports = %q, want %q", reports, want)
			}
			reports = nil
		}
		time.Sleep(time.Second) // between two ticks from here on
		want(3)
		f.replace("two")
		want(3, "loaded two")
		f.replace("bad")
		want(3, `token "bad" is not good`)
		f.replace("bad") // another file that is as bad
		want(3, `token "bad" is not good`)
		f.replace("")
		want(3, `token "" is not good`)
		f.replace("two")
		want(3, "loaded two")
		cancel()
		wg.Wait()
		f.replace("three")
		want(3)
	})
}

func TestRunChecksAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newTokenFile(t, "one")
		v := f.value()
		f.replace("two")
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		go v.Run(ctx, time.Hour, nil)
		synctest.Wait()
		if got := v.Get(); got != "two" {
			t.Errorf("Get() = %q, want two", got)
		}
	})
}

func TestValueConcurrently(t *testing.T) {
	f := newTokenFile(t, "one")
	v := f.value()
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for range 100 {
				if _, err := v.Check(); err != nil {
					t.Errorf("Check() = %v", err)
				}
				if got := v.Get(); got != "one" && got != "two" {
					t.Errorf("Get() = %q", got)
				}
			}
		})
	}
	for i := range 50 {
		f.replace([]string{"one", "two"}[i%2])
	}
	wg.Wait()
}
