package httpparse_test

import (
	"fmt"
	"strings"

	"github.com/spliceway/spliceway/internal/wirecase"
)

// isResponse tells which direction the stream of a case goes.
func isResponse(c *wirecase.Case) bool { return strings.HasPrefix(c.Family, "resp-") }

// framingText gives a framing the form it has in testdata.
func framingText(kind fmt.Stringer, length int64, sized bool) string {
	if sized {
		return fmt.Sprintf("%s %d", kind, length)
	}
	return kind.String()
}
