package session

import (
	"bytes"
	"net/url"
	"strconv"
	"strings"
)

// query is the parameters of a request, read as the API server reads them: pairs with a semicolon or a bad escape are
// dropped, the others count.
type query url.Values

func parseQuery(target []byte) query {
	_, raw, _ := bytes.Cut(target, []byte("?"))
	values, _ := url.ParseQuery(string(raw)) // with an error it still holds the good pairs
	return query(values)
}

func (q query) all(name string) []string { return q[name] }

func (q query) first(name string) string { return url.Values(q).Get(name) }

// bool is a boolean of the API server: only absence, 0 and false in any case mean false.
func (q query) bool(name string) bool {
	values := q[name]
	return len(values) > 0 && values[0] != "0" && !strings.EqualFold(values[0], "false")
}

// one is a boolean of the kubelet: only 1 means true.
func (q query) one(name string) bool { return q.first(name) == "1" }

// maxPorts is as many as there are channels for: each port has two of 255.
const maxPorts = 127

// ports reads lists of ports. If one of them is no port, or there are too many, there are none: the server would not
// have agreed.
func (q query) ports(name string) (ports []uint16) {
	for _, list := range q[name] {
		for port := range strings.SplitSeq(list, ",") {
			n, err := strconv.ParseUint(port, 10, 16)
			if err != nil || n == 0 || len(ports) == maxPorts {
				return nil
			}
			ports = append(ports, uint16(n))
		}
	}
	return ports
}
