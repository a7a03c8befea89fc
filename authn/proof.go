package authn

import (
	"crypto/ecdsa"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
)

// A proof is an ECDSA signature over SHA-256 of keying material exported from
// the outer TLS connection (RFC 8446, Section 7.5) with ExporterLabel, no
// context and ExporterLength octets. Both ends of one connection compute the
// same material and no other connection has it: that binds the token to the
// connection, and a proof seen on one is worthless on the next.
const (
	ExporterLabel  = "EXPERIMENTAL_twingate_gat"
	ExporterLength = 32 // octets
)

// maxProof bounds the base64 of a proof; a signature on P-521 in DER has at most
// 141 octets, that is 188 characters.
const maxProof = 256

// Proof makes the value of X-Token-Signature for the connection whose exported
// keying material is ekm, with the private key whose public half is claim cpk.
func Proof(key *ecdsa.PrivateKey, ekm []byte) (string, error) {
	if len(ekm) != ExporterLength {
		return "", fmt.Errorf("authn: %d octets of keying material, not %d", len(ekm), ExporterLength)
	}
	digest := sha256.Sum256(ekm)
	signature, err := ecdsa.SignASN1(rand.Reader, key, digest[:])
	if err != nil {
		return "", fmt.Errorf("authn: signing proof: %w", err)
	}
	return base64.StdEncoding.EncodeToString(signature), nil
}

// VerifyProof verifies the value of X-Token-Signature against the keying
// material of the very connection it came on. Its errors are ErrProof.
func (g *Grant) VerifyProof(ekm []byte, signature string) error {
	if len(ekm) != ExporterLength {
		return fmt.Errorf("%w: %d octets of keying material, not %d", ErrProof, len(ekm), ExporterLength)
	}
	if signature == "" {
		return fmt.Errorf("%w: no signature", ErrProof)
	}
	if len(signature) > maxProof {
		return fmt.Errorf("%w: signature of %d characters", ErrProof, len(signature))
	}
	der, err := decodeBase64(signature)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrProof, err)
	}
	digest := sha256.Sum256(ekm)
	if !ecdsa.VerifyASN1(g.clientKey, digest[:], der) {
		return ErrProof
	}
	return nil
}
