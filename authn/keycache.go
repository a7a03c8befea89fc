package authn

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"
)

// cachedKeys is the content of a cache file: a key set as it came, from where
// and when, so that neither another issuer's keys nor too old ones are used.
type cachedKeys struct {
	URL     string          `json:"url"`
	Fetched time.Time       `json:"fetched"`
	KeySet  json.RawMessage `json:"key_set"`
}

// writeCache replaces the file as a whole or not at all. CreateTemp makes it
// readable by its owner only.
func writeCache(name string, c cachedKeys) (err error) {
	data, err := json.Marshal(c)
	if err != nil {
		return fmt.Errorf("writing key cache: %w", err)
	}
	file, err := os.CreateTemp(filepath.Dir(name), "."+filepath.Base(name)+".*")
	if err != nil {
		return fmt.Errorf("writing key cache: %w", err)
	}
	_, err = file.Write(data)
	// Without Sync a power cut can leave the new name with no content.
	if err = errors.Join(err, file.Sync(), file.Close()); err == nil {
		err = os.Rename(file.Name(), name)
	}
	if err != nil {
		return fmt.Errorf("writing key cache: %w", errors.Join(err, os.Remove(file.Name())))
	}
	return nil
}

// readCache returns the keyring of the cache file, or nil if there is no file.
// Whoever can write the file can let anybody in: it is refused if others can.
func readCache(name, url string) (*keyring, error) {
	info, err := os.Stat(name)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("reading key cache: %w", err)
	}
	if info.Mode().Perm()&0o022 != 0 {
		return nil, fmt.Errorf("reading key cache: %s is writable by others", name)
	}
	data, err := readFile(name, 2*maxDocument)
	if err != nil {
		return nil, fmt.Errorf("reading key cache: %w", err)
	}
	var c cachedKeys
	if err := json.Unmarshal(data, &c); err != nil {
		return nil, fmt.Errorf("reading key cache: %w", err)
	}
	if c.URL != url {
		return nil, fmt.Errorf("reading key cache: %s is of %s", name, quote(c.URL))
	}
	if c.Fetched.After(time.Now()) {
		return nil, fmt.Errorf("reading key cache: %s is of the future", name)
	}
	keys, err := parseKeys(c.KeySet)
	if err != nil {
		return nil, fmt.Errorf("reading key cache: %w", err)
	}
	return &keyring{keys: keys, fetched: c.Fetched}, nil
}
