package authn

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"strings"
)

const pemPublicKey = "PUBLIC KEY"

// PublicKey is an ECDSA key on P-256, P-384 or P-521 whose JSON form is the
// base64 of its PEM "PUBLIC KEY" block, as claim cpk has it.
type PublicKey struct{ *ecdsa.PublicKey }

// MarshalJSON writes k in its JSON form.
func (k PublicKey) MarshalJSON() ([]byte, error) {
	if k.PublicKey == nil {
		return nil, errors.New("authn: no public key to write")
	}
	der, err := x509.MarshalPKIXPublicKey(k.PublicKey)
	if err != nil {
		return nil, fmt.Errorf("authn: writing public key: %w", err)
	}
	return json.Marshal(pem.EncodeToMemory(&pem.Block{Type: pemPublicKey, Bytes: der}))
}

// UnmarshalJSON reads k from its JSON form: one PEM block and nothing around it.
func (k *PublicKey) UnmarshalJSON(data []byte) error {
	var text string
	if err := json.Unmarshal(data, &text); err != nil {
		return err
	}
	encoded, err := decodeBase64(text)
	if err != nil {
		return err
	}
	// pem.Decode skips what comes before a block.
	if !bytes.HasPrefix(encoded, []byte("-----BEGIN "+pemPublicKey+"-----")) {
		return errors.New("no PEM block of type " + pemPublicKey)
	}
	block, rest := pem.Decode(encoded)
	if block == nil || block.Type != pemPublicKey || len(block.Headers) != 0 || len(bytes.TrimSpace(rest)) != 0 {
		return errors.New("not exactly one PEM block of type " + pemPublicKey)
	}
	parsed, err := x509.ParsePKIXPublicKey(block.Bytes)
	if err != nil {
		return err
	}
	key, ok := parsed.(*ecdsa.PublicKey)
	if !ok {
		return fmt.Errorf("a key of type %T, not ECDSA", parsed)
	}
	if key.Curve == elliptic.P224() {
		return errors.New("a key on P-224")
	}
	k.PublicKey = key
	return nil
}

// decodeBase64 decodes standard padded base64 and nothing else: encoding/base64
// skips line ends, and without Strict also takes set padding bits.
func decodeBase64(s string) ([]byte, error) {
	if strings.ContainsAny(s, "\r\n") {
		return nil, errors.New("line end in base64")
	}
	return base64.StdEncoding.Strict().DecodeString(s)
}
