package main

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/google/licensecheck"
)

var (
	licenceName = regexp.MustCompile(`(?i)^(un)?licen[cs]e|^copying`)
	noticeName  = regexp.MustCompile(`(?i)^(notice|patents)`)
)

// isLicence reports whether a file is to be passed on with what it licenses.
func isLicence(name string) bool {
	return (licenceName.MatchString(name) || noticeName.MatchString(name)) && !strings.HasSuffix(name, ".go")
}

// licences returns the SPDX identifiers of a module's licences, sorted. All of them
// apply.
func (m *module) licences() ([]string, error) {
	var ids []string
	for _, t := range m.texts {
		if noticeName.MatchString(t.file[strings.LastIndexByte(t.file, '/')+1:]) {
			continue
		}
		found := licensecheck.Scan([]byte(t.body))
		for _, match := range found.Match {
			// A link to a licence that is there in full tells nothing new.
			if !match.IsURL && !slices.Contains(ids, match.ID) {
				ids = append(ids, match.ID)
			}
		}
	}
	if len(ids) == 0 {
		return nil, fmt.Errorf("the licence of %s %s is not known", m.path, m.version)
	}
	slices.Sort(ids)
	return ids, nil
}

// thirdParty returns the licences and notices of all modules but the first, which is
// our own, each text once.
func thirdParty(modules []*module) string {
	var order []string
	owners := map[string][]string{} // by text
	for _, m := range modules[1:] {
		for _, t := range m.texts {
			body := strings.TrimSpace(strings.ReplaceAll(t.body, "\r\n", "\n"))
			if owners[body] == nil {
				order = append(order, body)
			}
			owners[body] = append(owners[body], fmt.Sprintf("%s %s: %s", m.path, m.version, t.file))
		}
	}
	var b strings.Builder
	b.WriteString("Licences and notices of what is linked into spliceway, each below the names of\nthe modules and files that it is from.\n")
	for _, body := range order {
		fmt.Fprintf(&b, "\n%s\n%s\n\n%s\n", strings.Repeat("=", 80), strings.Join(owners[body], "\n"), body)
	}
	return b.String()
}
