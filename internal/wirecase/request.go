package wirecase

import (
	"bufio"
	"io"
	"net/http"
	"strings"
)

// CompleteRequest asks net/http whether stream begins with a complete request,
// how long that is and what its body says.
func CompleteRequest(stream string) (n int, body string, ok bool) {
	from := strings.NewReader(stream)
	buffered := bufio.NewReader(from)
	r, err := http.ReadRequest(buffered)
	if err != nil {
		return 0, "", false
	}
	decoded, err := io.ReadAll(r.Body)
	if err != nil {
		return 0, "", false
	}
	return len(stream) - from.Len() - buffered.Buffered(), string(decoded), true
}
