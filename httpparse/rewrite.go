package httpparse

// RequestEdit is what the gateway puts into a request.
type RequestEdit struct {
	// Host is the value of the Host field. If empty, the client's is used.
	Host []byte

	// Lines are added behind the client's fields. Each is a complete line, "Name: value\r\n", and is not
	// checked: whoever makes it answers for what he puts into it.
	Lines [][]byte
}

// AppendRequest appends the head that goes to the server to dst and returns the longer slice. It has the request line
// as it came, one Host, the client's fields as they came but for those that a client has no say in (see the package
// comment), the lines of edit, and then, as far as it was not already in canonical form: where the body ends, the
// expectation, the upgrade. There is no Connection but for an upgrade: the connection to the server is kept.
//
// req is from ParseRequest and its buffer must still be as it was. A nil edit adds nothing. It does not allocate if
// dst has room.
func AppendRequest(dst []byte, req *Request, edit *RequestEdit) []byte {
	host := req.host
	if edit != nil && len(edit.Host) > 0 {
		host = edit.Host
	}
	dst = append(dst, req.head[:req.line]...)
	dst = append(dst, "Host: "...)
	dst = append(dst, host...)
	dst = append(dst, "\r\n"...)
	dst = appendKept(dst, req.head, req.line, req.Header)
	if edit != nil {
		for _, line := range edit.Lines {
			dst = append(dst, line...)
		}
	}
	dst = appendFraming(dst, req.reframe)
	if req.Expect {
		dst = append(dst, "Expect: 100-continue\r\n"...)
	}
	dst = append(dst, upgradeLines[req.Upgrade]...)
	return append(dst, "\r\n"...)
}

// AppendResponse appends the head that goes to the client to dst and returns the longer slice. It has the status line
// as it came, the server's fields as they came but for those that are for one hop only, and then what AppendRequest
// has. If close, or if the body ends with the connection, it says so to the client, but for interim responses and
// upgrades.
//
// resp is from ParseResponse and its buffer must still be as it was. It does not allocate if dst has room.
func AppendResponse(dst []byte, resp *Response, close bool) []byte {
	dst = append(dst, resp.head[:resp.line]...)
	dst = appendKept(dst, resp.head, resp.line, resp.Header)
	dst = appendFraming(dst, resp.reframe)
	if resp.closes(close) {
		dst = append(dst, "Connection: close\r\n"...)
	}
	dst = append(dst, upgradeLines[resp.Upgrade]...)
	return append(dst, "\r\n"...)
}

// Verbatim returns the head as it came if that is what AppendResponse would print, and nil if not. It aliases the
// buffer that was parsed. A caller who gets it can write it and the octets of the body behind it as they lie there,
// without copying anything.
func (r *Response) Verbatim(close bool) []byte {
	if r.edited || r.closes(close) {
		return nil
	}
	return r.head
}

// closes tells whether the client is to be told that the connection ends behind the response.
func (r *Response) closes(close bool) bool {
	return r.Status >= 200 && (close || r.Framing.Kind == FramingUntilClose)
}

// appendKept appends the field lines of head that are not dropped, which begin at from: runs of kept lines are copied
// at once. Of a dropped list of subprotocols the names that are no tokens are left.
func appendKept(dst, head []byte, from int, header Header) []byte {
	for i := range header {
		f := &header[i]
		if !f.drop {
			continue
		}
		dst = append(dst, head[from:f.start]...)
		from = int(f.end)
		if f.class == classSubprotocol {
			dst = appendSubprotocols(dst, f.Value)
		}
	}
	const empty = "\r\n"
	return append(dst, head[from:len(head)-len(empty)]...)
}

// appendSubprotocols appends a Sec-WebSocket-Protocol line with the names of a list that carry no token, if any.
func appendSubprotocols(dst, list []byte) []byte {
	separator := "Sec-WebSocket-Protocol: "
	for rest := list; rest != nil; {
		var name []byte
		name, rest, _ = nextElement(rest, isSubprotocol)
		if isBearer(name) {
			continue
		}
		dst = append(dst, separator...)
		dst = append(dst, name...)
		separator = ", "
	}
	if separator == ", " {
		dst = append(dst, "\r\n"...)
	}
	return dst
}
