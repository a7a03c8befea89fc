package doctor

import (
	"fmt"
	"os"
	"strings"

	"github.com/spliceway/spliceway/authn"
)

// tokenFaults say of each word of package authn what is wrong and what to do. A test compares them with authn.Reasons.
var tokenFaults = map[string]fault{
	"credentials":      {"the client sent no token at all", "connect by spliceway connect, or have the agent send Proxy-Authorization: Bearer TOKEN"},
	"malformed":        {"the token is no signed token in compact form", "check that it was copied as a whole, and that it is of an issuer of gateway access tokens"},
	"algorithm":        {"the token is not signed with ES256", "set the issuer to ES256"},
	"type":             {"the token is not a gateway access token (typ GAT, ver 1)", "ask the issuer for a token for a gateway, not for an id or access token"},
	"key":              {"the token is signed with a key that the issuer does not publish", "check that authn.jwksURL is of the issuer that made the token; a key that was withdrawn takes its tokens along"},
	"keys-unavailable": {"the gateway has no signing keys of the issuer", "check authn.jwksURL, and that the gateway reaches it; the gateway's log has the error"},
	"signature":        {"the signature of the token does not verify", "check that the issuer signs with the key that it publishes under this kid"},
	"expired":          {"the token has expired", "get a new one, and compare the clocks of issuer, gateway and client"},
	"not-yet-valid":    {"the token is not valid yet", "compare the clocks of the issuer and the gateway: one of them is wrong"},
	"issuer":           {"the token is of another issuer than authn.issuer", "set authn.issuer to the iss claim, if that issuer is to be trusted"},
	"audience":         {"the token is for another audience than authn.audience", "set authn.audience to the aud claim, or have the issuer make tokens for this gateway"},
	"claims":           {"a claim of the token is missing or ill-formed", "compare the token with docs/protocol.md; the gateway's audit log names the claim"},
	"system-identity":  {"the token names a system: user or group", "use another name, or list this one in authn.allowSystemIdentities"},
	"resource":         {"the token is for a resource that is no Kubernetes cluster", "ask for a token for a resource of type KUBERNETES"},
	"proof":            {"the proof does not fit the token, so whoever connects does not hold its key", "connect straight to the gateway: nothing on the way may take the outer TLS apart; use a token with the process that asked for it"},
	"target":           {"the token does not allow the host or port requested", "ask for the address of the token, or get a token for this cluster; run spliceway connect kubeconfig again"},
	"internal":         {"the gateway could not decide", "look for conn_id in the gateway's log"},
}

// tokenFault is the fault for an error of package authn, whose details are behind the sentence.
func tokenFault(err error) error {
	f := tokenFaults[authn.Reason(err)]
	if _, detail, ok := strings.Cut(strings.TrimPrefix(err.Error(), "authn: "), ": "); ok {
		f.cause += " (" + detail + ")"
	}
	return &f
}

const maxTokenFile = 64 << 10

// readToken reads a token from a file.
func readToken(file string) (string, error) {
	data, err := os.ReadFile(file)
	if err != nil {
		return "", faultf("give the name of a file with a token with --token-file", "the token can't be read: %v", err)
	}
	if len(data) > maxTokenFile {
		return "", faultf("give the name of a file with a token with --token-file", "%s is too large to be a token", file)
	}
	return strings.TrimSpace(string(data)), nil
}

func describe(g *authn.Grant) string {
	return fmt.Sprintf("is of %s, groups %s, for %s, until %s", g.Identity.User, strings.Join(g.Identity.Groups, ","), g.Resource.Address,
		g.Expires.UTC().Format("15:04:05Z07:00"))
}
