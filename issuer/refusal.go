package issuer

import (
	"encoding/json"
	"errors"
	"math"
	"net/http"
	"strconv"
	"time"
)

// refusal is an error that the caller is told. The sentence gives nothing away that the caller does not know.
type refusal struct {
	status     int
	sentence   string
	user       string        // as the caller has given it; for the log
	cause      error         // for the log only
	retryAfter time.Duration // 0: not sent
}

func (r *refusal) Error() string { return r.sentence }

func refuse(status int, sentence string) *refusal {
	return &refusal{status: status, sentence: sentence}
}

// asRefusal makes an internal error a sentence without detail.
func asRefusal(err error) *refusal {
	if r, ok := errors.AsType[*refusal](err); ok {
		return r
	}
	return &refusal{
		status:   http.StatusInternalServerError,
		sentence: "the issuer has an internal fault, see its log",
		cause:    err,
	}
}

func (r *refusal) write(w http.ResponseWriter) {
	if r.status == http.StatusUnauthorized {
		w.Header().Add("WWW-Authenticate", `Basic realm="spliceway issuer", charset="UTF-8"`)
		w.Header().Add("WWW-Authenticate", `Bearer realm="spliceway issuer"`)
	}
	if r.retryAfter > 0 {
		w.Header().Set("Retry-After", strconv.Itoa(int(math.Ceil(r.retryAfter.Seconds()))))
	}
	writeJSON(w, r.status, ErrorAnswer{Error: r.sentence})
}

// writeJSON writes an answer that no cache may keep: it is about one user, or holds a token.
func writeJSON(w http.ResponseWriter, status int, body any) {
	data, err := json.Marshal(body)
	if err != nil {
		panic("issuer: internal error: an answer cannot be encoded: " + err.Error())
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	w.WriteHeader(status)
	w.Write(append(data, '\n')) // an error here is the client's going away
}
