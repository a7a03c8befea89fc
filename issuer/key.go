package issuer

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"time"
)

const (
	keysFolder  = "keys"
	keySuffix   = ".pem"
	keyPEMType  = "PRIVATE KEY"
	keyFileName = "20060102T150405.000000000Z" + keySuffix // sorts by age
)

// keyring is one version of the signing keys. It is immutable once loaded.
type keyring struct {
	keys []signingKey // oldest first; the last one signs
	jwks []byte
	etag string
}

type signingKey struct {
	kid     string
	private *ecdsa.PrivateKey
}

// jwk is a public key as in RFC 7517 and RFC 7518, Section 6.2.
type jwk struct {
	KeyType   string `json:"kty"`
	Curve     string `json:"crv"`
	X         string `json:"x"`
	Y         string `json:"y"`
	ID        string `json:"kid"`
	Algorithm string `json:"alg"`
	Use       string `json:"use"`
}

// RotateKey adds a signing key to a data directory and returns its id and its file. From then on it signs; older
// keys go on being published until their files are deleted.
func RotateKey(dataDir string) (kid, file string, err error) {
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return "", "", fmt.Errorf("issuer: making a signing key: %w", err)
	}
	dir := filepath.Join(dataDir, keysFolder)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return "", "", fmt.Errorf("issuer: making a signing key: %w", err)
	}
	file = filepath.Join(dir, time.Now().UTC().Format(keyFileName))
	if err := writePrivateKey(file, private); err != nil {
		return "", "", fmt.Errorf("issuer: making a signing key: %w", err)
	}
	return newJWK(&private.PublicKey).ID, file, nil
}

// loadKeys reads the keys of a data directory, of which there must be one.
func loadKeys(dataDir string) (*keyring, error) {
	dir := filepath.Join(dataDir, keysFolder)
	files, err := filepath.Glob(filepath.Join(dir, "*"+keySuffix))
	if err != nil || len(files) == 0 {
		return nil, fmt.Errorf("issuer: no signing key in %s", dir)
	}
	slices.Sort(files)
	ring := &keyring{}
	var set struct {
		Keys []jwk `json:"keys"`
	}
	for _, file := range files {
		private, err := readPrivateKey(file)
		if err != nil {
			return nil, fmt.Errorf("issuer: signing key %s: %w", file, err)
		}
		if private.Curve != elliptic.P256() {
			return nil, fmt.Errorf("issuer: signing key %s: not on P-256, as ES256 needs", file)
		}
		public := newJWK(&private.PublicKey)
		set.Keys = append(set.Keys, public)
		ring.keys = append(ring.keys, signingKey{kid: public.ID, private: private})
	}
	if ring.jwks, err = json.Marshal(set); err != nil {
		return nil, fmt.Errorf("issuer: encoding the public keys: %w", err)
	}
	sum := sha256.Sum256(ring.jwks)
	ring.etag = `"` + base64.RawURLEncoding.EncodeToString(sum[:12]) + `"`
	return ring, nil
}

// ensureKeys makes the first key of a data directory.
func ensureKeys(dataDir string) error {
	files, err := filepath.Glob(filepath.Join(dataDir, keysFolder, "*"+keySuffix))
	if err != nil || len(files) > 0 {
		return err
	}
	_, _, err = RotateKey(dataDir)
	return err
}

func (r *keyring) signer() signingKey { return r.keys[len(r.keys)-1] }

// newJWK returns the public form of a P-256 key; its id is the thumbprint of RFC 7638.
func newJWK(public *ecdsa.PublicKey) jwk {
	point, err := public.Bytes() // 0x04, X, Y
	if err != nil {
		panic("issuer: internal error: a loaded key is not a point: " + err.Error())
	}
	half := (len(point) - 1) / 2
	key := jwk{
		KeyType:   "EC",
		Curve:     public.Curve.Params().Name,
		X:         base64.RawURLEncoding.EncodeToString(point[1 : 1+half]),
		Y:         base64.RawURLEncoding.EncodeToString(point[1+half:]),
		Algorithm: "ES256",
		Use:       "sig",
	}
	// RFC 7638, Section 3.2: the required members of an EC key in lexicographic order, without white space.
	sum := sha256.Sum256(fmt.Appendf(nil, `{"crv":%q,"kty":"EC","x":%q,"y":%q}`, key.Curve, key.X, key.Y))
	key.ID = base64.RawURLEncoding.EncodeToString(sum[:])
	return key
}

// writePrivateKey creates a file that only its owner can read. The name appears when the content is complete.
func writePrivateKey(file string, private *ecdsa.PrivateKey) error {
	der, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		return err
	}
	return writeFile(file, pem.EncodeToMemory(&pem.Block{Type: keyPEMType, Bytes: der}), 0o600)
}

func readPrivateKey(file string) (*ecdsa.PrivateKey, error) {
	info, err := os.Stat(file)
	if err != nil {
		return nil, err
	}
	if info.Mode().Perm()&0o077 != 0 {
		return nil, fmt.Errorf("mode %04o lets others read it, want 0600", info.Mode().Perm())
	}
	data, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	block, rest := pem.Decode(data)
	if block == nil || block.Type != keyPEMType || len(rest) != 0 {
		return nil, fmt.Errorf("not one PEM block %q", keyPEMType)
	}
	parsed, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if err != nil {
		return nil, err
	}
	private, ok := parsed.(*ecdsa.PrivateKey)
	if !ok {
		return nil, errors.New("not an ECDSA key")
	}
	return private, nil
}

// writeFile writes a file under a temporary name and renames it, so that a crash leaves the old one or the new one.
func writeFile(file string, data []byte, mode os.FileMode) error {
	temp, err := os.CreateTemp(filepath.Dir(file), ".new-*") // mode 0600
	if err != nil {
		return err
	}
	defer os.Remove(temp.Name()) // does nothing after the rename
	if _, err := temp.Write(data); err != nil {
		temp.Close()
		return err
	}
	if err := errors.Join(temp.Chmod(mode), temp.Sync(), temp.Close()); err != nil {
		return err
	}
	return os.Rename(temp.Name(), file)
}
