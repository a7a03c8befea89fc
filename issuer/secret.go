package issuer

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/crypto/bcrypt"
)

const (
	// passwordCost is the work factor of new password hashes: about a quarter of a second on a small server.
	passwordCost = 12
	// maxPassword is where bcrypt stops reading: octets behind it would be decoration.
	maxPassword = 72

	// secretPrefix lets scanners for leaked credentials recognise a secret.
	secretPrefix = "slw_"
	secretOctets = 32
	// minSecretLength of a secret that comes from a file, in octets. A secret is not throttled, so it must not be a word.
	minSecretLength = 32
	maxSecretLength = 1024

	hashPrefix = "sha256:"
)

// digest is the SHA-256 of a bearer secret. A fast hash is enough for 256 random bits.
type digest [sha256.Size]byte

// HashPassword returns the bcrypt hash of a password for a user's passwordHash. It refuses an empty password, one
// of more than 72 octets and one that HTTP Basic cannot carry (control characters, invalid UTF-8).
func HashPassword(password string) (string, error) { return hashPassword(password, passwordCost) }

func hashPassword(password string, cost int) (string, error) {
	switch {
	case password == "":
		return "", errors.New("issuer: the password is empty")
	case len(password) > maxPassword:
		return "", fmt.Errorf("issuer: the password is longer than %d octets", maxPassword)
	case !utf8.ValidString(password) || strings.ContainsFunc(password, unicode.IsControl):
		return "", errors.New("issuer: the password has control characters or is not UTF-8")
	}
	hash, err := bcrypt.GenerateFromPassword([]byte(password), cost)
	if err != nil {
		return "", fmt.Errorf("issuer: hashing the password: %w", err)
	}
	return string(hash), nil
}

// NewSecret makes a bearer secret of 256 random bits and the value for secretHash. The secret is shown once to
// its owner and kept nowhere else.
func NewSecret() (secret, secretHash string) {
	var raw [secretOctets]byte
	rand.Read(raw[:]) // never fails
	secret = secretPrefix + base64.RawURLEncoding.EncodeToString(raw[:])
	sum := sha256.Sum256([]byte(secret))
	return secret, hashPrefix + hex.EncodeToString(sum[:])
}

func parseSecretHash(text string) (digest, error) {
	encoded, ok := strings.CutPrefix(text, hashPrefix)
	raw, err := hex.DecodeString(encoded)
	if !ok || err != nil || len(raw) != len(digest{}) {
		return digest{}, fmt.Errorf("not %q and %d hexadecimal digits", hashPrefix, 2*len(digest{}))
	}
	return digest(raw), nil
}

func readSecretFile(path string) (digest, error) {
	data, err := readBounded(path)
	if err != nil {
		return digest{}, err
	}
	secret := strings.TrimSpace(string(data))
	if len(secret) < minSecretLength || len(secret) > maxSecretLength {
		return digest{}, fmt.Errorf("%s: a secret has %d to %d octets, this one has %d",
			path, minSecretLength, maxSecretLength, len(secret))
	}
	return sha256.Sum256([]byte(secret)), nil
}
