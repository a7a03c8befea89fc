package authn

import (
	"crypto/ecdsa"
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	"github.com/MicahParks/jwkset"
)

// maxDocument bounds a JWK Set, in octets; one with a hundred keys and their
// certificates has some 200 KiB.
const maxDocument = 1 << 20

// parseKeys takes the keys that can have signed a token out of a JWK Set
// (RFC 7517): EC on P-256, for signatures, with a kid. Others are passed over,
// also when they are of no known form (Section 5). No such key at all is an
// error, and so is one kid for two of them.
func parseKeys(document []byte) (map[string]*ecdsa.PublicKey, error) {
	var set struct {
		Keys []json.RawMessage `json:"keys"`
	}
	if err := json.Unmarshal(document, &set); err != nil {
		return nil, fmt.Errorf("reading key set: %w", err)
	}
	keys := make(map[string]*ecdsa.PublicKey)
	for _, raw := range set.Keys {
		id, key := parseKey(raw)
		if key == nil {
			continue
		}
		if other := keys[id]; other != nil && !other.Equal(key) {
			return nil, fmt.Errorf("reading key set: two keys with kid %s", quote(id))
		}
		keys[id] = key
	}
	if len(keys) == 0 {
		return nil, errors.New("reading key set: no EC P-256 signature key in it")
	}
	return keys, nil
}

// parseKey returns no key for a JWK that is not for us.
func parseKey(raw json.RawMessage) (id string, key *ecdsa.PublicKey) {
	var m jwkset.JWKMarshal
	if json.Unmarshal(raw, &m) != nil || !signs(&m) {
		return "", nil
	}
	// Nothing but the key itself: a certificate (x5c, x5u) is not looked at,
	// and private parts are not even read.
	jwk, err := jwkset.NewJWKFromMarshal(
		jwkset.JWKMarshal{KTY: m.KTY, CRV: m.CRV, X: m.X, Y: m.Y},
		jwkset.JWKMarshalOptions{}, jwkset.JWKValidateOptions{})
	if err != nil {
		return "", nil
	}
	key, _ = jwk.Key().(*ecdsa.PublicKey)
	return m.KID, key
}

func signs(m *jwkset.JWKMarshal) bool {
	return m.KTY == jwkset.KtyEC && m.CRV == jwkset.CrvP256 && m.KID != "" &&
		(m.USE == "" || m.USE == jwkset.UseSig) &&
		(m.ALG == "" || m.ALG == jwkset.AlgES256) &&
		(len(m.KEYOPS) == 0 || slices.Contains(m.KEYOPS, jwkset.KeyOpsVerify))
}
