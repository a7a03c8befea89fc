package record

import (
	"crypto/ed25519"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// The names of the key files in the directory of a store.
const (
	keyFile    = "seal.key"
	publicFile = "seal" + publicSuffix

	publicSuffix = ".pub"
)

// loadKeys reads the private key of the seal, PKCS #8 in PEM, or makes one if
// there is none. The public key is written beside it: seal.pub for seal.key. If
// there is one of another key, which this one replaces, that becomes seal-ID.pub.
// The public keys of all that were replaced are returned too.
func loadKeys(path string) (key ed25519.PrivateKey, old []ed25519.PublicKey, err error) {
	key, err = readPrivateKey(path)
	if errors.Is(err, fs.ErrNotExist) {
		key, err = createKey(path)
	}
	if err != nil {
		return nil, nil, err
	}
	stem := strings.TrimSuffix(path, filepath.Ext(path))
	if err := publish(stem, key.Public().(ed25519.PublicKey)); err != nil {
		return nil, nil, fmt.Errorf("record: writing the public key of the seal: %w", err)
	}
	replaced, err := filepath.Glob(stem + "-*" + publicSuffix)
	if err != nil {
		return nil, nil, fmt.Errorf("record: looking for keys of the seal: %w", err)
	}
	for _, name := range replaced {
		public, err := ReadPublicKey(name)
		if err != nil {
			return nil, nil, err
		}
		old = append(old, public)
	}
	return key, old, nil
}

// publish writes a public key as that of the store. One that it replaces is kept.
func publish(stem string, key ed25519.PublicKey) error {
	path := stem + publicSuffix
	switch before, err := ReadPublicKey(path); {
	case err == nil && before.Equal(key):
		return nil
	case err == nil:
		if err := os.Rename(path, stem+"-"+KeyID(before)+publicSuffix); err != nil {
			return err
		}
	case !errors.Is(err, fs.ErrNotExist):
		return err
	}
	der, err := x509.MarshalPKIXPublicKey(key)
	if err != nil {
		return err
	}
	return replaceFile(path, pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der}), 0o644, true)
}

// createKey makes a private key. Of two processes that do so at once, both end
// up with the same one.
func createKey(path string) (ed25519.PrivateKey, error) {
	_, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return nil, err
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return nil, err
	}
	temp := path + "." + strings.ToLower(rand.Text()) + tempSuffix
	defer os.Remove(temp)
	text := pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})
	if err := writeFile(temp, text, fileMode); err != nil {
		return nil, fmt.Errorf("record: making the key of the seal: %w", err)
	}
	if err := os.Link(temp, path); err != nil && !errors.Is(err, fs.ErrExist) {
		return nil, fmt.Errorf("record: making the key of the seal: %w", err)
	}
	return readPrivateKey(path)
}

func readPrivateKey(path string) (ed25519.PrivateKey, error) {
	der, err := readPEM(path)
	if err != nil {
		return nil, err
	}
	key, err := x509.ParsePKCS8PrivateKey(der)
	if err != nil {
		return nil, fmt.Errorf("record: reading %s: %w", path, err)
	}
	private, ok := key.(ed25519.PrivateKey)
	if !ok {
		return nil, fmt.Errorf("record: %s is no Ed25519 key", path)
	}
	return private, nil
}

// ReadPublicKey reads the public key of a seal from a PEM file.
func ReadPublicKey(path string) (ed25519.PublicKey, error) {
	der, err := readPEM(path)
	if err != nil {
		return nil, err
	}
	key, err := x509.ParsePKIXPublicKey(der)
	if err != nil {
		return nil, fmt.Errorf("record: reading %s: %w", path, err)
	}
	public, ok := key.(ed25519.PublicKey)
	if !ok {
		return nil, fmt.Errorf("record: %s is no Ed25519 key", path)
	}
	return public, nil
}

// ReadPublicKeys reads the public keys of seals from a PEM file, or from all files
// of a folder whose names end with .pub.
func ReadPublicKeys(path string) (keys []ed25519.PublicKey, err error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, fmt.Errorf("record: reading the key of the seal: %w", err)
	}
	names := []string{path}
	if info.IsDir() {
		entries, err := os.ReadDir(path)
		if err != nil {
			return nil, fmt.Errorf("record: reading the keys of the seal: %w", err)
		}
		names = nil
		for _, entry := range entries {
			if filepath.Ext(entry.Name()) == publicSuffix {
				names = append(names, filepath.Join(path, entry.Name()))
			}
		}
		if len(names) == 0 {
			return nil, fmt.Errorf("record: %s has no file that ends with %s", path, publicSuffix)
		}
	}
	for _, name := range names {
		key, err := ReadPublicKey(name)
		if err != nil {
			return nil, err
		}
		keys = append(keys, key)
	}
	return keys, nil
}

func readPEM(path string) ([]byte, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("record: reading the key of the seal: %w", err)
	}
	block, _ := pem.Decode(text)
	if block == nil {
		return nil, fmt.Errorf("record: %s is no PEM file", path)
	}
	return block.Bytes, nil
}

// KeyID returns the name of a public key in a seal: the first 8 octets of its
// SHA-256, hexadecimal.
func KeyID(key ed25519.PublicKey) string {
	sum := sha256.Sum256(key)
	return hex.EncodeToString(sum[:8])
}
