package fuzz

import (
	"bytes"
	"encoding/base64"
	"errors"
	"slices"
	"testing"

	"github.com/spliceway/spliceway/authn"
)

// keyingMaterial is what the connection exports here.
var keyingMaterial = bytes.Repeat([]byte{0x5a}, authn.ExporterLength)

// goodProofs are all proofs for keyingMaterial that can be made without the key of
// the client: the one it made, and its twin.
func goodProofs() []string {
	made := sign(clientKey, keyingMaterial)
	return []string{made.der(), made.twin().der()}
}

// FuzzProof verifies proofs for the keying material of some connection.
func FuzzProof(f *testing.F) {
	addSeeds(f)
	grant, err := newVerifier().Verify(f.Context(), signed(olderHeader, olderPayload()))
	if err != nil {
		f.Fatal(err)
	}
	good := goodProofs()
	f.Fuzz(func(t *testing.T, ekm []byte, signature string) {
		err := grant.VerifyProof(ekm, signature)
		if want := bytes.Equal(ekm, keyingMaterial) && slices.Contains(good, signature); (err == nil) != want {
			t.Fatalf("VerifyProof(%x, %q) = %v, want it good: %v", ekm, signature, err, want)
		}
		if err != nil && (!errors.Is(err, authn.ErrProof) || authn.Status(err) != 401) {
			t.Fatalf("VerifyProof(%x, %q) = %v", ekm, signature, err)
		}
	})
}

func proofSeeds(testing.TB) (seeds []seed) {
	for _, proof := range goodProofs() {
		der, err := base64.StdEncoding.DecodeString(proof)
		if err != nil {
			panic(err)
		}
		for _, signature := range []string{
			proof, proof + "\n", proof[:len(proof)-1], " " + proof, proof + "AAAA", "",
			base64.StdEncoding.EncodeToString(append(slices.Clone(der), 0)),
			base64.StdEncoding.EncodeToString(slices.Concat([]byte{0x30, 0x81}, der[1:])), // a length that is not DER
			base64.URLEncoding.EncodeToString(der),
			base64.RawStdEncoding.EncodeToString(der),
		} {
			seeds = append(seeds, seed{keyingMaterial, signature})
		}
		seeds = append(seeds, seed{keyingMaterial[1:], proof}, seed{bytes.Repeat([]byte{1}, authn.ExporterLength), proof})
	}
	return seeds
}
