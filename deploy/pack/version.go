package main

import (
	"fmt"
	"regexp"
	"strings"
	"time"
)

// described is what git describe --tags --always --dirty prints: a tag, with the
// number of commits since and the last of them, or that commit alone.
var described = regexp.MustCompile(`^(?:v?([0-9]+(?:\.[0-9]+)+)(-(?:alpha|beta|rc)\.?[0-9]*)?(?:-([0-9]+)-g([0-9a-f]+))?|([0-9a-f]{7,40}))(-dirty)?$`)

// packageVersion returns the version for dpkg and rpm, which compare it: what comes
// before a release is smaller by a tilde, and there is no hyphen. Without any tag it
// is before all releases, in the order of the dates.
func packageVersion(version string, date time.Time) (string, error) {
	m := described.FindStringSubmatch(version)
	if m == nil {
		return "", fmt.Errorf("the version %q is not as git describe prints it", version)
	}
	v := m[1] + strings.Replace(m[2], "-", "~", 1)
	if m[3] != "" {
		v += "+" + m[3] + "." + m[4]
	}
	if commit := m[5]; commit != "" {
		v = "0~" + date.Format("20060102150405") + "." + commit
	}
	if m[6] != "" {
		v += "+dirty"
	}
	return v, nil
}
