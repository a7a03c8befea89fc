package e2e

import (
	"encoding/base64"
	"path/filepath"
	"strings"
	"testing"

	"github.com/spliceway/spliceway/e2e/upstream"
)

// The ports as servers announce them, with the low octet first.
const port80, port5432 = "\x50\x00", "\x38\x15"

// TestForwardByChannels has a port-forward in the form of WebSocket that came before
// the tunnel: two channels for each port of the query, and one connection each.
func TestForwardByChannels(t *testing.T) {
	t.Parallel()
	all := scripts{byName: map[string]script{}}
	s, d := scriptedStack(t, all.serve, recordingsIn(filepath.Join(t.TempDir(), "recordings"), "strict", ""))
	for _, subprotocol := range []string{"v4.channel.k8s.io", "v4.base64.channel.k8s.io", "-"} {
		t.Run(subprotocol, func(t *testing.T) {
			t.Parallel()
			pod := uniqueName("pod")
			head := upstream.WebSocketHead(podOf(pod)+"/portforward?ports=80&ports=5432", subprotocol)
			server, client := channelsOf(subprotocol)
			answer := server(0, "HTTP/1.1 200 OK\r\n\r\n")
			got, err := all.run(d, pod, head, script{subprotocol, []turn{
				says(server(0, port80), server(1, port80), server(2, port5432), server(3, port5432)),
				clientSays(client(0, "GET / HT"), client(0, "TP/1.1\r\n\r\n")),
				says(answer, server(3, "connection refused")),
				says(upstream.Frame(upstream.FinClose, "\x03\xe8")),
			}})
			if err != nil || !strings.Contains(string(got), answer) {
				t.Errorf("the client got %q, %v, want the pod's answer and the end", got, err)
			}
			ended := waitForEvent(t, s, "session.ended", "pod", pod)
			for _, e := range []struct{ port, up, down, text string }{
				{"80", "18", "19", ""}, {"5432", "0", "0", "connection refused"},
			} {
				opened := waitForEvent(t, s, "portforward.opened", "pod", pod, "port", e.port)
				closed := waitForEvent(t, s, "portforward.closed", "pod", pod, "port", e.port)
				wantEqual(t, "octets up to "+e.port, closed.Text("bytes_up"), e.up)
				wantEqual(t, "octets down from "+e.port, closed.Text("bytes_down"), e.down)
				wantEqual(t, "error of "+e.port, closed.Text("error"), e.text)
				wantEqual(t, "session", opened.Text("session_id"), ended.Text("session_id"))
			}
			wantEqual(t, "reason", ended.Text("reason"), "")
		})
	}
}

// TestForwardByChannelsRefused: what two readers could take for another port, or for
// another protocol, does not reach the client.
func TestForwardByChannelsRefused(t *testing.T) {
	t.Parallel()
	all := scripts{byName: map[string]script{}}
	s, d := scriptedStack(t, all.serve, recordingsIn(filepath.Join(t.TempDir(), "recordings"), "strict", ""))
	for _, test := range []struct{ name, query, subprotocol, announced, reason string }{
		{"other-port", "?ports=80", "v4.channel.k8s.io", port5432, "protocol"},
		{"long-announcement", "?ports=80", "v4.channel.k8s.io", port80 + "\x00", "protocol"},
		{"channel-of-no-port", "?ports=80", "v4.channel.k8s.io", "", "protocol"},
		{"no-ports", "", "v4.channel.k8s.io", port80, ""},
		{"version-5", "?ports=80", "v5.channel.k8s.io", port80, ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			pod := uniqueName("pod")
			first := upstream.Message(0, test.announced)
			if test.announced == "" {
				first = upstream.Message(7, port80)
			}
			head := upstream.WebSocketHead(podOf(pod)+"/portforward"+test.query, test.subprotocol)
			got, _ := all.run(d, pod, head, script{test.subprotocol, []turn{says(first, upstream.Message(0, "secret"))}})
			if strings.Contains(string(got), "secret") {
				t.Errorf("the client got %q", got)
			}
			if test.reason != "" {
				waitForEvent(t, s, "session.ended", "pod", pod, "reason", test.reason)
			}
			waitForEvent(t, s, "request", "path", podOf(pod)+"/portforward")
		})
	}
}

// channelsOf is how the two ends write messages under a subprotocol.
func channelsOf(subprotocol string) (server, client func(channel byte, data string) string) {
	if strings.Contains(subprotocol, "base64") {
		text := func(channel byte, data string) string {
			return string('0'+channel) + base64.StdEncoding.EncodeToString([]byte(data))
		}
		return func(channel byte, data string) string { return upstream.Frame(upstream.FinText, text(channel, data)) },
			func(channel byte, data string) string { return upstream.Masked(upstream.FinText, text(channel, data)) }
	}
	return upstream.Message, func(channel byte, data string) string {
		return upstream.Masked(upstream.FinBinary, string([]byte{channel})+data)
	}
}
