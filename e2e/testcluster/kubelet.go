package testcluster

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strconv"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/proxy"
	translator "k8s.io/apiserver/pkg/util/proxy"
	runtimeapi "k8s.io/cri-api/pkg/apis/runtime/v1"
	"k8s.io/cri-streaming/pkg/streaming"
	"k8s.io/cri-streaming/pkg/streaming/portforward"
	"k8s.io/cri-streaming/pkg/streaming/remotecommand"
	"k8s.io/streaming/pkg/httpstream/wsstream"
)

// kubeletClient is the user name (certificate common name) of the only client
// that the kubelet endpoints admit: the API server.
const kubeletClient = "kube-apiserver-kubelet-client"

// declaredFeatures is what a 1.36 kubelet declares in its node status. It makes
// the API server pass exec, attach and port-forward WebSockets on to the
// kubelet instead of translating them to SPDY itself.
var declaredFeatures = []string{"ExtendWebSocketsToKubelet"}

// Ports that every pod serves by itself; see portForward.
const (
	echoPort = 7
	httpPort = 80
)

// kubelet serves the kubelet's HTTPS endpoints. Like a real kubelet it hands
// streams on to the streaming server of a container runtime, with the same
// libraries; that server runs here too (and calls Exec, Attach, PortForward).
type kubelet struct {
	node      *node
	streaming streaming.Server
	http      string // address of the built-in HTTP server
}

// serveKubelet starts both servers and returns the port of the kubelet.
func (n *node) serveKubelet(dir string) (int, error) {
	greeter, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return 0, err
	}
	go http.Serve(greeter, http.HandlerFunc(greet))
	k := &kubelet{node: n, http: greeter.Addr().String()}

	runtime, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return 0, err
	}
	config := streaming.DefaultConfig
	config.BaseURL = &url.URL{Scheme: "http", Host: runtime.Addr().String(), Path: "/"}
	if k.streaming, err = streaming.NewServer(config, k); err != nil {
		return 0, err
	}
	go http.Serve(runtime, k.streaming)

	cert, err := tls.LoadX509KeyPair(filepath.Join(dir, "kubelet.crt"), filepath.Join(dir, "kubelet.key"))
	if err != nil {
		return 0, err
	}
	ca, err := os.ReadFile(filepath.Join(dir, "ca.crt"))
	if err != nil {
		return 0, err
	}
	clients := x509.NewCertPool()
	clients.AppendCertsFromPEM(ca)

	mux := http.NewServeMux()
	mux.HandleFunc("/exec/{namespace}/{pod}/{container}", k.serveExec)
	mux.HandleFunc("/attach/{namespace}/{pod}/{container}", k.serveAttach)
	mux.HandleFunc("/portForward/{namespace}/{pod}", k.servePortForward)
	mux.HandleFunc("GET /containerLogs/{namespace}/{pod}/{container}", k.serveLogs)
	mux.HandleFunc("GET /pods", k.servePods)
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "ok") })

	listener, err := net.Listen("tcp", nodeIP+":0")
	if err != nil {
		return 0, err
	}
	server := &http.Server{
		Handler: onlyAPIServer(mux),
		TLSConfig: &tls.Config{
			Certificates: []tls.Certificate{cert},
			ClientAuth:   tls.RequireAndVerifyClientCert,
			ClientCAs:    clients,
		},
	}
	go server.ServeTLS(listener, "", "")
	return listener.Addr().(*net.TCPAddr).Port, nil
}

func onlyAPIServer(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.TLS.PeerCertificates[0].Subject.CommonName != kubeletClient {
			http.Error(w, "Forbidden", http.StatusForbidden)
			return
		}
		next.ServeHTTP(w, r)
	})
}

// container finds the running container that a request names, or answers it.
func (k *kubelet) container(w http.ResponseWriter, r *http.Request) *container {
	p := k.node.find(r.PathValue("namespace"), r.PathValue("pod"))
	if p == nil {
		http.Error(w, "pod does not exist", http.StatusNotFound)
		return nil
	}
	c := p.run(r.PathValue("container"), false)
	if c == nil || !c.running() {
		http.Error(w, fmt.Sprintf("container not found (%q)", r.PathValue("container")), http.StatusNotFound)
		return nil
	}
	return c
}

func (k *kubelet) serveExec(w http.ResponseWriter, r *http.Request) {
	c := k.container(w, r)
	if c == nil {
		return
	}
	options, err := remotecommand.NewOptions(r)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	response, err := k.streaming.GetExec(&runtimeapi.ExecRequest{
		ContainerId: c.id, Cmd: r.URL.Query()["command"],
		Stdin: options.Stdin, Stdout: options.Stdout, Stderr: options.Stderr, Tty: options.TTY,
	})
	k.forward(w, r, response.GetUrl(), err, options)
}

func (k *kubelet) serveAttach(w http.ResponseWriter, r *http.Request) {
	c := k.container(w, r)
	if c == nil {
		return
	}
	options, err := remotecommand.NewOptions(r)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	response, err := k.streaming.GetAttach(&runtimeapi.AttachRequest{
		ContainerId: c.id,
		Stdin:       options.Stdin, Stdout: options.Stdout, Stderr: options.Stderr && !c.spec.TTY, Tty: c.spec.TTY,
	})
	k.forward(w, r, response.GetUrl(), err, options)
}

// forward proxies an exec or attach request to the streaming server: SPDY as
// it is, WebSocket v5 translated to SPDY.
func (k *kubelet) forward(w http.ResponseWriter, r *http.Request, target string, err error, options *remotecommand.Options) {
	location, parseErr := url.Parse(target)
	if err != nil || parseErr != nil {
		http.Error(w, fmt.Sprint(err, parseErr), http.StatusInternalServerError)
		return
	}
	if wsstream.IsWebSocketRequestWithStreamCloseProtocol(r) {
		translator.NewStreamTranslatorHandler(location, nil, 0, translator.Options{
			Stdin: options.Stdin, Stdout: options.Stdout, Stderr: options.Stderr, Tty: options.TTY,
		}).ServeHTTP(w, r)
		return
	}
	proxy.NewUpgradeAwareHandler(location, nil, false, true, proxyErrors{}).ServeHTTP(w, r)
}

func (k *kubelet) servePortForward(w http.ResponseWriter, r *http.Request) {
	p := k.node.find(r.PathValue("namespace"), r.PathValue("pod"))
	if p == nil {
		http.Error(w, "pod does not exist", http.StatusNotFound)
		return
	}
	tunnel := wsstream.IsWebSocketRequestWithTunnelingProtocol(r)
	options := &portforward.V4Options{}
	if !tunnel {
		var err error
		if options, err = portforward.NewV4Options(r); err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
	}
	response, err := k.streaming.GetPortForward(&runtimeapi.PortForwardRequest{
		PodSandboxId: string(p.get().UID), Port: options.Ports,
	})
	location, parseErr := url.Parse(response.GetUrl())
	if err != nil || parseErr != nil {
		http.Error(w, fmt.Sprint(err, parseErr), http.StatusInternalServerError)
		return
	}
	var handler http.Handler = proxy.NewUpgradeAwareHandler(location, nil, false, true, proxyErrors{})
	if tunnel {
		handler = translator.NewTunnelingHandler(handler)
	}
	handler.ServeHTTP(w, r)
}

type proxyErrors struct{}

func (proxyErrors) Error(w http.ResponseWriter, _ *http.Request, err error) {
	http.Error(w, err.Error(), http.StatusInternalServerError)
}

func (k *kubelet) servePods(w http.ResponseWriter, _ *http.Request) {
	list := corev1.PodList{}
	list.APIVersion, list.Kind = "v1", "PodList"
	k.node.mu.Lock()
	for _, p := range k.node.pods {
		list.Items = append(list.Items, *p.get())
	}
	k.node.mu.Unlock()
	w.Header().Set("Content-Type", "application/json")
	json.NewEncoder(w).Encode(list)
}

func (n *node) containerByID(id string) *container {
	n.mu.Lock()
	defer n.mu.Unlock()
	for _, p := range n.pods {
		p.mu.Lock()
		for _, runs := range p.containers {
			for _, c := range runs {
				if c.id == id {
					p.mu.Unlock()
					return c
				}
			}
		}
		p.mu.Unlock()
	}
	return nil
}

// Exec implements streaming.Runtime.
func (k *kubelet) Exec(_ context.Context, id string, args []string, in io.Reader, out, errOut io.WriteCloser, tty bool, resize <-chan remotecommand.TerminalSize) error {
	c := k.node.containerByID(id)
	if c == nil || !c.running() {
		return fmt.Errorf("container %s is not running", id)
	}
	return c.exec(args, in, out, errOut, tty, resize)
}

// Attach implements streaming.Runtime.
func (k *kubelet) Attach(ctx context.Context, id string, in io.Reader, out, errOut io.WriteCloser, tty bool, resize <-chan remotecommand.TerminalSize) error {
	c := k.node.containerByID(id)
	if c == nil || !c.running() {
		return fmt.Errorf("container %s is not running", id)
	}
	return c.attach(ctx, in, out, errOut, resize)
}

// PortForward implements streaming.Runtime. Port 80 of every pod is a small
// HTTP server and port 7 an echo server; the other ports are those of 127.0.0.1.
func (k *kubelet) PortForward(ctx context.Context, _ string, port int32, stream io.ReadWriteCloser) error {
	if port == echoPort {
		_, err := io.Copy(stream, stream)
		return err
	}
	address := net.JoinHostPort("127.0.0.1", strconv.Itoa(int(port)))
	if port == httpPort {
		address = k.http
	}
	conn, err := new(net.Dialer).DialContext(ctx, "tcp", address)
	if err != nil {
		return fmt.Errorf("failed to connect to port %d: %w", port, err)
	}
	defer conn.Close()
	go func() {
		io.Copy(conn, stream)
		conn.(*net.TCPConn).CloseWrite()
	}()
	_, err = io.Copy(stream, conn)
	return err
}

// greet answers with the request body, or else with a line of text.
func greet(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	if len(body) > 0 {
		w.Write(body)
		return
	}
	fmt.Fprintf(w, "hello from testcluster: %s %s\n", r.Method, r.URL.Path)
}
