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
	publicFile = "seal.pub"
)

// loadKey reads the private key of the seal, PKCS #8 in PEM, or makes one if
// there is none. The public key is written beside it: seal.pub for seal.key.
func loadKey(path string) (ed25519.PrivateKey, error) {
	key, err := readPrivateKey(path)
	if errors.Is(err, fs.ErrNotExist) {
		key, err = createKey(path)
	}
	if err != nil {
		return nil, err
	}
	public := strings.TrimSuffix(path, filepath.Ext(path)) + filepath.Ext(publicFile)
	if _, err := os.Stat(public); errors.Is(err, fs.ErrNotExist) {
		der, err := x509.MarshalPKIXPublicKey(key.Public())
		if err != nil {
			return nil, err
		}
		if err := writeFile(public, pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der}), 0o644); err != nil {
			return nil, fmt.Errorf("record: writing the public key of the seal: %w", err)
		}
	}
	return key, nil
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
