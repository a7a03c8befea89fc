package session

import (
	"bytes"

	"github.com/spliceway/spliceway/audit"
)

// target is what a path is made for.
type target struct {
	kind Kind // KindApplication: anything can be behind it

	// strict: nothing but a channel protocol is ever spoken here.
	strict bool

	run bool // answers without an upgrade

	namespace, pod, container, node string
}

// parseTarget reads the path the way the API server does.
func parseTarget(info *audit.RequestInfo) target {
	t := target{kind: KindApplication, namespace: string(info.Namespace)}
	isPod := len(info.APIGroup) == 0 && string(info.Resource) == "pods"
	if isPod {
		t.pod = string(info.Name)
	}
	switch info.Stream() {
	case audit.StreamExec:
		t.kind = KindExec
	case audit.StreamAttach:
		t.kind = KindAttach
	case audit.StreamPortForward:
		// Aggregated APIs are known to have one of their own protocol; by a name of the channel protocols it is told.
		t.kind = KindPortForward
	case audit.StreamProxy:
		if len(info.APIGroup) == 0 && string(info.Resource) == "nodes" {
			t.parseNode(info)
		}
		return t
	}
	t.strict = isPod && t.kind != KindApplication
	return t
}

// parseNode reads what is behind a node's proxy: a path of the kubelet.
//
//	/exec|attach|run/{namespace}/{pod}[/{uid}]/{container}
//	/portForward/{namespace}/{pod}[/{uid}]
//
// Empty parts do not count, because the API server cleans the path before it sends it to the kubelet.
func (t *target) parseNode(info *audit.RequestInfo) {
	t.node = string(info.Name)
	parts := bytes.FieldsFunc(info.Path, func(r rune) bool { return r == '/' })
	for len(parts) > 0 && string(parts[0]) != "nodes" {
		parts = parts[1:]
	}
	if info.Verb != "proxy" && len(parts) > 2 && string(parts[2]) == "proxy" {
		parts = parts[3:] // nodes, the name, proxy
	} else if len(parts) > 2 {
		parts = parts[2:]
	}
	if len(parts) == 0 {
		return
	}
	switch string(parts[0]) {
	case "exec", "run":
		t.kind, t.run = KindExec, string(parts[0]) == "run"
	case "attach":
		t.kind = KindAttach
	case "portForward":
		t.kind = KindPortForward
	default:
		return
	}
	t.strict = true
	t.namespace, t.pod = part(parts, 1), part(parts, 2)
	if n := len(parts); t.kind != KindPortForward && n >= 4 {
		t.container = string(parts[n-1])
	}
}

func part(parts [][]byte, i int) string {
	if i < len(parts) {
		return string(parts[i])
	}
	return ""
}

// command returns the kind of a channel protocol that is not a port-forward.
func (t *target) command() Kind {
	if t.kind == KindAttach {
		return KindAttach
	}
	return KindExec
}

// portsKey returns the query parameter that names the ports of the old WebSocket form.
func (t *target) portsKey() string {
	if t.node != "" {
		return "port"
	}
	return "ports"
}

// RunsCommand reports whether the request runs a command and answers with its output without any upgrade, so that no
// session would ever be seen: POST to /run of a kubelet through its node's proxy.
func RunsCommand(info *audit.RequestInfo) bool { return parseTarget(info).run }
