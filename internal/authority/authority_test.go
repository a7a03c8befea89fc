package authority

import (
	"crypto/tls"
	"crypto/x509"
	"testing"
	"time"
)

func TestNew(t *testing.T) {
	certificate, key, err := New("test CA")
	if err != nil {
		t.Fatal(err)
	}
	pair, err := tls.X509KeyPair(certificate, key)
	if err != nil {
		t.Fatal(err)
	}
	ca := pair.Leaf
	if !ca.IsCA || !ca.MaxPathLenZero || ca.KeyUsage != x509.KeyUsageCertSign {
		t.Errorf("the certificate is of an authority: %v, that signs no others: %v, and its usage is %b", ca.IsCA, ca.MaxPathLenZero, ca.KeyUsage)
	}
	if err := ca.CheckSignatureFrom(ca); err != nil {
		t.Error(err)
	}
	if now := time.Now(); now.Before(ca.NotBefore) || now.AddDate(9, 0, 0).After(ca.NotAfter) {
		t.Errorf("it is valid from %s to %s", ca.NotBefore, ca.NotAfter)
	}
	if again, _, err := New("test CA"); err != nil || string(again) == string(certificate) {
		t.Errorf("made twice, it is the same: %v", err)
	}
}
