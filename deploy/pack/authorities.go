package main

import (
	"bytes"
	"encoding/pem"

	"golang.org/x/crypto/x509roots/fallback/bundle"
)

// authorities returns the certificates of Mozilla's root programme in PEM. They come
// from a Go module, so go.sum says which they are; a file of the machine that builds
// would make another image on each. Compiled into the binary instead, they would be
// there on every host as well, next to those that its administrator chose. Roots that
// Mozilla trusts with conditions are left out, since a file can't express them.
func authorities() []byte {
	var b bytes.Buffer
	for root := range bundle.Roots() {
		if root.Constraint == nil {
			_ = pem.Encode(&b, &pem.Block{Type: "CERTIFICATE", Bytes: root.Certificate}) // a Buffer takes all
		}
	}
	return b.Bytes()
}
