package main

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/ecdh"
	"crypto/ecdsa"
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/mlkem"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"runtime"

	"golang.org/x/sys/unix"
)

// cryptoRounds is how often the operations are done for one sample.
const cryptoRounds = 100

// setUpCrypto returns the CPU time, in microseconds, of the cryptographic operations
// that the server of a tunnel can't do without: two handshakes with X25519MLKEM768,
// an ECDSA signature and a key schedule, and the signature of a proof. That of the
// token is verified once and remembered, and what goes towards the upstream is pooled.
// Sealing the few records is not counted: it takes a microsecond.
func setUpCrypto() (float64, error) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	a, err := newActors()
	if err != nil {
		return 0, err
	}
	before, err := threadTime()
	if err != nil {
		return 0, err
	}
	for range cryptoRounds {
		if err := a.setUp(); err != nil {
			return 0, err
		}
	}
	after, err := threadTime()
	return float64(after-before) / 1e3 / cryptoRounds, err
}

// threadTime returns the CPU time of this thread, in nanoseconds.
func threadTime() (int64, error) {
	var t unix.Timespec
	err := unix.ClockGettime(unix.CLOCK_THREAD_CPUTIME_ID, &t)
	return t.Nano(), err
}

var errSignature = errors.New("a signature does not verify")

// actors are the keys of a client and of a server.
type actors struct {
	signer    *ecdsa.PrivateKey
	digest    [sha256.Size]byte
	signature []byte
	share     *ecdh.PublicKey
	kem       *mlkem.EncapsulationKey768
}

func newActors() (*actors, error) {
	a := &actors{digest: sha256.Sum256([]byte("transcript"))}
	var err error
	if a.signer, err = newKey(); err != nil {
		return nil, err
	}
	if a.signature, err = ecdsa.SignASN1(rand.Reader, a.signer, a.digest[:]); err != nil {
		return nil, err
	}
	share, err := ecdh.X25519().GenerateKey(rand.Reader)
	if err != nil {
		return nil, err
	}
	a.share = share.PublicKey()
	kem, err := mlkem.GenerateKey768()
	if err != nil {
		return nil, err
	}
	a.kem = kem.EncapsulationKey()
	return a, nil
}

// setUp does the operations of one tunnel.
func (a *actors) setUp() error {
	for range 2 { // layers
		key, err := ecdh.X25519().GenerateKey(rand.Reader)
		if err != nil {
			return err
		}
		if _, err := key.ECDH(a.share); err != nil {
			return err
		}
		a.kem.Encapsulate()
		if _, err := ecdsa.SignASN1(rand.Reader, a.signer, a.digest[:]); err != nil {
			return err
		}
		if err := a.schedule(); err != nil {
			return err
		}
	}
	if !ecdsa.VerifyASN1(&a.signer.PublicKey, a.digest[:], a.signature) { // the proof
		return errSignature
	}
	return nil
}

// How often a server that gives out a ticket does what the key schedule of a full
// handshake consists of, see RFC 8446, Sections 4.4.4, 4.6.1, 7.1 and 7.3.
const (
	extracts   = 3  // the early, the handshake and the master secret
	expands    = 19 // 2 between those, 4 traffic secrets, 8 keys and nonces, 2 to finish, 2 for export and resumption, a ticket's
	finishes   = 2  // each side's
	ciphers    = 4  // each way, in the handshake and behind it
	transcript = 4 << 10
)

// schedule does the key schedule of one layer, with TLS_AES_128_GCM_SHA256.
func (a *actors) schedule() error {
	sha256.Sum256(make([]byte, transcript))
	secret := a.digest[:]
	var err error
	for range extracts {
		if secret, err = hkdf.Extract(sha256.New, secret, a.digest[:]); err != nil {
			return err
		}
	}
	for range expands {
		if secret, err = hkdf.Expand(sha256.New, secret, "tls13 c hs traffic", sha256.Size); err != nil {
			return err
		}
	}
	for range finishes {
		mac := hmac.New(sha256.New, secret)
		mac.Write(a.digest[:])
		secret = mac.Sum(nil)
	}
	for range ciphers {
		block, err := aes.NewCipher(secret[:16])
		if err != nil {
			return err
		}
		if _, err := cipher.NewGCM(block); err != nil {
			return err
		}
	}
	return nil
}
