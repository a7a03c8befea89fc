package fuzz

import (
	"bytes"
	"encoding/json"
	"math"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/spliceway/spliceway/authn"
)

// FuzzClaims verifies payloads that the issuer has signed, whatever they are.
func FuzzClaims(f *testing.F) {
	addSeeds(f)
	verifier := newVerifier()
	f.Fuzz(func(t *testing.T, older bool, payload string) {
		header := newerHeader
		if older {
			header = olderHeader
		}
		token := signed(header, payload)
		if len(token) > 16<<10 {
			return // too long, whatever it says
		}
		var marked struct{ Typ *string }
		if json.Unmarshal([]byte(payload), &marked) == nil && marked.Typ != nil && *marked.Typ == "" {
			return // whether an empty marker is one is not judged here
		}
		grant, err := verifier.Verify(t.Context(), token)
		want, ok := readClaims([]byte(payload), older)
		if err != nil {
			checkRefusal(t, token, grant, err)
			if ok {
				t.Fatalf("%q is refused: %v, want %+v", payload, err, want)
			}
			return
		}
		if !ok {
			t.Fatalf("%q is accepted: %+v", payload, grant)
		}
		got := authn.Grant{Identity: grant.Identity, Resource: grant.Resource, TokenID: grant.TokenID, KeyID: grant.KeyID,
			RenewAt: grant.RenewAt.UTC(), Expires: grant.Expires.UTC()}
		if !reflect.DeepEqual(got, *want) {
			t.Fatalf("%q is read as\n%+v, want\n%+v", payload, got, *want)
		}
	})
}

// object is a JSON object with the members that may be there, each once and not by
// another name that is the same but for its case.
type object struct {
	members map[string]json.RawMessage
	ok      bool // so far
}

// readObject reads an object. What it may not have is null unless it is optional,
// which then is like its absence.
func readObject(data json.RawMessage, required, optional string) *object {
	o := &object{members: make(map[string]json.RawMessage), ok: json.Valid(data) && utf8.Valid(data)}
	known := strings.Fields(required + " " + optional)
	d := json.NewDecoder(bytes.NewReader(data))
	if first, err := d.Token(); err != nil || first != json.Delim('{') {
		o.ok = false
	}
	seen := make(map[string]bool)
	for o.ok && d.More() {
		name, _ := d.Token()
		var value json.RawMessage
		if d.Decode(&value) != nil || seen[name.(string)] {
			o.ok = false
			break
		}
		seen[name.(string)] = true
		at := slices.IndexFunc(known, func(k string) bool { return strings.EqualFold(k, name.(string)) })
		switch null := string(value) == "null"; {
		case at < 0:
		case known[at] != name, null && !slices.Contains(strings.Fields(optional), known[at]):
			o.ok = false
		case !null:
			o.members[known[at]] = value
		}
	}
	return o
}

// has tells whether the member is there.
func (o *object) has(name string) bool { return o.members[name] != nil }

// text returns a member that is a string, "" if it is not there.
func (o *object) text(name string) (s string) {
	if o.has(name) && json.Unmarshal(o.members[name], &s) != nil {
		o.ok = false
	}
	return s
}

// texts returns a member that is a list of strings.
func (o *object) texts(name string) (list []string) {
	if o.has(name) && json.Unmarshal(o.members[name], &list) != nil {
		o.ok = false
	}
	return list
}

// audience returns the claim aud: a string or a list of them, and no null among them.
func (o *object) audience() []string {
	switch aud := o.members["aud"]; {
	case len(aud) == 0:
		return nil
	case aud[0] == '"':
		return []string{o.text("aud")}
	}
	var all []*string
	if json.Unmarshal(o.members["aud"], &all) != nil || slices.Contains(all, nil) {
		o.ok = false
		return nil
	}
	return o.texts("aud")
}

// object returns a member that is an object with members that all are required.
func (o *object) object(name, required, optional string) *object {
	inner := readObject(o.members[name], required, optional)
	o.ok = o.ok && inner.ok
	return inner
}

// date returns a member that is a NumericDate. Its fraction is cut off.
func (o *object) date(name string) time.Time {
	if !o.has(name) {
		return time.Time{}
	}
	seconds, err := strconv.ParseFloat(string(o.members[name]), 64)
	if err != nil || seconds < 0 || seconds >= 253402300800 { // the year 10000
		o.ok = false
		return time.Time{}
	}
	return time.Unix(int64(math.Floor(seconds)), 0).UTC()
}

// port returns the port in a member that is an object with it.
func (o *object) port(name string) int {
	p := o.object(name, "port", "")
	port, err := strconv.Atoi(string(p.members["port"]))
	o.ok = o.ok && err == nil && port >= 1 && port <= 65535
	return port
}

// readClaims reads a payload by the rules of authn's package comment.
func readClaims(payload []byte, older bool) (*authn.Grant, bool) {
	c := readObject(payload, "typ ver rnw cpk user service resource iss aud exp nbf iat", "sub jti device")
	if !c.ok {
		return nil, false
	}
	g := &authn.Grant{KeyID: "k1", TokenID: c.text("jti"), RenewAt: c.date("rnw"), Expires: c.date("exp")}
	c.text("sub")
	typeOK := older && !c.has("typ") || c.text("typ") == "GAT"
	timeOK := c.has("rnw") && now.Before(g.Expires) && !now.Before(c.date("nbf")) && !now.Before(c.date("iat"))
	namesOK := c.text("iss") == "https://issuer.example.com" && slices.Contains(c.audience(), "acme") && c.text("ver") == "1"
	resourceOK, identityOK := c.readResource(&g.Resource), c.readIdentity(&g.Identity)
	keyOK := c.text("cpk") == clientCPK
	return g, c.ok && typeOK && timeOK && namesOK && resourceOK && identityOK && keyOK
}

// readResource reads what the token opens.
func (o *object) readResource(r *authn.Resource) bool {
	if !o.has("resource") {
		return false
	}
	c := o.object("resource", "id type address gateway_metadata", "aliases")
	r.ID, r.Type, r.Address, r.Aliases = c.text("id"), c.text("type"), c.text("address"), c.texts("aliases")
	if c.has("gateway_metadata") {
		m := c.object("gateway_metadata", "downstream upstream", "")
		r.DownstreamPort, r.UpstreamPort = m.port("downstream"), m.port("upstream")
		c.ok = c.ok && m.ok
	}
	return c.ok && isName(r.ID) && isName(r.Address) && r.Type == "KUBERNETES"
}

// readIdentity reads whom the token names.
func (o *object) readIdentity(id *authn.Identity) bool {
	if o.has("user") == o.has("service") {
		return false
	}
	ok := true
	var groups []string
	if o.has("user") {
		u := o.object("user", "id username", "groups")
		id.Subject, id.User, groups = u.text("id"), u.text("username"), u.texts("groups")
		ok = u.ok
	} else {
		s := o.object("service", "id name key", "")
		key := s.object("key", "id", "")
		id.Subject, id.User, id.Service = s.text("id"), key.text("id"), true
		groups = []string{s.text("name"), s.text("id")}
		ok = s.ok && key.ok
	}
	if o.has("device") {
		d := o.object("device", "id", "")
		id.Device = d.text("id")
		ok = ok && d.ok && isName(id.Device)
	}
	for _, group := range groups {
		ok = ok && isPrincipal(group)
		if !slices.Contains(id.Groups, group) {
			id.Groups = append(id.Groups, group)
		}
	}
	return ok && len(groups) <= 512 && isName(id.Subject) && isPrincipal(id.User)
}

// isPrincipal tells whether an API server may be told of the name.
func isPrincipal(name string) bool {
	return isName(name) && (!strings.HasPrefix(name, "system:") || name == "system:masters")
}

// isName tells whether a name can be used as it is written.
func isName(name string) bool {
	for _, r := range name {
		if r == utf8.RuneError || r != ' ' && !unicode.In(r, unicode.L, unicode.M, unicode.N, unicode.P, unicode.S) {
			return false
		}
	}
	return name != "" && len(name) <= 256 && name[0] != ' ' && name[len(name)-1] != ' '
}

func claimsSeeds(testing.TB) (seeds []seed) {
	for _, payload := range []string{olderPayload(), newerPayload(), servicePayload()} {
		seeds = append(seeds, seed{false, payload}, seed{true, payload})
		for _, change := range []struct{ from, to string }{
			{`"id"`, `"ID"`}, {`"ver":"1"`, `"ver":"1","ver":"1"`}, {`"exp":`, `"exp":1e9,"x":`}, {`"groups":`, `"groups":[null],"x":`},
			{`"user"`, `"service":null,"user"`}, {`"dev"`, `"system:masters","dev","dev"`}, {`"ops"`, `"system:nodes"`}, {`"jti":"t-1"`, `"jti":null`},
			{`443`, `443.0`}, {`6443`, `0`}, {`"aud":`, `"aud":[1],"x":`}, {`["other"`, `[null`}, {`"username":"`, `"username":" `}, {`ann`, `a\u200bn`}, {`"typ":"GAT"`, `"typ":""`},
			{`{"id":"d-1"`, `{}`}, {`"device":{"id":"d-1"}`, `"device":null`}, {`"gateway_metadata":{`, `"gateway_metadata":null,"x":{`}, {`u-1`, `\ud800`},
			{`"rnw":`, `"rnw":"1","x":`}, {`"exp":`, `"exp":253402300799.9,"x":`}, {`"type"`, `"t\u0079pe"`}, {`KUBERNETES`, `SSH`}, {`"iat":`, `"iat":1e11,"x":`},
		} {
			if changed := strings.Replace(payload, change.from, change.to, 1); changed != payload {
				seeds = append(seeds, seed{true, changed}, seed{false, changed})
			}
		}
	}
	return append(seeds, seed{true, ``}, seed{true, `[]`}, seed{true, `{}{}`}, seed{true, "{\"\xff\":1}"})
}
