package fuzz

import (
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// seed is one input of a target: its arguments in their order.
type seed []any

// targets says how each target gets its seeds.
var targets = map[string]func(testing.TB) []seed{
	"FuzzChunked":     chunkedSeeds,
	"FuzzClaims":      claimsSeeds,
	"FuzzConfig":      configSeeds,
	"FuzzConnect":     connectSeeds,
	"FuzzLLHTTP":      llhttpSeeds,
	"FuzzMessages":    messagesSeeds,
	"FuzzProof":       proofSeeds,
	"FuzzRequest":     requestSeeds,
	"FuzzRequestInfo": requestInfoSeeds,
	"FuzzResponse":    responseSeeds,
	"FuzzRewrite":     rewriteSeeds,
	"FuzzSPDY":        spdySeeds,
	"FuzzSession":     sessionSeeds,
	"FuzzTar":         tarSeeds,
	"FuzzTarget":      targetSeeds,
	"FuzzToken":       tokenSeeds,
	"FuzzTraceparent": traceparentSeeds,
	"FuzzWebSocket":   webSocketSeeds,
}

// fewestSeeds is how many seeds each target has at the least: a corpus that has
// moved away leaves a target green and blind.
const fewestSeeds = 10

// addSeeds gives a target its seeds, and fails it if it has too few.
func addSeeds(f *testing.F) {
	f.Helper()
	seeds := targets[f.Name()]
	if seeds == nil {
		f.Fatalf("%s is not among the targets", f.Name())
	}
	all := seeds(f)
	if len(all) < fewestSeeds {
		f.Fatalf("%s has %d seeds, want %d or more", f.Name(), len(all), fewestSeeds)
	}
	for _, s := range all {
		f.Add(s...)
	}
}

// TestEveryTargetHasSeeds wants each target to begin with its seeds, and that no
// found input lies where nobody plays it or under a name that says nothing.
func TestEveryTargetHasSeeds(t *testing.T) {
	declared := declaredTargets(t)
	for name, seeded := range declared {
		if !seeded {
			t.Errorf("%s does not begin with addSeeds", name)
		}
		if targets[name] == nil {
			t.Errorf("%s is not among the targets", name)
		} else if n := len(targets[name](t)); n < fewestSeeds {
			t.Errorf("%s has %d seeds, want %d or more", name, n, fewestSeeds)
		}
	}
	for name := range targets {
		if _, ok := declared[name]; !ok {
			t.Errorf("there is no target %s", name)
		}
	}
	found, err := filepath.Glob("testdata/fuzz/*/*")
	if err != nil {
		t.Fatal(err)
	}
	hash := regexp.MustCompile(`^[0-9a-f]{16}$`)
	for _, file := range found {
		if _, ok := declared[filepath.Base(filepath.Dir(file))]; !ok {
			t.Errorf("%s belongs to no target", file)
		}
		if hash.MatchString(filepath.Base(file)) {
			t.Errorf("%s is not named after its fault", file)
		}
	}
}

// declaredTargets returns the names of all targets in this folder, and whether
// each begins with addSeeds.
func declaredTargets(t *testing.T) map[string]bool {
	t.Helper()
	files, err := filepath.Glob("*_test.go")
	if err != nil {
		t.Fatal(err)
	}
	declared := make(map[string]bool)
	for _, file := range files {
		tree, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		for _, decl := range tree.Decls {
			if f, ok := decl.(*ast.FuncDecl); ok && f.Recv == nil && strings.HasPrefix(f.Name.Name, "Fuzz") {
				declared[f.Name.Name] = beginsWithSeeds(f.Body.List)
			}
		}
	}
	return declared
}

func beginsWithSeeds(body []ast.Stmt) bool {
	if len(body) == 0 {
		return false
	}
	statement, ok := body[0].(*ast.ExprStmt)
	if !ok {
		return false
	}
	call, ok := statement.X.(*ast.CallExpr)
	if !ok {
		return false
	}
	name, ok := call.Fun.(*ast.Ident)
	return ok && name.Name == "addSeeds"
}

// readFile returns a file of the repository.
func readFile(tb testing.TB, name string) []byte {
	tb.Helper()
	data, err := os.ReadFile(name)
	if err != nil {
		tb.Fatal(err)
	}
	return data
}
