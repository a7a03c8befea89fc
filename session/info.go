package session

import (
	"strings"

	"github.com/spliceway/spliceway/audit"
	"github.com/spliceway/spliceway/httpparse"
	"github.com/spliceway/spliceway/ws"
)

// Kind is what a session does.
type Kind string

const (
	KindExec        Kind = "exec"        // a command in a container
	KindAttach      Kind = "attach"      // a container's own process
	KindPortForward Kind = "portforward" // TCP connections into a pod

	// KindApplication is a WebSocket between a client and an application that speaks no protocol of Kubernetes: through
	// a proxy subresource, of an aggregated API, or a watch. It is passed on as it is.
	KindApplication Kind = "application"
)

// Info is what is known about a session when it starts. It shares nothing with the heads that it was made from.
type Info struct {
	Kind        Kind
	Protocol    string // "spdy" or "websocket"
	Subprotocol string // as the server chose it; empty if it chose none

	// Command is argv as the client asked for it. Of an attach and a port-forward it is empty.
	Command []string

	// TTY, Stdin, Stdout and Stderr are the streams that the client asked for, by the rule of who serves them: the API
	// server or, behind a node's proxy, the kubelet. With a terminal there is no stderr, whatever was asked for.
	TTY, Stdin, Stdout, Stderr bool

	Namespace, Pod, Container string

	// Node is the node whose kubelet is reached through its proxy subresource. Namespace, Pod and Container are then
	// those that the kubelet is asked for.
	Node string

	// Ports are those of a port-forward that names them in its request, which only the old WebSocket form does.
	Ports []uint16

	form form
}

// Recorded reports whether the content of such a session has to be recorded, so that one that can't be must not be.
func (i *Info) Recorded() bool { return i.Kind == KindExec || i.Kind == KindAttach }

// form is a way to put a session on the wire.
type form struct {
	framing  framing
	version  uint8       // of the channel protocol, 1 to 5
	messages ws.Protocol // of what runs over WebSocket
}

type framing uint8

const (
	framingNone    framing = iota // not decoded
	framingSPDY                   // channels are SPDY streams
	framingChannel                // channels are the first octet of WebSocket messages
	framingTunnel                 // SPDY inside WebSocket messages
)

// messageForm returns the form that a WebSocket has under the name of its subprotocol.
func messageForm(subprotocol string) (f form, ok bool) {
	p, ok := ws.ParseProtocol(subprotocol)
	f = form{framing: framingChannel, version: 1, messages: p}
	switch p {
	case ws.Tunnel:
		f.framing = framingTunnel
	case ws.ChannelV4, ws.Base64V4:
		f.version = 4
	case ws.ChannelV5:
		f.version = 5
	}
	return f, ok
}

// streamForms are the same over SPDY. Version 5 is never chosen there: it is version 4 and a signal that SPDY has anyway.
var streamForms = map[string]form{
	"channel.k8s.io":    {framing: framingSPDY, version: 1},
	"v2.channel.k8s.io": {framing: framingSPDY, version: 2},
	"v3.channel.k8s.io": {framing: framingSPDY, version: 3},
	"v4.channel.k8s.io": {framing: framingSPDY, version: 4},
}

// forwardProtocol is a port-forward over SPDY.
const forwardProtocol = "portforward.k8s.io"

// Expect says what a request is going to be if the server agrees to what it asks for, should that be a session whose
// content has to be recorded: a command can be running behind the 101 already. The subprotocol is not known yet. It returns
// nil if no such session can come of the request.
//
// An *Error means that whatever came of it would be refused by Recognise.
func Expect(req *httpparse.Request, info *audit.RequestInfo) (*Info, error) {
	target := parseTarget(info)
	if req.Upgrade == httpparse.ProtocolNone || target.kind == KindPortForward {
		return nil, nil
	}
	i := &Info{Protocol: req.Upgrade.String(), Kind: target.command()}
	channels, any := offersChannels(req)
	command := target.kind != KindApplication
	switch {
	case channels || command && !any && req.Upgrade == httpparse.ProtocolWebSocket:
		i.fill(req.Target, target)
		return i, nil
	case command && (target.strict || req.Upgrade == httpparse.ProtocolSPDY):
		return nil, &Error{Blame: audit.BlameClient, Reason: ReasonUnknown, Err: text("a stream of an unknown protocol")}
	}
	return nil, nil
}

// offersChannels reports whether a channel protocol is among what the request offers, and whether anything is.
func offersChannels(req *httpparse.Request) (channels, any bool) {
	for name := range req.Subprotocols() {
		any = true
		known := false
		if req.Upgrade == httpparse.ProtocolSPDY {
			_, known = streamForms[string(name)]
		} else {
			var f form
			f, known = messageForm(string(name))
			known = known && f.framing == framingChannel
		}
		channels = channels || known
	}
	return channels, any
}

// Recognise says what a 101 has agreed to. The heads are what count: the path only says whether a channel protocol is
// an exec, an attach or a port-forward, and what a WebSocket without a subprotocol is.
//
// An *Error means that the stream can't be decoded and could be a session: it has to be refused.
func Recognise(req *httpparse.Request, resp *httpparse.Response, info *audit.RequestInfo) (*Info, error) {
	i := &Info{Protocol: resp.Upgrade.String(), Subprotocol: string(resp.Subprotocol())}
	target := parseTarget(info)
	known := false
	switch resp.Upgrade {
	case httpparse.ProtocolSPDY:
		known = i.recogniseSPDY(target)
	case httpparse.ProtocolWebSocket:
		known = i.recogniseWebSocket(target)
	}
	if !known {
		return nil, refuseForm("a stream of an unknown protocol")
	}
	i.fill(req.Target, target)
	if i.Kind == KindPortForward && i.form.framing == framingChannel && (len(i.Ports) == 0 || i.form.version > 4) {
		return nil, refuseForm("a port-forward by channels that have no ports")
	}
	return i, nil
}

func refuseForm(cause text) *Error {
	return &Error{Blame: audit.BlameUpstream, Reason: ReasonUnknown, Err: cause}
}

// recogniseSPDY: whatever runs over SPDY has to be known by name.
func (i *Info) recogniseSPDY(t target) bool {
	if i.Subprotocol == forwardProtocol {
		i.Kind, i.form = KindPortForward, form{framing: framingSPDY}
		return true
	}
	var ok bool
	i.form, ok = streamForms[i.Subprotocol]
	i.Kind = t.command()
	return ok
}

// recogniseWebSocket: a channel protocol is known by its name, the oldest one by having none where a command can be.
func (i *Info) recogniseWebSocket(t target) bool {
	f, known := messageForm(i.Subprotocol)
	switch {
	case i.Subprotocol == "" && !t.strict && (t.kind == KindPortForward || t.kind == KindApplication):
		i.Kind = KindApplication
	case known && f.framing == framingTunnel:
		i.Kind, i.form = KindPortForward, f
	case known:
		i.Kind, i.form = t.kind, f
		if t.kind == KindApplication {
			i.Kind = KindExec // an aggregated API, perhaps: it is read as what can do most
		}
	case t.strict || resembles(i.Subprotocol):
		return false // a version to come, perhaps
	default:
		i.Kind = KindApplication
	}
	return true
}

// resembles reports whether a name is like those of the channel and tunnel protocols.
func resembles(subprotocol string) bool {
	name := strings.ToLower(subprotocol)
	return name == "channel.k8s.io" || strings.HasSuffix(name, ".channel.k8s.io") || strings.HasPrefix(name, "spdy/")
}

// fill copies what the request says.
func (i *Info) fill(requestTarget []byte, t target) {
	i.Namespace, i.Pod, i.Container, i.Node = t.namespace, t.pod, t.container, t.node
	if i.Kind == KindApplication {
		return
	}
	q := parseQuery(requestTarget)
	if i.Kind == KindPortForward {
		if i.form.framing == framingChannel {
			i.Ports = q.ports(t.portsKey())
		}
		return
	}
	if i.Kind == KindExec {
		i.Command = q.all("command")
	}
	if t.node == "" {
		i.Container = q.first("container")
		i.TTY, i.Stdin = q.bool("tty"), q.bool("stdin")
		i.Stdout, i.Stderr = q.bool("stdout"), q.bool("stderr")
	} else {
		i.TTY, i.Stdin = q.one("tty"), q.one("input")
		i.Stdout, i.Stderr = q.one("output"), q.one("error")
	}
	i.Stderr = i.Stderr && !i.TTY
}
