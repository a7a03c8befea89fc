package session_test

import (
	"errors"
	"reflect"
	"testing"

	"github.com/spliceway/spliceway/audit"
	. "github.com/spliceway/spliceway/session"
)

const (
	podExec    = "/api/v1/namespaces/ns/pods/web/exec?command=sh&command=-c&command=id+-u&container=main&stdin=true&stdout=1&tty="
	podAttach  = "/api/v1/namespaces/ns/pods/web/attach?container=main&stdout=true&stderr=true&stdin=false"
	podForward = "/api/v1/namespaces/ns/pods/web/portforward"
	nodeExec   = "/api/v1/nodes/n1/proxy/exec/ns/web/main?command=sh&input=1&output=1&error=1&tty=true"
	aggregated = "/apis/widgets.example.com/v1/namespaces/ns/widgets/w/"
)

func TestRecognise(t *testing.T) {
	shell := []string{"sh", "-c", "id -u"}
	tests := []struct {
		name, target, protocol string
		spdy                   bool
		want                   Info
	}{
		{"exec", podExec, "v4.channel.k8s.io", true,
			Info{Kind: KindExec, Command: shell, TTY: true, Stdin: true, Stdout: true, Namespace: "ns", Pod: "web", Container: "main"}},
		{"exec-v1-spdy", podExec, "channel.k8s.io", true,
			Info{Kind: KindExec, Command: shell, TTY: true, Stdin: true, Stdout: true, Namespace: "ns", Pod: "web", Container: "main"}},
		{"exec-v5", podExec, "v5.channel.k8s.io", false,
			Info{Kind: KindExec, Command: shell, TTY: true, Stdin: true, Stdout: true, Namespace: "ns", Pod: "web", Container: "main"}},
		{"exec-without-subprotocol", podExec, "-", false,
			Info{Kind: KindExec, Command: shell, TTY: true, Stdin: true, Stdout: true, Namespace: "ns", Pod: "web", Container: "main"}},
		{"exec-escaped-path", "/api/v1/namespaces/ns/pods/web/%65xec?command=id&stderr", "base64.channel.k8s.io", false,
			Info{Kind: KindExec, Command: []string{"id"}, Stderr: true, Namespace: "ns", Pod: "web"}},
		{"exec-false-in-capitals", "/api/v1/namespaces/ns/pods/web/exec?stdin=0&tty=FALSE&stdout=no&stderr=True&stderr=0", "v4.channel.k8s.io", false,
			Info{Kind: KindExec, Stdout: true, Stderr: true, Namespace: "ns", Pod: "web"}},
		{"exec-broken-pairs", "/api/v1/namespaces/ns/pods/web/exec?command=a&command=b;c&command=d", "v4.channel.k8s.io", false,
			Info{Kind: KindExec, Command: []string{"a", "d"}, Namespace: "ns", Pod: "web"}},
		{"attach", podAttach + "&command=no", "v4.base64.channel.k8s.io", false,
			Info{Kind: KindAttach, Stdout: true, Stderr: true, Namespace: "ns", Pod: "web", Container: "main"}},
		{"attach-spdy", podAttach, "v2.channel.k8s.io", true,
			Info{Kind: KindAttach, Stdout: true, Stderr: true, Namespace: "ns", Pod: "web", Container: "main"}},
		{"forward-spdy", podForward, "portforward.k8s.io", true,
			Info{Kind: KindPortForward, Namespace: "ns", Pod: "web"}},
		{"forward-tunnel", podForward, "SPDY/3.1+portforward.k8s.io", false,
			Info{Kind: KindPortForward, Namespace: "ns", Pod: "web"}},
		{"forward-old", podForward + "?ports=80,443&ports=8080", "v4.channel.k8s.io", false,
			Info{Kind: KindPortForward, Namespace: "ns", Pod: "web", Ports: []uint16{80, 443, 8080}}},
		{"forward-old-without-subprotocol", podForward + "?ports=80", "-", false,
			Info{Kind: KindPortForward, Namespace: "ns", Pod: "web", Ports: []uint16{80}}},

		{"node-exec", nodeExec, "v4.channel.k8s.io", true,
			Info{Kind: KindExec, Command: []string{"sh"}, Stdin: true, Stdout: true, Stderr: true, Namespace: "ns", Pod: "web", Container: "main", Node: "n1"}},
		{"node-exec-without-subprotocol", nodeExec, "-", false,
			Info{Kind: KindExec, Command: []string{"sh"}, Stdin: true, Stdout: true, Stderr: true, Namespace: "ns", Pod: "web", Container: "main", Node: "n1"}},
		{"node-exec-empty-parts", "/api/v1/nodes/n1/proxy//exec//ns/web/uid/main?tty=1&error=1", "-", false,
			Info{Kind: KindExec, TTY: true, Namespace: "ns", Pod: "web", Container: "main", Node: "n1"}},
		{"node-exec-by-prefix", "/api/v1/proxy/nodes/n1/exec/ns/web/main", "-", false,
			Info{Kind: KindExec, Namespace: "ns", Pod: "web", Container: "main", Node: "n1"}},
		{"node-attach", "/api/v1/nodes/n1:10250/proxy/attach/ns/web/main", "v5.channel.k8s.io", false,
			Info{Kind: KindAttach, Namespace: "ns", Pod: "web", Container: "main", Node: "n1:10250"}},
		{"node-run", "/api/v1/nodes/n1/proxy/run/ns/web/main", "-", false,
			Info{Kind: KindExec, Namespace: "ns", Pod: "web", Container: "main", Node: "n1"}},
		{"node-forward-old", "/api/v1/nodes/n1/proxy/portForward/ns/web?port=80", "-", false,
			Info{Kind: KindPortForward, Namespace: "ns", Pod: "web", Node: "n1", Ports: []uint16{80}}},
		{"node-forward-spdy", "/api/v1/nodes/n1/proxy/portForward/ns/web", "portforward.k8s.io", true,
			Info{Kind: KindPortForward, Namespace: "ns", Pod: "web", Node: "n1"}},

		// A channel protocol is one on any path.
		{"aggregated-spdy", aggregated + "console", "v4.channel.k8s.io", true, Info{Kind: KindExec, Namespace: "ns"}},
		{"aggregated-channels", aggregated + "console?stdout=true", "v5.channel.k8s.io", false,
			Info{Kind: KindExec, Stdout: true, Namespace: "ns"}},
		{"aggregated-exec-without-subprotocol", aggregated + "exec", "-", false, Info{Kind: KindExec, Namespace: "ns"}},
		{"service-proxy-channels", "/api/v1/namespaces/ns/services/s/proxy/x", "channel.k8s.io", false,
			Info{Kind: KindExec, Namespace: "ns"}},
		{"service-proxy-tunnel", "/api/v1/namespaces/ns/services/s/proxy/x", "SPDY/3.1+portforward.k8s.io", false,
			Info{Kind: KindPortForward, Namespace: "ns"}},

		{"watch", "/api/v1/namespaces/ns/pods?watch=true", "-", false, Info{Kind: KindApplication, Namespace: "ns"}},
		{"log", "/api/v1/namespaces/ns/pods/web/log?follow=true", "base64.binary.k8s.io", false,
			Info{Kind: KindApplication, Namespace: "ns", Pod: "web"}},
		{"service-proxy", "/api/v1/namespaces/ns/services/s/proxy/exec/a/b/c", "-", false, Info{Kind: KindApplication, Namespace: "ns"}},
		{"pod-proxy", "/api/v1/namespaces/ns/pods/web/proxy/ws", "chat", false,
			Info{Kind: KindApplication, Namespace: "ns", Pod: "web"}},
		{"node-proxy", "/api/v1/nodes/n1/proxy/metrics", "-", false, Info{Kind: KindApplication, Node: "n1"}},
		{"aggregated-forward", aggregated + "portforward/22", "plain.kubevirt.io", false, Info{Kind: KindApplication, Namespace: "ns"}},
		{"aggregated-forward-without-subprotocol", aggregated + "portforward/22", "-", false, Info{Kind: KindApplication, Namespace: "ns"}},
		{"not-an-api", "/exec", "-", false, Info{Kind: KindApplication}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			got := mustRecognise(t, test.spdy, test.target, test.protocol)
			want := test.want
			want.Protocol = map[bool]string{true: "spdy", false: "websocket"}[test.spdy]
			if want.Subprotocol = test.protocol; test.protocol == "-" {
				want.Subprotocol = ""
			}
			if !reflect.DeepEqual(exported(got), exported(&want)) {
				t.Errorf("Recognise = %+v, want %+v", got, want)
			}
			if recorded := want.Kind == KindExec || want.Kind == KindAttach; got.Recorded() != recorded {
				t.Errorf("Recorded() = %v, want %v", got.Recorded(), recorded)
			}
			request, _ := heads(test.spdy, test.target, test.protocol)
			expected, err := expect(t, request)
			if err != nil || (expected != nil) != got.Recorded() {
				t.Fatalf("Expect = %+v, %v for what is %+v", expected, err, got)
			}
			if expected != nil {
				want.Subprotocol = ""
				if !reflect.DeepEqual(exported(expected), exported(&want)) {
					t.Errorf("Expect = %+v, want %+v", expected, want)
				}
			}
		})
	}
}

// exported returns the fields of an Info that others see.
func exported(i *Info) (fields []any) {
	for v, k := reflect.ValueOf(i).Elem(), 0; k < v.NumField(); k++ {
		if f := v.Type().Field(k); f.IsExported() {
			value := v.Field(k)
			if value.Kind() == reflect.Slice && value.Len() == 0 {
				value = reflect.Zero(value.Type())
			}
			fields = append(fields, f.Name, value.Interface())
		}
	}
	return fields
}

func TestRecogniseRefuses(t *testing.T) {
	for _, test := range []struct {
		name, target, protocol string
		spdy                   bool
		early                  bool // Expect refuses it, too
	}{
		{"spdy-without-version", podExec, "-", true, true},
		{"spdy-unknown-version", podExec, "v5.channel.k8s.io", true, true},
		{"spdy-of-an-application", "/api/v1/namespaces/ns/services/s/proxy/x", "-", true, false},
		{"spdy-other-protocol", aggregated + "x", "chat", true, false},
		{"exec-of-a-later-version", podExec, "v6.channel.k8s.io", false, true},
		{"exec-of-another-protocol", podExec, "chat", false, true},
		{"node-exec-of-another-protocol", nodeExec, "chat", false, true},
		{"later-version-elsewhere", aggregated + "x", "v6.channel.k8s.io", false, false},
		{"other-case-elsewhere", aggregated + "x", "V4.Channel.k8s.io", false, false},
		{"other-tunnel", aggregated + "x", "SPDY/3.1+remotecommand.k8s.io", false, false},
		{"forward-without-ports", podForward, "v4.channel.k8s.io", false, false},
		{"forward-of-port-zero", podForward + "?ports=0", "v4.channel.k8s.io", false, false},
		{"forward-of-no-port", podForward + "?ports=80,x", "-", false, false},
		{"forward-with-close-signal", podForward + "?ports=80", "v5.channel.k8s.io", false, false},
	} {
		t.Run(test.name, func(t *testing.T) {
			request, response := heads(test.spdy, test.target, test.protocol)
			info, err := recognise(t, request, response)
			var e *Error
			if info != nil || !errors.As(err, &e) || e.Reason != ReasonUnknown {
				t.Errorf("Recognise = %+v, %v; want a refusal of something unknown", info, err)
			}
			expected, err := expect(t, request)
			if refused := errors.As(err, &e); expected != nil || refused != test.early {
				t.Errorf("Expect = %+v, %v; want a refusal: %v", expected, err, test.early)
			}
		})
	}
}

func TestRunsCommand(t *testing.T) {
	for target, want := range map[string]bool{
		"/api/v1/nodes/n1/proxy/run/ns/web/main?cmd=id":       true,
		"/api/v1/nodes/n1/proxy//run/ns/web/main":             true,
		"/api/v1/nodes/n1/proxy/%72un/ns/web/main":            true,
		"/api/v1/proxy/nodes/n1/run/ns/web/main":              true,
		"/api/v1/nodes/run/proxy/metrics":                     false,
		"/api/v1/nodes/n1/proxy/runningpods/":                 false,
		"/api/v1/nodes/n1/proxy/exec/ns/web/main":             false,
		"/api/v1/namespaces/ns/services/s/proxy/run/ns/web/m": false,
		"/run/ns/web/main":                                    false,
	} {
		var info audit.RequestInfo
		info.Parse([]byte("POST"), []byte(target))
		if got := RunsCommand(&info); got != want {
			t.Errorf("RunsCommand(%q) = %v, want %v", target, got, want)
		}
	}
}
