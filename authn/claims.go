package authn

import (
	"crypto/ecdsa"
	"encoding/json"
	"errors"
	"fmt"
	"maps"

	"github.com/golang-jwt/jwt/v5"
)

const (
	// TokenType is the type marker: header typ in the older generation of
	// the protocol, claim typ in the newer.
	TokenType = "GAT"
	// TokenVersion is the only value of claim ver.
	TokenVersion = "1"
	// ResourceKubernetes is the only resource.type that is granted.
	ResourceKubernetes = "KUBERNETES"
)

// Claims is the payload of a token as it is on the wire. An issuer fills one in
// and signs it with Sign; a Verifier reads one and hands out a Grant.
type Claims struct {
	jwt.RegisteredClaims

	Type      string           `json:"typ,omitempty"` // TokenType; absent in the older generation
	Version   string           `json:"ver"`           // TokenVersion
	RenewAt   *jwt.NumericDate `json:"rnw"`           // when a client should ask for the next token; required
	ClientKey PublicKey        `json:"cpk"`           // what the proof is verified with
	User      *UserClaim       `json:"user,omitempty"`
	Service   *ServiceClaim    `json:"service,omitempty"` // exactly one of User and Service
	Device    *DeviceClaim     `json:"device,omitempty"`
	Resource  ResourceClaim    `json:"resource"`
}

// UserClaim names a person.
type UserClaim struct {
	ID       string   `json:"id"`
	Username string   `json:"username"`
	Groups   []string `json:"groups"`
}

// ServiceClaim names a service and the key with which it obtained the token.
type ServiceClaim struct {
	ID   string          `json:"id"`
	Name string          `json:"name"`
	Key  ServiceKeyClaim `json:"key"`
}

// ServiceKeyClaim names a key of a service.
type ServiceKeyClaim struct {
	ID string `json:"id"`
}

// DeviceClaim names the device the token was issued to.
type DeviceClaim struct {
	ID string `json:"id"`
}

// ResourceClaim says what the token opens.
type ResourceClaim struct {
	ID       string           `json:"id"`
	Type     string           `json:"type"`
	Address  string           `json:"address"` // host name, "*." and a host name, or IP address
	Aliases  []string         `json:"aliases,omitempty"`
	Metadata *GatewayMetadata `json:"gateway_metadata,omitempty"` // absent in the older generation
}

// GatewayMetadata holds the ports of a resource in the newer generation.
type GatewayMetadata struct {
	Downstream PortClaim `json:"downstream"` // of the CONNECT target
	Upstream   PortClaim `json:"upstream"`   // of the resource
}

// PortClaim holds a TCP port, 1 to 65535.
type PortClaim struct {
	Port int `json:"port"`
}

// Sign makes the token of c, signed by the P-256 key that the issuer's document
// lists as kid. It fills in type and version, and puts the type marker in both
// places, so that verifiers of both generations take the token. It does not
// check the claims otherwise.
func (c *Claims) Sign(kid string, key *ecdsa.PrivateKey) (string, error) {
	payload := *c
	payload.Type = TokenType
	payload.Version = TokenVersion
	token := jwt.NewWithClaims(jwt.SigningMethodES256, &payload)
	token.Header["typ"] = TokenType
	token.Header["kid"] = kid
	signed, err := token.SignedString(key)
	if err != nil {
		return "", fmt.Errorf("authn: signing token: %w", err)
	}
	return signed, nil
}

// UnmarshalJSON reads c strictly, as the package comment says. Its errors are
// ErrClaims.
func (c *Claims) UnmarshalJSON(data []byte) error {
	members := map[string]any{
		"typ":      &typeMark{&c.Type},
		"ver":      &c.Version,
		"rnw":      &numericDate{&c.RenewAt},
		"cpk":      &c.ClientKey,
		"user":     &c.User,
		"service":  &c.Service,
		"device":   optional{&c.Device},
		"resource": &c.Resource,
	}
	maps.Copy(members, registeredMembers(&c.RegisteredClaims))
	if err := decodeObject(data, members); err != nil {
		return claimsErrorf("%w", err)
	}
	return nil
}

func registeredMembers(r *jwt.RegisteredClaims) map[string]any {
	return map[string]any{
		"iss": &r.Issuer,
		"sub": optional{&r.Subject},
		"aud": &r.Audience,
		"exp": &numericDate{&r.ExpiresAt},
		"nbf": &numericDate{&r.NotBefore},
		"iat": &numericDate{&r.IssuedAt},
		"jti": optional{&r.ID},
	}
}

// UnmarshalJSON reads u strictly.
func (u *UserClaim) UnmarshalJSON(data []byte) error {
	return decodeObject(data, map[string]any{
		"id": &u.ID, "username": &u.Username, "groups": optional{&u.Groups},
	})
}

// UnmarshalJSON reads s strictly.
func (s *ServiceClaim) UnmarshalJSON(data []byte) error {
	return decodeObject(data, map[string]any{"id": &s.ID, "name": &s.Name, "key": &s.Key})
}

// UnmarshalJSON reads k strictly.
func (k *ServiceKeyClaim) UnmarshalJSON(data []byte) error {
	return decodeObject(data, map[string]any{"id": &k.ID})
}

// UnmarshalJSON reads d strictly. Its location is ignored.
func (d *DeviceClaim) UnmarshalJSON(data []byte) error {
	return decodeObject(data, map[string]any{"id": &d.ID})
}

// UnmarshalJSON reads r strictly.
func (r *ResourceClaim) UnmarshalJSON(data []byte) error {
	return decodeObject(data, map[string]any{
		"id": &r.ID, "type": &r.Type, "address": &r.Address,
		"aliases": optional{&r.Aliases},
		// Not optional: null would read as "any port" here and as "no
		// port at all" in a gateway of the newer generation.
		"gateway_metadata": &r.Metadata,
	})
}

// UnmarshalJSON reads m strictly.
func (m *GatewayMetadata) UnmarshalJSON(data []byte) error {
	return decodeObject(data, map[string]any{"downstream": &m.Downstream, "upstream": &m.Upstream})
}

// UnmarshalJSON reads p strictly.
func (p *PortClaim) UnmarshalJSON(data []byte) error {
	return decodeObject(data, map[string]any{"port": &p.Port})
}

// numericDate decodes a NumericDate (RFC 7519, Section 2) with its bounds: the
// library's own takes quoted numbers and overflows on large ones.
type numericDate struct{ target **jwt.NumericDate }

// typeMark is claim typ: empty means that it is absent, so one that is there and
// empty would let the header decide.
type typeMark struct{ target *string }

// UnmarshalJSON reads a text that is not empty.
func (m *typeMark) UnmarshalJSON(data []byte) error {
	if err := json.Unmarshal(data, m.target); err != nil {
		return err
	}
	if *m.target == "" {
		return errors.New("typ is empty")
	}
	return nil
}

// endOfTime is the first second of the year 10000, where time.Time stops being
// printable in RFC 3339.
const endOfTime = 253402300800

func (d *numericDate) UnmarshalJSON(data []byte) error {
	var seconds float64
	if err := json.Unmarshal(data, &seconds); err != nil {
		return err
	}
	if seconds < 0 || seconds >= endOfTime {
		return errors.New("time out of range")
	}
	return json.Unmarshal(data, d.target)
}

// check applies the rules that hold for the claims of every token, whoever it
// names and whatever it opens.
func (c *Claims) check(headerType string) error {
	switch {
	case c.Type == "" && headerType != TokenType:
		return fmt.Errorf("%w: header typ is %s and there is no claim typ", ErrType, quote(headerType))
	case c.Type != "" && c.Type != TokenType:
		return fmt.Errorf("%w: claim typ is %s", ErrType, quote(c.Type))
	case c.Version != TokenVersion:
		return fmt.Errorf("%w: claim ver is %s", ErrType, quote(c.Version))
	case c.RenewAt == nil:
		return claimsErrorf("no rnw")
	case c.ClientKey.PublicKey == nil:
		return claimsErrorf("no cpk")
	}
	return c.Resource.check()
}

func (r *ResourceClaim) check() error {
	if err := checkName("resource.id", r.ID); err != nil {
		return err
	}
	if err := checkName("resource.address", r.Address); err != nil {
		return err
	}
	if r.Type == "" {
		return claimsErrorf("no resource.type")
	}
	if r.Type != ResourceKubernetes {
		return fmt.Errorf("%w: %s", ErrResource, quote(r.Type))
	}
	if r.Metadata == nil {
		return nil
	}
	if !validPort(r.Metadata.Downstream.Port) || !validPort(r.Metadata.Upstream.Port) {
		return claimsErrorf("gateway_metadata ports are %d and %d",
			r.Metadata.Downstream.Port, r.Metadata.Upstream.Port)
	}
	return nil
}

func validPort(port int) bool { return port >= 1 && port <= 65535 }
