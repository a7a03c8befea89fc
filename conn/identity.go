package conn

import (
	"strings"
)

// Impersonate returns the header lines that make the API server act for a
// user: exactly one Impersonate-User, one Impersonate-Group a group. It refuses
// a blank user, because the API server takes that for no impersonation at all
// and would run the request as the gateway's own account, and whatever can't
// stand in a header line.
func Impersonate(user string, groups []string) ([]byte, error) {
	if strings.Trim(user, " \t") == "" {
		return nil, errNoIdentity
	}
	lines, err := AppendLine(nil, "Impersonate-User", user)
	if err != nil {
		return nil, err
	}
	for _, group := range groups {
		if lines, err = AppendLine(lines, "Impersonate-Group", group); err != nil {
			return nil, err
		}
	}
	return lines, nil
}

// AppendLine appends one complete header line. A value with a control
// character, which could start another line, is an error.
func AppendLine(dst []byte, name, value string) ([]byte, error) {
	for i := range len(value) {
		if c := value[i]; c < ' ' && c != '\t' || c == 0x7f {
			return nil, &valueError{name: name}
		}
	}
	dst = append(dst, name...)
	dst = append(dst, ": "...)
	dst = append(dst, value...)
	return append(dst, "\r\n"...), nil
}

// valueError is a value that can't stand in a header line.
type valueError struct{ name string }

func (e *valueError) Error() string {
	return "conn: control character in the value of " + e.name
}
