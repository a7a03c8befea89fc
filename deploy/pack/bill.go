package main

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"os"
	"strings"
	"time"

	cdx "github.com/CycloneDX/cyclonedx-go"
)

// bills writes, beside each binary, its bill of materials and the licences of what is
// linked into it.
func (r *release) bills() error {
	for _, arch := range arches() {
		binary := r.binary(arch)
		modules, err := linked(r.root, binary)
		if err != nil {
			return err
		}
		bill, err := r.bill(binary, modules)
		if err != nil {
			return err
		}
		if err := os.WriteFile(binary+".cdx.json", bill, 0o644); err != nil {
			return err
		}
		if err := os.WriteFile(binary+".licenses", []byte(thirdParty(modules)), 0o644); err != nil {
			return err
		}
	}
	return nil
}

// bill returns the bill of materials of a binary, as CycloneDX in JSON. It has no
// serial number and the date of the release, so that it is the same each time.
func (r *release) bill(binary string, modules []*module) ([]byte, error) {
	data, err := os.ReadFile(binary)
	if err != nil {
		return nil, err
	}
	sum := sha256.Sum256(data)
	own := component(modules[0], cdx.ComponentTypeApplication, license)
	own.Version = r.version
	own.Hashes = &[]cdx.Hash{{Algorithm: cdx.HashAlgoSHA256, Value: hex.EncodeToString(sum[:])}}
	var components []cdx.Component
	var dependencies []cdx.Dependency
	for i, m := range modules {
		dependencies = append(dependencies, cdx.Dependency{Ref: m.purl, Dependencies: &m.needs})
		if i == 0 {
			continue
		}
		ids, err := m.licences()
		if err != nil {
			return nil, err
		}
		components = append(components, component(m, cdx.ComponentTypeLibrary, ids...))
	}
	bom := cdx.NewBOM()
	bom.Metadata = &cdx.Metadata{Timestamp: r.date.Format(time.RFC3339), Component: &own}
	bom.Components, bom.Dependencies = &components, &dependencies
	var b bytes.Buffer
	// Readers know 1.6 that don't know what came after it.
	if err := cdx.NewBOMEncoder(&b, cdx.BOMFileFormatJSON).SetPretty(true).EncodeVersion(bom, cdx.SpecVersion1_6); err != nil {
		return nil, err
	}
	return b.Bytes(), nil
}

// component describes a module, to which all of the licences apply.
func component(m *module, kind cdx.ComponentType, licences ...string) cdx.Component {
	return cdx.Component{
		BOMRef: m.purl, Type: kind, Name: m.path, Version: m.version, PackageURL: m.purl,
		Licenses: &cdx.Licenses{{Expression: strings.Join(licences, " AND ")}},
	}
}
