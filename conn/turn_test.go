package conn

import (
	"fmt"
	"strings"
)

// turn is one request of a conversation, its answer, and what each side may hear.
type turn struct {
	says   []string // by the client, each a segment; nil: it came with the request before
	stale  bool     // the API server has closed what is idle
	forms  []form   // what the API server may hear
	hears  []string // the client: interim responses, and the final one
	again  bool     // the request may be repeated on a stale connection
	renews bool     // and with a new credential, behind the answer to the first form
	last   bool     // the client's connection ends behind it
	opaque bool     // only the connection's end says where the response ends
}

// form is one form in which the API server may hear a request.
type form struct {
	octets  string
	answers []answer
}

// answer is something the API server says.
type answer struct {
	at   int // when so many octets of the form have come; 0: all
	says string
	ends bool // and closes
}

const (
	hints    = "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n"
	goAhead  = "HTTP/1.1 100 Continue\r\n\r\n"
	chunkEnd = "0\r\n\r\n"
)

var (
	// smuggled is what nobody has asked for: text that looks like a request.
	smuggled = strings.Repeat(request("DELETE /y"), 30000/len(request("DELETE /y"))+1)[:30000]
	chunk    = fmt.Sprintf("%x\r\n%s\r\n", len(smuggled), smuggled)
	chunked  = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
	unending = "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n"
)

// plain is a request with its answer, in the one form that there is.
func plain(n int, line, body string, hears ...string) turn {
	fields := []string{fmt.Sprint("Content-Length: ", len(body))}
	if body == "" {
		fields = nil
	}
	t := turn{says: []string{request(line, fields...) + body}, hears: hears, again: !strings.HasPrefix(line, "POST")}
	f := form{octets: forwarded(n, line, fields...) + body}
	for _, h := range hears {
		f.answers = append(f.answers, answer{says: h})
	}
	t.forms = []form{f}
	return t
}

// either lets the API server hear a request with the credential of later too.
func (t turn) either() turn {
	later := form{strings.Replace(t.forms[0].octets, "Bearer gateway", "Bearer renewed", 1), t.forms[0].answers}
	t.forms = append(t.forms, later)
	return t
}

// upload is a request with a body that comes in parts.
func upload(n int, line, field string, parts []string, answers ...answer) turn {
	t := turn{says: append([]string{request(line, field)}, parts...)}
	for _, a := range answers {
		t.hears = append(t.hears, a.says)
	}
	t.forms = []form{{octets: forwarded(n, line, field) + strings.Join(parts, ""), answers: answers}}
	return t
}

// joined lets the client say a turn in one segment, with the head of its body.
func (t turn) joined() turn {
	t.says = append([]string{t.says[0] + t.says[1]}, t.says[2:]...)
	return t
}

// ending makes a turn the last of a connection, with these answers.
func ending(t turn, opaque bool, answers ...answer) turn {
	t.last, t.opaque, t.hears = true, opaque, nil
	t.forms[0].answers = answers
	for _, a := range answers {
		t.hears = append(t.hears, a.says)
	}
	if opaque {
		t.hears = []string{strings.Join(t.hears, "")}
	}
	return t
}

func faultConversations() map[string][]turn {
	const (
		ok     = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"
		bare   = "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n" // to a HEAD
		same   = "HTTP/1.1 304 Not Modified\r\nContent-Length: 9\r\n\r\n"
		event  = "3\r\n{}\n\r\n"
		length = "Content-Length: 90000"
		chunks = "Transfer-Encoding: chunked"
	)
	parts := []string{smuggled, smuggled, smuggled}
	inChunks := []string{chunk, chunk[:9], chunk[9:], chunkEnd}
	first := plain(1, "GET /w", "", ok) // leaves a connection in the pool
	hasty := plain(2, "POST /x", smuggled[:700], ok)
	hasty.forms[0].answers[0].at = 300
	stale := plain(2, "GET /b", "", ok)
	stale.stale = true
	renewed := plain(1, "POST /x", "{}", ok).either()
	renewed.renews, renewed.forms[0].answers = true, []answer{{says: unauthorized}}
	early := answer{at: 40000, says: response("200 OK", "early")}
	return map[string][]turn{
		"keep-alive":     {plain(1, "GET /a", "", ok), plain(2, "GET /b", "", noContent), plain(3, "GET /c", "", same)},
		"length":         {first, upload(2, "PUT /x", length, parts, answer{says: ok})},
		"length-at-once": {upload(1, "POST /x", length, parts, answer{says: ok}).joined()},
		"small-body":     {first, plain(2, "POST /x", smuggled[:5000], ok)},
		"hasty":          {first, hasty},
		"chunked": {upload(1, "POST /x", chunks, inChunks, answer{says: ok}),
			upload(2, "PUT /y", chunks, inChunks, answer{says: ok}).joined()},
		"behind-a-body": pipelined(plain(1, "PUT /x", smuggled+smuggled, ok), plain(2, "GET /b", "", ok)),
		"pipelined":     pipelined(plain(1, "GET /a", "", ok), plain(2, "POST /b", "xyz", ok), plain(3, "HEAD /c", "", bare)),
		"early-answer":  {ending(upload(1, "POST /x", length, parts), false, early)},
		"interim": {plain(1, "GET /a", "", hints, hints, ok),
			upload(2, "PUT /x", length, parts, answer{at: 100, says: goAhead}, answer{says: ok})},
		"downloads": {plain(1, "GET /a", "", chunked+chunk, chunk+chunkEnd), plain(2, "GET /b", "", response("200 OK", smuggled))},
		"until-close": {first, ending(plain(2, "GET /b", ""), true,
			answer{says: unending + smuggled}, answer{says: smuggled, ends: true})},
		"watch":   {plain(1, "GET /api/v1/pods?watch=true", "", chunked+event, event, chunkEnd)},
		"stale":   {first, stale},
		"renewed": {renewed},
		"exec":    {exec()},
	}
}

// pipelined lets the client say all in one segment.
func pipelined(turns ...turn) []turn {
	for i := range turns[1:] {
		turns[0].says[0] += turns[i+1].says[0]
		turns[i+1].says = nil
	}
	return turns
}

// exec is a stream on which both sides talk.
func exec() turn {
	head := spdyForwarded(1)
	t := turn{says: []string{spdyRequest, "ls\n", smuggled, "exit\n"}, forms: []form{{octets: head + "ls\n" + smuggled + "exit\n"}}}
	t = ending(t, true, answer{at: len(head), says: spdyAgreed + "$ "},
		answer{at: len(head) + 3, says: smuggled}, answer{says: "bye\n", ends: true})
	t.hears[0] = strings.Replace(t.hears[0], spdyAgreed, spdySwitched, 1)
	return t
}
