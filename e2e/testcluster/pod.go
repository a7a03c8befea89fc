package testcluster

import (
	"context"
	"fmt"
	"log"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// pod is a pod bound to this node. Its worker goroutine alone changes it; mu
// guards what the kubelet endpoints read.
type pod struct {
	node    *node
	dir     string
	changed chan struct{} // tells the worker of a new object or an ended container

	mu         sync.Mutex
	object     *corev1.Pod
	containers map[string][]*container // all runs, by container name
}

func (p *pod) wake() {
	select {
	case p.changed <- struct{}{}:
	default:
	}
}

func (p *pod) get() *corev1.Pod {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.object
}

// run returns a run of a container: the latest one, or the one before it.
func (p *pod) run(name string, previous bool) *container {
	p.mu.Lock()
	defer p.mu.Unlock()
	runs := p.containers[name]
	if previous && len(runs) > 0 {
		runs = runs[:len(runs)-1]
	}
	if len(runs) == 0 {
		return nil
	}
	return runs[len(runs)-1]
}

// work starts and restarts containers and reports their status, until the pod
// is deleted.
func (p *pod) work(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-p.changed:
		}
		object := p.get()
		if object.DeletionTimestamp != nil {
			grace := time.Duration(*object.DeletionGracePeriodSeconds) * time.Second
			p.stop(grace)
			p.report(ctx)
			now := int64(0)
			err := p.node.client.CoreV1().Pods(object.Namespace).Delete(ctx, object.Name, metav1.DeleteOptions{
				GracePeriodSeconds: &now, Preconditions: metav1.NewUIDPreconditions(string(object.UID)),
			})
			if err != nil && !apierrors.IsNotFound(err) {
				log.Printf("deleting %s/%s: %v", object.Namespace, object.Name, err)
			}
			return
		}
		for _, spec := range object.Spec.Containers {
			p.ensure(spec, object.Spec.RestartPolicy)
		}
		for _, spec := range object.Spec.EphemeralContainers {
			p.ensure(corev1.Container(spec.EphemeralContainerCommon), corev1.RestartPolicyNever)
		}
		p.report(ctx)
	}
}

// ensure starts a container that has not run yet or is to be restarted.
func (p *pod) ensure(spec corev1.Container, restart corev1.RestartPolicy) {
	last := p.run(spec.Name, false)
	var attempt int32
	if last != nil {
		if last.running() || restart == corev1.RestartPolicyNever ||
			restart == corev1.RestartPolicyOnFailure && last.exitCode == 0 {
			return
		}
		if wait := time.Until(last.finished.Add(time.Second)); wait > 0 { // a simple back-off
			time.AfterFunc(wait, p.wake)
			return
		}
		attempt = last.attempt + 1
	}
	c, err := p.start(spec, attempt)
	if err != nil {
		// Shown as a container that ended at once, with the reason in its log.
		log.Printf("starting %s: %v", c.id, err)
		c.log.write("stderr", "F", []byte(err.Error()))
		c.exitCode, c.finished = 127, time.Now()
		close(c.done)
	}
	p.mu.Lock()
	p.containers[spec.Name] = append(p.containers[spec.Name], c)
	p.mu.Unlock()
	go func() {
		<-c.done
		p.wake()
	}()
}

func (p *pod) start(spec corev1.Container, attempt int32) (*container, error) {
	object := p.get()
	root, logs := filepath.Join(p.dir, "root"), filepath.Join(p.dir, "logs")
	c := &container{
		id:      fmt.Sprintf("%s-%s-%d", object.UID, spec.Name, attempt),
		spec:    spec,
		attempt: attempt,
		dir:     root,
		env: []string{
			"PATH=" + os.Getenv("PATH"), "HOME=" + root, "TMPDIR=" + root, "HOSTNAME=" + object.Name,
		},
		done: make(chan struct{}),
	}
	for _, e := range spec.Env {
		if e.ValueFrom == nil {
			c.env = append(c.env, e.Name+"="+e.Value)
		}
	}
	for _, dir := range []string{root, logs} {
		if err := os.MkdirAll(dir, 0o700); err != nil {
			return c, err
		}
	}
	var err error
	if c.log, err = createLog(filepath.Join(logs, fmt.Sprintf("%s-%d.log", spec.Name, attempt))); err != nil {
		return c, err
	}
	return c, c.start()
}

// stop ends all containers of the pod, and removes their files.
func (p *pod) stop(grace time.Duration) {
	p.mu.Lock()
	containers := slices.Concat(slices.Collect(maps.Values(p.containers))...)
	p.mu.Unlock()
	var wg sync.WaitGroup
	for _, c := range containers {
		if c.running() {
			wg.Go(func() { c.stop(grace) })
		}
	}
	wg.Wait()
	os.RemoveAll(p.dir)
}
