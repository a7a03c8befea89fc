package main

import (
	"bytes"
	"encoding/json"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	cdx "github.com/CycloneDX/cyclonedx-go"
)

// The bill of a real binary: this command's own.
func TestBill(t *testing.T) {
	binary := filepath.Join(t.TempDir(), "pack")
	if _, err := output(".", nil, "go", "build", "-o", binary, "."); err != nil {
		t.Fatal(err)
	}
	modules, err := linked(".", binary)
	if err != nil {
		t.Fatal(err)
	}
	r := &release{version: "v1.2.3", date: time.Unix(1_700_000_000, 0).UTC()}
	bill, err := r.bill(binary, modules)
	if err != nil {
		t.Fatal(err)
	}
	var bom cdx.BOM
	if err := json.NewDecoder(bytes.NewReader(bill)).Decode(&bom); err != nil {
		t.Fatal(err)
	}
	if c := bom.Metadata.Component; c.Name != "github.com/spliceway/spliceway/deploy/pack" || c.Version != "v1.2.3" || len((*c.Hashes)[0].Value) != 64 {
		t.Errorf("the component is %+v", c)
	}
	for name, licence := range map[string]string{
		"github.com/goreleaser/nfpm/v2":          "MIT",
		"github.com/google/go-containerregistry": "Apache-2.0",
		"std":                                    "BSD-3-Clause",
	} {
		at := slices.IndexFunc(*bom.Components, func(c cdx.Component) bool { return c.Name == name })
		if at < 0 {
			t.Errorf("%s is missing", name)
		} else if c := (*bom.Components)[at]; (*c.Licenses)[0].Expression != licence || !strings.HasSuffix(c.PackageURL, "@"+c.Version) {
			t.Errorf("%s is under %+v, as %s", name, *c.Licenses, c.PackageURL)
		}
	}
	for _, d := range *bom.Dependencies {
		if d.Ref == modules[0].purl && !slices.ContainsFunc(*d.Dependencies, func(purl string) bool { return strings.HasPrefix(purl, "pkg:golang/github.com/goreleaser/nfpm/v2@") }) {
			t.Errorf("%s needs %q, which lacks nfpm", d.Ref, *d.Dependencies)
		}
	}
}

func TestLicences(t *testing.T) {
	const mit = "MIT License\n\nCopyright (c) 2020 Somebody\n\nPermission is hereby granted, free of charge, to any person obtaining a copy of this software and associated documentation files (the \"Software\"), to deal in the Software without restriction, including without limitation the rights to use, copy, modify, merge, publish, distribute, sublicense, and/or sell copies of the Software, and to permit persons to whom the Software is furnished to do so, subject to the following conditions:\n\nThe above copyright notice and this permission notice shall be included in all copies or substantial portions of the Software.\n\nTHE SOFTWARE IS PROVIDED \"AS IS\", WITHOUT WARRANTY OF ANY KIND, EXPRESS OR IMPLIED, INCLUDING BUT NOT LIMITED TO THE WARRANTIES OF MERCHANTABILITY, FITNESS FOR A PARTICULAR PURPOSE AND NONINFRINGEMENT. IN NO EVENT SHALL THE AUTHORS OR COPYRIGHT HOLDERS BE LIABLE FOR ANY CLAIM, DAMAGES OR OTHER LIABILITY, WHETHER IN AN ACTION OF CONTRACT, TORT OR OTHERWISE, ARISING FROM, OUT OF OR IN CONNECTION WITH THE SOFTWARE OR THE USE OR OTHER DEALINGS IN THE SOFTWARE.\n"
	own := &module{path: "own.test", texts: []text{{"LICENSE", "our own terms"}}}
	one := &module{path: "one.test", version: "v1.0.0", texts: []text{{"LICENSE", mit}, {"NOTICE", "made by one"}}}
	two := &module{path: "two.test", version: "v2.0.0", texts: []text{{"sub/COPYING", strings.ReplaceAll(mit, "\n", "\r\n")}}}
	if ids, err := one.licences(); err != nil || !slices.Equal(ids, []string{"MIT"}) {
		t.Errorf("licences = %q, %v, want MIT", ids, err)
	}
	if ids, err := own.licences(); err == nil {
		t.Errorf("licences of an unknown text = %q, want an error", ids)
	}
	all := thirdParty([]*module{own, one, two})
	for want, times := range map[string]int{
		"our own terms": 0, "made by one": 1, "Permission is hereby granted": 1,
		"one.test v1.0.0: LICENSE\ntwo.test v2.0.0: sub/COPYING\n\nMIT License": 1,
	} {
		if got := strings.Count(all, want); got != times {
			t.Errorf("%q is there %d times, want %d:\n%s", want, got, times, all)
		}
	}
}
