package main

import (
	"testing"
	"time"
)

func TestPackageVersion(t *testing.T) {
	date := time.Date(2026, 2, 3, 4, 5, 6, 0, time.UTC)
	for version, want := range map[string]string{
		"v1.2.3":                 "1.2.3",
		"1.2.3":                  "1.2.3",
		"v1.2.3-dirty":           "1.2.3+dirty",
		"v1.2.3-14-gabc1234":     "1.2.3+14.abc1234",
		"v1.2.3-rc.1":            "1.2.3~rc.1",
		"v1.2.3-rc1-2-gabc1234":  "1.2.3~rc1+2.abc1234",
		"abc1234":                "0~20260203040506.abc1234",
		"1234567":                "0~20260203040506.1234567",
		"1f3ac99-dirty":          "0~20260203040506.1f3ac99+dirty",
		"v1.2.3; rm":             "",
		"":                       "",
		"v1.2.3-14-gabc1234/../": "",
	} {
		got, err := packageVersion(version, date)
		if got != want || (err == nil) != (want != "") {
			t.Errorf("packageVersion(%q) = %q, %v, want %q", version, got, err, want)
		}
	}
}
