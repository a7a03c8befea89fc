package testcluster

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"time"

	corev1 "k8s.io/api/core/v1"
	criapi "k8s.io/cri-api/pkg/apis"
	runtimeapi "k8s.io/cri-api/pkg/apis/runtime/v1"
	"k8s.io/cri-client/pkg/logs"
)

func (k *kubelet) serveLogs(w http.ResponseWriter, r *http.Request) {
	query := r.URL.Query()
	options, err := logOptions(query)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	p := k.node.find(r.PathValue("namespace"), r.PathValue("pod"))
	if p == nil {
		http.Error(w, "pod does not exist", http.StatusNotFound)
		return
	}
	c := p.run(r.PathValue("container"), query.Get("previous") == "true")
	if c == nil {
		http.Error(w, fmt.Sprintf("container %q in pod %q is waiting to start or was never restarted",
			r.PathValue("container"), r.PathValue("pod")), http.StatusBadRequest)
		return
	}
	out := flushed{w, http.NewResponseController(w)}
	var stdout, stderr io.Writer = out, out
	switch query.Get("stream") {
	case corev1.LogStreamStdout:
		stderr = nil
	case corev1.LogStreamStderr:
		stdout = nil
	}
	w.Header().Set("Content-Type", "text/plain")
	out.control.Flush()
	logs.ReadLogs(r.Context(), c.log.path, c.id, options, runtimeStatus{node: k.node}, stdout, stderr)
}

// logOptions reads the query that the API server makes of PodLogOptions.
func logOptions(query url.Values) (*logs.LogOptions, error) {
	options := &logs.LogOptions{
		Follow:    query.Get("follow") == "true",
		Timestamp: query.Get("timestamps") == "true",
	}
	var since *int64
	for name, field := range map[string]**int64{
		"tailLines": &options.TailLines, "limitBytes": &options.LimitBytes, "sinceSeconds": &since,
	} {
		if value := query.Get(name); value != "" {
			n, err := strconv.ParseInt(value, 10, 64)
			if err != nil {
				return nil, err
			}
			*field = &n
		}
	}
	if since != nil {
		options.Since = time.Now().Add(-time.Duration(*since) * time.Second)
	}
	if value := query.Get("sinceTime"); value != "" {
		t, err := time.Parse(time.RFC3339, value)
		if err != nil {
			return nil, err
		}
		options.Since = t
	}
	return options, nil
}

// flushed sends everything at once, for logs -f.
type flushed struct {
	w       io.Writer
	control *http.ResponseController
}

func (f flushed) Write(p []byte) (int, error) {
	n, err := f.w.Write(p)
	if err == nil {
		err = f.control.Flush()
	}
	return n, err
}

// runtimeStatus is as much of a container runtime as the log reader needs: it
// asks whether to wait for more.
type runtimeStatus struct {
	criapi.RuntimeService
	node *node
}

func (s runtimeStatus) ContainerStatus(_ context.Context, id string, _ bool) (*runtimeapi.ContainerStatusResponse, error) {
	state := runtimeapi.ContainerState_CONTAINER_EXITED
	if c := s.node.containerByID(id); c != nil && c.running() {
		state = runtimeapi.ContainerState_CONTAINER_RUNNING
	}
	return &runtimeapi.ContainerStatusResponse{Status: &runtimeapi.ContainerStatus{Id: id, State: state}}, nil
}
