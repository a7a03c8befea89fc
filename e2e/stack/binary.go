package stack

import (
	"context"
	"fmt"
	"os/exec"
	"path/filepath"

	"github.com/spliceway/spliceway/e2e/testcluster"
)

// BuildBinary builds spliceway, from the module that e2e is a folder of, into
// dir and returns its path. The working directory must be in module e2e.
func BuildBinary(ctx context.Context, dir string) (string, error) {
	e2e, err := testcluster.ModuleDir(ctx)
	if err != nil {
		return "", err
	}
	binary := filepath.Join(dir, "spliceway")
	cmd := exec.CommandContext(ctx, "go", "build", "-o", binary, "./cmd/spliceway")
	cmd.Dir = filepath.Dir(e2e)
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("building spliceway: %w\n%s", err, out)
	}
	return binary, nil
}
