package e2e

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"io"
	"net/http"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/spliceway/spliceway/e2e/stack"
	"github.com/spliceway/spliceway/e2e/upstream"
)

// fate is what may become of a session in which a marker is printed.
type fate string

const (
	recordedOnce fate = "the client gets the marker, and one recording has it"
	undelivered  fate = "the client does not get the marker"
	eitherOf     fate = "one of these" // as the API server or the gateway likes
	passedOn     fate = "the client gets the marker, which no recording has: it is no session"
)

// wantFate compares what the client has got with what the recordings have. There
// is no third outcome.
func wantFate(t *testing.T, dir, marker string, want fate, got []byte) {
	t.Helper()
	delivered := bytes.Contains(got, []byte(marker)) || bytes.Contains(got, []byte(inBase64(marker)))
	var n int
	count := func() bool {
		n = 0
		for _, r := range recordings(t, dir) {
			n += strings.Count(r.Output, marker)
		}
		return n == 1
	}
	switch {
	case want == passedOn:
		if count(); !delivered || n != 0 {
			t.Errorf("want %s; delivered: %v, recorded: %d times; the client got %.300q", want, delivered, n, got)
		}
	case delivered && !count() && !eventually(count):
		t.Errorf("the client has got the marker and it is recorded %d times", n)
	case delivered && want == undelivered, !delivered && want == recordedOnce:
		t.Errorf("want %s; the client got %.300q", want, got)
	}
}

// inBase64 is what the base64 protocols make of a message on channel 1.
func inBase64(marker string) string { return base64.StdEncoding.EncodeToString([]byte(marker + "\n")) }

// way is one way to ask an API server for a session.
type way struct {
	name, head string
	streams    []string // over SPDY: what the client opens
	want       fate
}

// take goes one way and returns what came of it, octets as they came.
func (w *way) take(d *dialer) []byte {
	var got bytes.Buffer
	c, err := d.open(time.Now().Add(10 * time.Second))
	if err != nil {
		return nil
	}
	defer c.Close()
	response, err := c.Ask(w.head)
	switch {
	case err != nil:
	case response.StatusCode != http.StatusSwitchingProtocols:
		io.Copy(io.Discard, response.Body)
	case w.streams != nil:
		c.SPDYOutput(&got, w.streams...)
	default:
		io.Copy(&got, c)
	}
	return got.Bytes()
}

// TestRecordingWays asks a real API server for a session in every way that it
// knows, and in some that it or the gateway may refuse.
func TestRecordingWays(t *testing.T) {
	t.Parallel()
	issuer := newScriptedIssuer(t, ann, time.Hour)
	dir := filepath.Join(t.TempDir(), "recordings")
	s := newStack(t, func(c *stack.Config) {
		issuer.use(c)
		c.Recordings = recordingsIn(dir, "strict", "")
	})
	d := newDialer(t, s, issuer)
	for _, make := range []func(marker string) []way{protocolWays, targetWays, headWays} {
		for i, w := range make("") {
			t.Run(w.name, func(t *testing.T) {
				t.Parallel()
				marker := uniqueName("marker")
				w := make(marker)[i]
				wantFate(t, dir, marker, w.want, w.take(d))
			})
		}
	}
}

const demoPod = "/api/v1/namespaces/default/pods/demo"

func echoQuery(marker string) string {
	return "?command=echo&command=" + marker + "&stdout=true&stderr=true"
}

// protocolWays are the subprotocols.
func protocolWays(marker string) (all []way) {
	target := demoPod + "/exec" + echoQuery(marker)
	for _, offered := range []string{
		"v5.channel.k8s.io", "v4.channel.k8s.io", "v4.base64.channel.k8s.io", "channel.k8s.io", "base64.channel.k8s.io", "-",
		"v5.channel.k8s.io, v4.channel.k8s.io", "v4.channel.k8s.io, v5.channel.k8s.io", "base64.channel.k8s.io,v4.channel.k8s.io",
	} {
		all = append(all, way{name: "websocket/" + offered, head: upstream.WebSocketHead(target, offered), want: recordedOnce})
	}
	for _, offered := range []string{"", "v9.channel.k8s.io", "V4.channel.k8s.io", "v4.channel.k8s.io, v9.channel.k8s.io"} {
		all = append(all, way{name: "websocket/odd/" + offered, head: upstream.WebSocketHead(target, offered), want: eitherOf})
	}
	streams := []string{"error", "stdout", "stderr"}
	for _, offered := range []string{"v4.channel.k8s.io", "v3.channel.k8s.io", "v2.channel.k8s.io", "channel.k8s.io"} {
		all = append(all, way{"spdy/" + offered, upstream.SPDYHead(target, offered), streams, recordedOnce})
	}
	for _, offered := range []string{"", "v5.channel.k8s.io", "v4.channel.k8s.io, v3.channel.k8s.io"} {
		all = append(all, way{"spdy/odd/" + offered, upstream.SPDYHead(target, offered), streams, eitherOf})
	}
	return all
}

// targetWays are the spellings of path and query. What the API server takes for
// an exec is one.
func targetWays(marker string) (all []way) {
	query := echoQuery(marker)
	for _, target := range []string{
		demoPod + "/%65xec" + query,
		demoPod + "/exec/" + query,
		"/api/v1/namespaces/default/pods/demo%2Fexec" + query,
		"/api/v1/namespaces/default/pods%2fdemo/exec" + query,
		"/api/v1/%6eamespaces/default/pods/demo/exec" + query,
		"/%61pi/v1/namespaces/default/pods/demo/exec" + query,
		"//api/v1/namespaces/default/pods/demo/exec" + query,
		"/api/v1//namespaces/default/pods/demo/exec" + query,
		demoPod + "//exec" + query,
		demoPod + "/log/../exec" + query,
		demoPod + "/log/%2e%2e/exec" + query,
		demoPod + "/./exec" + query,
		demoPod + "/EXEC" + query,
		demoPod + "/exec;a=b" + query,
		demoPod + "/exec%00" + query,
		demoPod + "/exec%20" + query,
		demoPod + "/exec%3Fa=b" + query,
		"/api/v1/watch/namespaces/default/pods/demo/exec" + query,
		"/api/v1/proxy/namespaces/default/pods/demo/exec" + query,
		"https://" + stack.TargetHost + demoPod + "/exec" + query,
		demoPod + "/exec?stderr=1&stdout=1&command=echo&command=" + marker,
		demoPod + "/exec?stdout=&command=echo&x=%26&command=" + marker,
		demoPod + "/exec?%73tdout=true&c%6fmmand=echo&command=" + marker,
		demoPod + "/exec?stdout=true;a=b&command=echo&command=" + marker,
		demoPod + "/exec?stdout=true&tty=false&tty=true&command=echo&command=" + marker,
		demoPod + "/exec?stdout=true&tty=true&command=echo&command=" + marker,
		demoPod + "/exec?&&stdout=true&command=echo&command=" + marker + "&command",
		demoPod + "/exec?stdout=true&command=%zz&command=echo&command=" + marker,
	} {
		name := strings.NewReplacer("/", "|", marker, "M").Replace(target)
		if marker == "" {
			name = strings.ReplaceAll(target, "/", "|")
		}
		all = append(all, way{name: "target/" + name, head: upstream.WebSocketHead(target, "v4.channel.k8s.io"), want: eitherOf})
	}
	for _, i := range []int{1, 20} { // of these the API server is known to make an exec, and no parser another thing
		all[i].want = recordedOnce
	}
	return all
}

// headWays are the spellings of the upgrade.
func headWays(marker string) (all []way) {
	target := demoPod + "/exec" + echoQuery(marker)
	socket := upstream.WebSocketHead(target, "v4.channel.k8s.io")
	spdy := upstream.SPDYHead(target, "v4.channel.k8s.io")
	streams := []string{"error", "stdout", "stderr"}
	edit := func(name, head string, streams []string, want fate, oldnew ...string) {
		all = append(all, way{"head/" + name, strings.NewReplacer(oldnew...).Replace(head), streams, want})
	}
	edit("keep-alive-upgrade", socket, nil, recordedOnce, "Connection: Upgrade", "Connection: keep-alive, Upgrade")
	edit("upgrade-keep-alive", socket, nil, eitherOf, "Connection: Upgrade", "Connection: upgrade,keep-alive")
	edit("two-connection-lines", socket, nil, eitherOf, "Connection: Upgrade", "Connection: keep-alive\r\nConnection: Upgrade")
	edit("case", socket, nil, eitherOf, "Connection: Upgrade\r\nUpgrade: websocket", "CONNECTION: UPGRADE\r\nuPGRADE: WebSocket")
	edit("no-connection", socket, nil, eitherOf, "Connection: Upgrade\r\n", "")
	edit("blanks", socket, nil, eitherOf, "Upgrade: websocket", "Upgrade: \t websocket \t")
	edit("two-protocols", socket, nil, eitherOf, "Upgrade: websocket", "Upgrade: SPDY/3.1, websocket")
	edit("two-upgrades", socket, nil, eitherOf, "Upgrade: websocket", "Upgrade: SPDY/3.1\r\nUpgrade: websocket")
	edit("version-of-protocol", socket, nil, eitherOf, "Upgrade: websocket", "Upgrade: websocket/13")
	edit("websocket-by-post", socket, nil, eitherOf, "GET /", "POST /")
	edit("http-1.0", socket, nil, eitherOf, "HTTP/1.1", "HTTP/1.0")
	edit("two-subprotocol-lines", socket, nil, eitherOf, "Sec-WebSocket-Protocol: v4.", "Sec-WebSocket-Protocol: v5.channel.k8s.io\r\nSec-WebSocket-Protocol: v4.")
	edit("extensions", socket, nil, recordedOnce, "\r\n\r\n", "\r\nSec-WebSocket-Extensions: permessage-deflate\r\n\r\n")
	edit("spdy-by-get", spdy, streams, eitherOf, "POST /", "GET /")
	edit("spdy-case", spdy, streams, eitherOf, "Upgrade: SPDY", "Upgrade: spdy")
	edit("spdy-in-lines", spdy, streams, recordedOnce, "X-Stream", "X-Stream-Protocol-Version: v5.channel.k8s.io\r\nX-Stream")
	edit("spdy-keep-alive", spdy, streams, recordedOnce, "Connection: Upgrade", "Connection: keep-alive, Upgrade")
	return all
}

// script is what both ends of a scripted session say, in turn.
type script struct {
	subprotocol string // that the server chooses; "-": none
	turns       []turn
}

// turn is what one end says, which the other waits for.
type turn struct {
	client bool
	octets string
}

func says(octets ...string) turn       { return turn{octets: strings.Join(octets, "")} }
func clientSays(octets ...string) turn { return turn{true, strings.Join(octets, "")} }

// scripts are those of running tests, by what the client sends in a field.
type scripts struct {
	mu     sync.Mutex
	byName map[string]script
}

const scriptField = "X-Script"

// serve is the API server.
func (s *scripts) serve(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	script, known := s.byName[r.Header.Get(scriptField)]
	s.mu.Unlock()
	if !known {
		w.WriteHeader(http.StatusNotFound)
		return
	}
	conn, err := upstream.Switch(w, r, script.subprotocol)
	if err != nil {
		return
	}
	defer conn.Close()
	conn.SetDeadline(time.Now().Add(10 * time.Second))
	for _, turn := range script.turns {
		if turn.client {
			_, err = io.CopyN(io.Discard, conn, int64(len(turn.octets)))
		} else {
			_, err = io.WriteString(conn, turn.octets)
		}
		if err != nil {
			return // the gateway has ended the session
		}
	}
}

// run plays a script, through the gateway, and returns what the client has got.
func (s *scripts) run(d *dialer, name, head string, script script) (got []byte, err error) {
	s.mu.Lock()
	s.byName[name] = script
	s.mu.Unlock()
	c, err := d.open(time.Now().Add(10 * time.Second))
	if err != nil {
		return nil, err
	}
	defer c.Close()
	if _, err := c.Upgrade(strings.Replace(head, "\r\n", "\r\n"+scriptField+": "+name+"\r\n", 1)); err != nil {
		return nil, err
	}
	for _, turn := range script.turns {
		if turn.client {
			_, err = io.WriteString(c, turn.octets)
		} else {
			part := make([]byte, len(turn.octets))
			var n int
			n, err = io.ReadFull(c, part)
			got = append(got, part[:n]...)
		}
		if err != nil {
			return got, fmt.Errorf("the session ends early: %w", err)
		}
	}
	rest, err := io.ReadAll(c)
	return append(got, rest...), err
}

// TestRecordingScripted has an API server that does what no real one would, or
// that no test can have: kubelets behind a node's proxy, applications, framings
// that two decoders could read differently.
func TestRecordingScripted(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "recordings")
	all := scripts{byName: map[string]script{}}
	s, d := scriptedStack(t, all.serve, recordingsIn(dir, "strict", ""))
	for _, make := range []func(marker string) []scene{kubeletScenes, applicationScenes, hostileScenes, hostileStreams} {
		for i, scene := range make("") {
			t.Run(scene.name, func(t *testing.T) {
				t.Parallel()
				marker := uniqueName("marker")
				scene := make(marker)[i]
				got, _ := all.run(d, marker, scene.head, scene.script)
				wantFate(t, dir, marker, scene.want, got)
				wantAccount(t, s, &scene)
			})
		}
	}
}

// wantAccount looks for what the audit log has of a scene whose path is its own.
func wantAccount(t *testing.T, s *stack.Stack, scene *scene) {
	t.Helper()
	spdy := strings.HasPrefix(scene.name, "hostile-spdy/")
	if scene.want != passedOn && !spdy {
		return
	}
	id := waitForEvent(t, s, "request", "path", pathOf(scene.head), "status", "101").Text("request_id")
	kind, end := "exec", []string{"recording", "recorded", "reason", ""}
	switch {
	case scene.want == passedOn:
		kind, end = "application", []string{"recording", "exempt"}
	case scene.want == undelivered:
		end = []string{"reason", "protocol"}
	}
	waitForEvent(t, s, "session.started", "request_id", id, "kind", kind)
	waitForEvent(t, s, "session.ended", append(end, "request_id", id)...)
}

// pathOf is the path of a request's head, without its query.
func pathOf(head string) string {
	path, _, _ := strings.Cut(strings.Fields(head)[1], "?")
	return path
}

// scene is one scripted session.
type scene struct {
	name, head string
	script     script
	want       fate
}

// output is a session of version 4 or 5 over WebSocket that prints a text.
func output(text string) turn {
	return says(upstream.Message(1, ""), upstream.Message(1, text+"\n"), upstream.Message(3, upstream.Success), upstream.Frame(upstream.FinClose, "\x03\xe8"))
}

// kubeletScenes go to a kubelet, which answers nobody that asks through a loopback node.
func kubeletScenes(marker string) (all []scene) {
	add := func(target, subprotocol string, want fate) {
		name := strings.ReplaceAll(target+" "+subprotocol, "/", "|")
		all = append(all, scene{"kubelet/" + name, upstream.WebSocketHead(target, subprotocol), script{subprotocol, []turn{output(marker)}}, want})
	}
	for _, target := range []string{
		"/api/v1/nodes/n1/proxy/exec/default/demo/main?command=id&output=1",
		"/api/v1/nodes/n1/proxy/exec/default/demo/uid-1/main?command=id&output=1",
		"/api/v1/nodes/n1:10250/proxy/exec/default/demo/main?command=id&output=1",
		"/api/v1/nodes/https:n1:10250/proxy/exec/default/demo/main?command=id&output=1",
		"/api/v1/nodes/n1/proxy/attach/default/demo/main?output=1",
		"/api/v1/proxy/nodes/n1/exec/default/demo/main?command=id&output=1",
	} {
		add(target, "v4.channel.k8s.io", recordedOnce)
		add(target, "v5.channel.k8s.io", recordedOnce)
		add(target, "-", recordedOnce)
	}
	for _, target := range []string{
		"/api/v1/nodes/n1/proxy/%65xec/default/demo/main?command=id&output=1",
		"/api/v1/nodes/n1/proxy//exec/default/demo/main?command=id&output=1",
		"/api/v1/nodes/n1/proxy/pods/../exec/default/demo/main?command=id&output=1",
		"/api/v1/nodes/n1/proxy/pods/%2e%2e/exec/default/demo/main?command=id&output=1",
		"/api/v1/nodes/n1/proxy/run/default/demo/main?cmd=id",
		"/api/v1/nodes/n1%2fproxy/exec/default/demo/main?command=id&output=1",
	} {
		add(target, "v4.channel.k8s.io", eitherOf)
		add(target, "-", eitherOf)
	}
	return all
}

// applicationScenes are WebSockets that aren't sessions, and some that pretend.
func applicationScenes(marker string) (all []scene) {
	add := func(name, target, subprotocol string, want fate) {
		all = append(all, scene{"application/" + name, upstream.WebSocketHead(target, subprotocol), script{subprotocol, []turn{output(marker)}}, want})
	}
	const service, virtual = "/api/v1/namespaces/default/services/web:80/proxy/socket", "/apis/subresources.example.com/v1/namespaces/default/machines/one/console"
	add("service", service, "-", passedOn)
	add("service-own-protocol", service+"/chat", "chat", passedOn)
	add("pod-proxy", "/api/v1/namespaces/default/pods/web/proxy/socket", "graphql-ws", passedOn)
	add("aggregated", virtual, "plain.example.com", passedOn)
	add("aggregated-none", virtual+"2", "-", passedOn)
	add("service-channels", service+"/channels", "v4.channel.k8s.io", recordedOnce)
	add("aggregated-channels", virtual+"3", "v5.channel.k8s.io", recordedOnce)
	add("aggregated-exec", "/apis/example.com/v1/namespaces/default/machines/one/exec", "-", recordedOnce)
	add("unknown-channels", service+"/unknown", "v6.channel.k8s.io", undelivered)
	add("unknown-channels-in-capitals", service+"/unknown", "V4.Channel.K8s.io", undelivered)
	add("pod-exec-own-protocol", demoPod+"/exec?command=id&stdout=true", "chat", undelivered)
	return all
}

// hostileScenes are framings that a recorder and a client could read differently.
func hostileScenes(marker string) (all []scene) {
	const binary, closed = upstream.FinBinary, "\x03\xe8"
	head := upstream.WebSocketHead(demoPod+"/exec?command=id&stdout=true&stdin=true", "v5.channel.k8s.io")
	out := "\x01" + marker
	add := func(name string, want fate, turns ...turn) {
		all = append(all, scene{"hostile/" + name, head, script{"v5.channel.k8s.io", turns}, want})
	}
	frame, masked := upstream.Frame, upstream.Masked
	add("fragments", recordedOnce, says(frame(0x02, "\x01"), frame(0x00, marker), frame(0x80, "\n")))
	add("fragments-with-ping-between", recordedOnce, says(frame(0x02, ""), frame(upstream.FinPing, "x"), frame(0x80, out)))
	add("ping-flood", recordedOnce, says(strings.Repeat(frame(upstream.FinPing, "x"), 20000), frame(binary, out)))
	add("empty-frames", recordedOnce, says(strings.Repeat(frame(binary, "\x01"), 20000), frame(binary, out)))
	add("split-everywhere", recordedOnce, splitTurns(frame(binary, out)+frame(upstream.FinClose, closed))...)
	add("client-in-between", recordedOnce, clientSays(masked(binary, "\x00a")), says(frame(binary, out)), clientSays(masked(upstream.FinPing, "")))
	add("masked-by-server", undelivered, says(masked(binary, "\x01"), frame(binary, out)))
	add("reserved-bit-1", undelivered, says(frame(0xc2, out)))
	add("reserved-bit-3", undelivered, says(frame(0x92, out)))
	add("reserved-opcode", undelivered, says(frame(0x83, out)))
	add("reserved-control", undelivered, says(frame(0x8b, ""), frame(binary, out)))
	add("text", undelivered, says(frame(upstream.FinText, out)))
	add("continuation-of-nothing", undelivered, says(frame(0x80, out)))
	add("message-in-message", undelivered, says(frame(0x02, "\x02a"), frame(binary, out)))
	add("long-ping", undelivered, says(frame(upstream.FinPing, strings.Repeat("x", 126)), frame(binary, out)))
	add("fragmented-ping", undelivered, says(frame(0x09, "x"), frame(0x80, out)))
	add("length-not-shortest", undelivered, says("\x82\x7e\x00", string(rune(len(out))), out))
	add("length-with-top-bit", undelivered, says("\x82\x7f\x80\x00\x00\x00\x00\x00\x00", string(rune(len(out))), out))
	add("behind-close", undelivered, says(frame(upstream.FinClose, closed), frame(binary, out)))
	add("stdin-channel", undelivered, says(frame(binary, "\x00"+marker)))
	add("unknown-channel", undelivered, says(frame(binary, "\x09"+marker)))
	add("client-unmasked", undelivered, clientSays(frame(binary, "\x00a")), says(frame(binary, out)))
	add("client-fragments", undelivered, clientSays(masked(0x02, "\x00a"), masked(0x80, "b")), says(frame(binary, out)))
	return all
}

// hostileStreams are SPDY frames that carry a marker on no stream that the client has
// opened, behind a control frame of another length than it has to have, or on a stream
// whose label two decoders could read differently. Each has a pod of its own.
func hostileStreams(marker string) (all []scene) {
	add := func(name string, want fate, turns ...turn) {
		head := upstream.SPDYHead(podOf(name)+"/exec?command=id&stdout=true", "v4.channel.k8s.io")
		all = append(all, scene{"hostile-spdy/" + name, head, script{"v4.channel.k8s.io", turns}, want})
	}
	refuse := func(name string, frames ...string) { add(name, undelivered, says(frames...)) }
	data := upstream.StreamData(1, marker+"\n")
	refuse("unopened", data)
	refuse("unopened-over-127", upstream.StreamData(0x81, marker))
	refuse("short-ping", "\x80\x03\x00\x06\x00\x00\x00\x03\x00\x00\x02", data)
	refuse("long-ping", "\x80\x03\x00\x06\x00\x00\x00\x05\x00\x00\x00\x02x", data)
	refuse("long-reset", "\x80\x03\x00\x03\x00\x00\x00\x09\x00\x00\x00\x01\x00\x00\x00\x05x", data)
	refuse("long-settings", "\x80\x03\x00\x04\x00\x00\x00\x05\x00\x00\x00\x00x", data)
	refuse("block-that-is-none", "\x80\x03\x00\x02\x00\x00\x00\x08\x00\x00\x00\x01none", data)

	stdout := upstream.Fields("streamtype", "stdout")
	doubled := upstream.Fields("streamtype", "stderr", "streamtype", "stdout")
	second := upstream.Fields("streamtype", "stderr") // in a decoder that goes on behind the first
	talk := func(name string, want fate, label, answer string) {
		add(name, want, clientSays(upstream.SynStream(1, label)), says(upstream.SynReply(1, answer), data))
	}
	talk("well-formed", recordedOnce, stdout, upstream.Fields())
	talk("label-twice", undelivered, doubled, upstream.Fields())
	talk("label-twice-the-same", undelivered, upstream.Fields("streamtype", "stdout", "streamtype", "stdout"), upstream.Fields())
	talk("octets-behind-label", undelivered, stdout+second, upstream.Fields())
	talk("octet-behind-label", undelivered, stdout+"\x00", upstream.Fields())
	talk("field-twice-in-reply", undelivered, stdout, upstream.Fields("a", "1", "a", "2"))
	talk("octets-behind-reply", undelivered, stdout, upstream.Fields()+second)
	return all
}

// podOf is the path of a pod that a scene has to itself.
func podOf(scene string) string { return "/api/v1/namespaces/default/pods/" + scene }

// splitTurns has the server write octet by octet.
func splitTurns(octets string) (turns []turn) {
	for i := range len(octets) {
		turns = append(turns, says(octets[i:i+1]))
	}
	return turns
}
