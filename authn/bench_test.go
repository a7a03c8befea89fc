package authn

import (
	"testing"
)

// BenchmarkOpen is what a tunnel's opening asks of this package: its token, and
// the proof that goes with it.
func BenchmarkOpen(b *testing.B) {
	material := make([]byte, ExporterLength)
	signed, err := Proof(clientKey, material)
	if err != nil {
		b.Fatal(err)
	}
	token, v := newer().token(b), newVerifier()
	grant, err := v.Verify(b.Context(), token)
	if err != nil {
		b.Fatal(err)
	}
	b.Run("step=token/seen=no", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if _, err := newVerifier().Verify(b.Context(), token); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("step=token/seen=yes", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if _, err := v.Verify(b.Context(), token); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("step=proof", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if err := grant.VerifyProof(material, signed); err != nil {
				b.Fatal(err)
			}
		}
	})
}
