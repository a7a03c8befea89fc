package conn

import (
	"strings"
	"testing"
)

func TestImpersonate(t *testing.T) {
	tests := []struct {
		name, user string
		groups     []string
		want       string // empty: refused
	}{
		{"user", "ann", nil, "Impersonate-User: ann\r\n"},
		{"groups", "ann", []string{"a", "b c"}, "Impersonate-User: ann\r\nImpersonate-Group: a\r\nImpersonate-Group: b c\r\n"},
		{"unicode", "änn", nil, "Impersonate-User: änn\r\n"},
		{"no-user", "", []string{"a"}, ""},
		{"blank-user", " \t ", []string{"a"}, ""},
		{"line-feed", "ann\nImpersonate-Group: system:masters", nil, ""},
		{"carriage-return", "ann\rx", nil, ""},
		{"nul", "ann\x00", nil, ""},
		{"delete", "ann\x7f", nil, ""},
		{"line-feed-in-group", "ann", []string{"a", "b\r\nImpersonate-Group: system:masters"}, ""},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			lines, err := Impersonate(test.user, test.groups)
			if string(lines) != test.want || (err == nil) != (test.want != "") {
				t.Errorf("Impersonate(%q, %q) = %q, %v, want %q", test.user, test.groups, lines, err, test.want)
			}
		})
	}
}

// Whatever a client says about who it is, the API server hears the gateway's word
// and no other.
func TestIdentityIsTheGateways(t *testing.T) {
	fields := []string{
		"Impersonate-User: root", "impersonate-user: root", "IMPERSONATE-USER: root", "Impersonate-User:root", "Impersonate-User: ",
		"Impersonate-User: \t ", "Impersonate-Group: system:masters", "Impersonate-Uid: 0", "Impersonate-Extra-Scopes: root",
		"Impersonate-Anything: root", "Authorization: Bearer root", "Authorization: Basic cm9vdA==", "X-Remote-User: root",
		"X-Remote-Group: system:masters", "X-Remote-Extra-Root: root", "X-Forwarded-For: root", "Forwarded: for=root",
		"Audit-ID: root", "Connection: X-Root\r\nX-Root: root",
	}
	for _, field := range fields {
		conversation(t, func(s *site) {
			c := s.connect()
			c.says(request("GET /x", field, "Accept: */*"))
			up := s.accepts()
			up.hears(forwarded(1, "GET /x", "Accept: */*"))
			up.says(noContent)
			c.hears(noContent)

			c.says(request("GET /x", field, field)) // twice, and alone
			up.hears(forwarded(2, "GET /x"))
			up.says(noContent)
			c.hears(noContent)

			c.says(request("PUT /x", "Transfer-Encoding: chunked") + "0\r\n")
			up.hears(forwarded(3, "PUT /x", "Transfer-Encoding: chunked"), "0\r\n")
			c.says(field + "\r\n\r\n") // as a trailer: refused or dropped
			if got := up.heard(); strings.Trim(got, "\r\n") != "" {
				t.Errorf("of the trailer %q the API server hears %q", field, got)
			}
		})
	}
}

func TestIdentityCanNotBeNominated(t *testing.T) {
	for _, name := range []string{
		"Impersonate-User", "impersonate-group", "Authorization", "Audit-ID", "Host", "Content-Length", "X-Remote-User",
		"Impersonate_User", "close, Impersonate-User",
	} {
		conversation(t, func(s *site) {
			c := s.connect()
			c.says(request("GET /x", "Connection: "+name))
			if got := c.heard(); !strings.HasPrefix(got, "HTTP/1.1 400 ") {
				t.Errorf("with %q in Connection the client hears %q, want a 400", name, got)
			}
			s.acceptsNone()
		})
	}
}

// With a client certificate for a credential there is no Authorization at all.
func TestIdentityWithoutAuthorization(t *testing.T) {
	conversation(t, func(s *site) {
		s.token.current = ""
		c := s.connect()
		c.says(request("GET /x", "Authorization: Bearer root"))
		s.accepts().hears("GET /x HTTP/1.1\r\nHost: api.test:6443\r\n" + identity + "Audit-ID: c1-1\r\n\r\n")
	})
}

// Two users take turns on one upstream connection.
func TestIdentityOfEachUser(t *testing.T) {
	conversation(t, func(s *site) {
		ann, bob := s.connect(), s.connect()
		bob.conn.caller.Lines = []byte("Impersonate-User: bob\r\n")
		var up *peer
		for n := 1; n <= 3; n++ {
			ann.says(request("GET /x"))
			if n == 1 {
				up = s.accepts()
			}
			up.hears(forwarded(n, "GET /x"))
			up.says(noContent)
			ann.hears(noContent)
			bob.says(request("GET /x"))
			up.hears(strings.Replace(forwardedFor("c2", n, "GET /x"), identity, "Impersonate-User: bob\r\n", 1))
			up.says(noContent)
			bob.hears(noContent)
		}
		s.acceptsNone()
	})
}
