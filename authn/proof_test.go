package authn

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"encoding/base64"
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"github.com/spliceway/spliceway/internal/testnet"
)

// connect makes an outer TLS connection and returns what each end exports.
func connect(t *testing.T) (client, server []byte) {
	t.Helper()
	ca := testnet.NewCA(t)
	a, b := testnet.Pipe()
	clientTLS := tls.Client(a, &tls.Config{RootCAs: ca.Pool(), ServerName: "gateway.test"})
	serverTLS := tls.Server(b, &tls.Config{Certificates: []tls.Certificate{ca.Issue(t, "gateway.test")}, MinVersion: tls.VersionTLS13})
	done := make(chan error, 1)
	go func() { done <- serverTLS.Handshake() }()
	if err := clientTLS.Handshake(); err != nil {
		t.Fatal(err)
	}
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	client, server = export(t, clientTLS), export(t, serverTLS)
	clientTLS.Close()
	serverTLS.Close()
	return client, server
}

func export(t *testing.T, conn *tls.Conn) []byte {
	t.Helper()
	state := conn.ConnectionState()
	ekm, err := state.ExportKeyingMaterial(ExporterLabel, nil, ExporterLength)
	if err != nil {
		t.Fatal(err)
	}
	return ekm
}

func TestProofReplayedOnAnotherConnection(t *testing.T) {
	grant, err := newVerifier().Verify(t.Context(), newer().token(t))
	if err != nil {
		t.Fatal(err)
	}
	clientEnd, serverEnd := connect(t)
	proof, err := Proof(clientKey, clientEnd)
	if err != nil {
		t.Fatal(err)
	}
	if err := grant.VerifyProof(serverEnd, proof); err != nil {
		t.Fatalf("VerifyProof on its connection = %v", err)
	}
	_, otherEnd := connect(t)
	if err := grant.VerifyProof(otherEnd, proof); !errors.Is(err, ErrProof) {
		t.Fatalf("VerifyProof on another connection = %v, want %v", err, ErrProof)
	}
}

// A proof made by OpenSSL, with each kind of damage.
func TestVerifyProof(t *testing.T) {
	var key PublicKey
	encoded, _ := json.Marshal(readTestdata(t, "p256.pem"))
	if err := json.Unmarshal(encoded, &key); err != nil {
		t.Fatal(err)
	}
	grant := &Grant{clientKey: key.PublicKey}
	ekm, good := readTestdata(t, "p256.ekm"), string(readTestdata(t, "p256.proof"))
	if err := grant.VerifyProof(ekm, good); err != nil {
		t.Fatalf("VerifyProof(OpenSSL's) = %v", err)
	}
	der, _ := base64.StdEncoding.DecodeString(good)
	der = append(der, 0)
	for name, bad := range map[string]string{
		"empty":            "",
		"no-base64":        "!" + good[1:],
		"blank-before":     " " + good,
		"line-end-behind":  good + "\n",
		"line-end-inside":  good[:8] + "\r\n" + good[8:],
		"padding-missing":  strings.TrimRight(base64.StdEncoding.EncodeToString(der), "="),
		"padding-extra":    good + "====",
		"url-alphabet":     base64.URLEncoding.EncodeToString([]byte{0xfb, 0xef, 0xff}),
		"octet-behind-der": base64.StdEncoding.EncodeToString(der),
		"cut":              good[:len(good)-4],
		"twice":            good + "," + good,
		"long":             strings.Repeat("A", 4096),
	} {
		if err := grant.VerifyProof(ekm, bad); !errors.Is(err, ErrProof) {
			t.Errorf("%s: VerifyProof = %v, want %v", name, err, ErrProof)
		}
	}
	for name, bad := range map[string][]byte{
		"none": nil, "short": ekm[:31], "long": append(ekm[:32:32], 0), "other": make([]byte, 32),
	} {
		if err := grant.VerifyProof(bad, good); !errors.Is(err, ErrProof) {
			t.Errorf("%s keying material: VerifyProof = %v, want %v", name, err, ErrProof)
		}
	}
}

// A signature over less than the whole material, or over none, binds a token to no
// connection, however good it is.
func TestVerifyProofLengthOfMaterial(t *testing.T) {
	grant := &Grant{clientKey: &clientKey.PublicKey}
	for _, length := range []int{0, ExporterLength - 1, ExporterLength + 1} {
		ekm := make([]byte, length)
		digest := sha256.Sum256(ekm)
		der, err := ecdsa.SignASN1(rand.Reader, clientKey, digest[:])
		if err != nil {
			t.Fatal(err)
		}
		if err := grant.VerifyProof(ekm, base64.StdEncoding.EncodeToString(der)); !errors.Is(err, ErrProof) {
			t.Errorf("VerifyProof over %d octets = %v, want %v", length, err, ErrProof)
		}
	}
}

// The last digit before the padding carries bits that mean nothing; set, they
// would give one signature several spellings.
func TestVerifyProofStrayBits(t *testing.T) {
	ekm := make([]byte, ExporterLength)
	grant := &Grant{clientKey: &clientKey.PublicKey}
	var proof string
	for !strings.HasSuffix(proof, "=") { // the length of a signature varies
		var err error
		if proof, err = Proof(clientKey, ekm); err != nil {
			t.Fatal(err)
		}
	}
	const digits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
	at := strings.IndexByte(proof, '=') - 1
	stray := proof[:at] + string(digits[strings.IndexByte(digits, proof[at])+1]) + proof[at+1:]
	if err := grant.VerifyProof(ekm, proof); err != nil {
		t.Fatalf("VerifyProof(%q) = %v", proof, err)
	}
	if err := grant.VerifyProof(ekm, stray); !errors.Is(err, ErrProof) {
		t.Errorf("VerifyProof(%q) = %v, want %v", stray, err, ErrProof)
	}
}

func TestVerifyProofOtherSigner(t *testing.T) {
	ekm := make([]byte, ExporterLength)
	grant := &Grant{clientKey: &clientKey.PublicKey}
	proof, err := Proof(issuerKey, ekm)
	if err != nil {
		t.Fatal(err)
	}
	if err := grant.VerifyProof(ekm, proof); !errors.Is(err, ErrProof) {
		t.Errorf("VerifyProof by another key = %v, want %v", err, ErrProof)
	}
	// The material itself, not its digest, under the signature.
	der, err := ecdsa.SignASN1(rand.Reader, clientKey, ekm)
	if err != nil {
		t.Fatal(err)
	}
	if err := grant.VerifyProof(ekm, base64.StdEncoding.EncodeToString(der)); !errors.Is(err, ErrProof) {
		t.Errorf("VerifyProof without digest = %v, want %v", err, ErrProof)
	}
}

func TestProofCurves(t *testing.T) {
	ekm := make([]byte, ExporterLength)
	for _, curve := range []elliptic.Curve{elliptic.P256(), elliptic.P384(), elliptic.P521()} {
		key := newKey(curve)
		proof, err := Proof(key, ekm)
		if err != nil {
			t.Fatal(err)
		}
		digest := sha256.Sum256(ekm)
		der, err := base64.StdEncoding.DecodeString(proof)
		if err != nil || !ecdsa.VerifyASN1(&key.PublicKey, digest[:], der) {
			t.Errorf("%s: Proof = %q, not a signature over the digest", curve.Params().Name, proof)
		}
		if err := (&Grant{clientKey: &key.PublicKey}).VerifyProof(ekm, proof); err != nil {
			t.Errorf("%s: VerifyProof = %v", curve.Params().Name, err)
		}
	}
}

func TestProofKeyingMaterialLength(t *testing.T) {
	if proof, err := Proof(clientKey, make([]byte, 16)); proof != "" || err == nil {
		t.Errorf("Proof over 16 octets = %q, %v, want an error", proof, err)
	}
}
