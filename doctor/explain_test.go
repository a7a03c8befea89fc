package doctor

import (
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/spliceway/spliceway/authn"
	"github.com/spliceway/spliceway/cluster"
)

func TestExplain(t *testing.T) {
	for line, cause := range map[string]string{
		"expired": "the token has expired",
		"spliceway: the gateway refused the token (audience); check this machine's clock":                                                               "another audience",
		`{"event":"connection.refused","status":401,"reason":"proof","error":"authn: proof"}`:                                                           "the proof does not fit",
		`Error from server (InternalError): gateway: cannot connect to the API server of cluster "prod": its certificate is not trusted by the gateway`: "not trusted by the gateway",
		`Unable to connect to the server: proxyconnect tcp: dial tcp 127.0.0.1:8445: connect: connection refused`:                                       "local proxy does not run",
		`users "ann" is forbidden: User "system:serviceaccount:x:y" cannot impersonate resource "users" in API group ""`:                                "may not impersonate",
		"error: unable to upgrade connection: Upgrade request required":                                                                                 "strips the Upgrade field",
	} {
		if known := Explain(line); known == nil || !strings.Contains(known.Cause, cause) {
			t.Errorf("Explain(%q) = %+v, want %q", line, known, cause)
		}
	}
	for _, line := range []string{"", "hello", "the claims of the press"} {
		if known := Explain(line); known != nil {
			t.Errorf("Explain(%q) = %+v, want nothing", line, known)
		}
	}
}

func TestExplainReasons(t *testing.T) {
	for _, word := range authn.Reasons() {
		if f, ok := tokenFaults[word]; !ok || f.cause == "" || f.do == "" || Explain(word) == nil {
			t.Errorf("the reason word %q is not explained", word)
		}
	}
	if len(tokenFaults) != len(authn.Reasons()) {
		t.Errorf("%d reason words are explained, and there are %d", len(tokenFaults), len(authn.Reasons()))
	}
	for _, reason := range []string{cluster.ReasonTimeout, cluster.ReasonRefused, cluster.ReasonUnreachable, cluster.ReasonName, cluster.ReasonClosed,
		cluster.ReasonAuthority, cluster.ReasonServerName, cluster.ReasonCertificate, cluster.ReasonNoTLS, cluster.ReasonRejected, cluster.ReasonExhausted} {
		sentence := (&cluster.DialError{Cluster: "prod", Reason: reason}).Sentence()
		if known := Explain("gateway: " + sentence); known == nil || !strings.Contains(known.Do, "on the gateway") {
			t.Errorf("Explain(%q) = %+v", sentence, known)
		}
	}
}

// What the gateway says to users is looked for in its code: each sentence is explained, and what is explained is said.
func TestExplainGateway(t *testing.T) {
	var said []string
	for _, folder := range []string{"../conn", "../gateway", "../session", "../tlsmux", "../cluster"} {
		said = append(said, texts(t, folder)...)
	}
	sentences := 0
	for _, text := range said {
		sentence, ok := strings.CutPrefix(text, "say: ")
		if !ok || sentence == "" { // it is put together
			continue
		}
		sentences++
		if Explain(sentence) == nil {
			t.Errorf("the gateway says %q, which is not explained", sentence)
		}
	}
	if sentences < 15 {
		t.Errorf("only %d sentences were found", sentences)
	}
	all := strings.Join(said, "\n")
	for _, known := range gatewayErrors {
		if !strings.Contains(all, known.Text) {
			t.Errorf("%q is explained, and nothing says it", known.Text)
		}
	}
}

// texts returns all texts of a package's code, those that a user is told with say: in front.
func texts(t *testing.T, folder string) (all []string) {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(folder, "*.go"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no code in %s: %v", folder, err)
	}
	text := func(e ast.Expr) string {
		if literal, ok := e.(*ast.BasicLit); ok && literal.Kind == token.STRING {
			value, err := strconv.Unquote(literal.Value)
			if err != nil {
				t.Fatal(err)
			}
			return value
		}
		return ""
	}
	for _, file := range files {
		if strings.HasSuffix(file, "_test.go") {
			continue
		}
		parsed, err := parser.ParseFile(token.NewFileSet(), file, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(parsed, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.BasicLit:
				all = append(all, text(n))
			case *ast.KeyValueExpr:
				if key, ok := n.Key.(*ast.Ident); ok && (key.Name == "Say" || key.Name == "Message") {
					all = append(all, "say: "+text(n.Value))
				}
			}
			return true
		})
	}
	return all
}
