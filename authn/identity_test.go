package authn

import (
	"errors"
	"reflect"
	"slices"
	"testing"
)

func service() map[string]any {
	return map[string]any{"id": "s-7", "name": "deployer", "key": map[string]any{"id": "deployer-2026"}}
}

func asService(d *draft) *draft {
	delete(d.payload, "user")
	d.payload["service"] = service()
	return d
}

func TestVerifyService(t *testing.T) {
	for _, generation := range generations {
		t.Run(generation.name, func(t *testing.T) {
			grant, err := newVerifier().Verify(t.Context(), asService(generation.good()).token(t))
			if err != nil {
				t.Fatal(err)
			}
			want := Identity{User: "deployer-2026", Groups: []string{"deployer", "s-7"}, Subject: "s-7", Service: true, Device: "d-1"}
			if !reflect.DeepEqual(grant.Identity, want) {
				t.Errorf("Identity = %+v, want %+v", grant.Identity, want)
			}
		})
	}
}

func TestVerifyServiceRefuses(t *testing.T) {
	for _, row := range []row{
		{"id-missing", func(d *draft) { delete(d.object("service"), "id") }, ErrClaims},
		{"name-missing", func(d *draft) { delete(d.object("service"), "name") }, ErrClaims},
		{"key-missing", func(d *draft) { delete(d.object("service"), "key") }, ErrClaims},
		{"key-string", func(d *draft) { d.object("service")["key"] = "deployer-2026" }, ErrClaims},
		{"key-id-missing", func(d *draft) { delete(d.object("service", "key"), "id") }, ErrClaims},
		{"key-id-blank", func(d *draft) { d.object("service", "key")["id"] = " " }, ErrClaims},
		{"key-id-twice", func(d *draft) { d.payloadJSON = replace(`"key":{`, `"key":{"id":"x",`) }, ErrClaims},
		{"key-id-system", func(d *draft) { d.object("service", "key")["id"] = "system:node:a" }, ErrSystemIdentity},
		{"name-system", func(d *draft) { d.object("service")["name"] = "system:masters" }, ErrSystemIdentity},
		{"id-system", func(d *draft) { d.object("service")["id"] = "system:masters" }, ErrSystemIdentity},
		{"name-lookalike", func(d *draft) { d.object("service")["Name"] = "x" }, ErrClaims},
		{"null", func(d *draft) { d.payload["service"] = nil }, ErrClaims},
	} {
		t.Run(row.name, func(t *testing.T) {
			d := asService(newer())
			row.change(d)
			checkRefused(t, d.token(t), row.want)
		})
	}
}

func TestVerifyGroupsOnceInOrder(t *testing.T) {
	d := older()
	d.object("user")["groups"] = []any{"b", "a", "b", "c", "a", "B"}
	grant, err := newVerifier().Verify(t.Context(), d.token(t))
	if err != nil {
		t.Fatal(err)
	}
	if want := []string{"b", "a", "c", "B"}; !reflect.DeepEqual(grant.Identity.Groups, want) {
		t.Errorf("Groups = %q, want %q", grant.Identity.Groups, want)
	}
}

func TestVerifyNumberOfGroups(t *testing.T) {
	for n, want := range map[int]error{maxGroups: nil, maxGroups + 1: ErrClaims} {
		d := older()
		d.object("user")["groups"] = slices.Repeat([]any{"a"}, n)
		if _, err := newVerifier().Verify(t.Context(), d.token(t)); !errors.Is(err, want) {
			t.Errorf("Verify with %d groups = %v, want %v", n, err, want)
		}
	}
}

// AllowSystem lets through exactly the names it holds.
func TestVerifyAllowSystem(t *testing.T) {
	const allowed = "system:monitoring"
	for _, row := range []struct {
		name        string
		user, group string
		want        error
	}{
		{"user", allowed, "dev", nil},
		{"group", "ann", allowed, nil},
		{"other-group", "ann", "system:masters", ErrSystemIdentity},
		{"longer-group", "ann", allowed + "2", ErrSystemIdentity},
		{"other-user-same-token", "system:admin", allowed, ErrSystemIdentity},
	} {
		t.Run(row.name, func(t *testing.T) {
			d := newer()
			d.object("user")["username"] = row.user
			d.object("user")["groups"] = []any{row.group}
			if _, err := newVerifier(allowed).Verify(t.Context(), d.token(t)); !errors.Is(err, row.want) {
				t.Errorf("Verify = %v, want %v", err, row.want)
			}
		})
	}
}
