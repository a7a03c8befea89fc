package testcluster

import (
	"context"
	"log"
	"path/filepath"
	"sync"
	"time"

	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/cache"
)

const (
	nodeName  = "sim-node"
	nodeIP    = "127.0.0.1"
	heartbeat = 10 * time.Second
)

// node is the simulated node. It runs the containers of its pods as local
// processes and reports their status, as a kubelet does. The kubelet's HTTPS
// endpoints are in kubelet.go. Without the real kube-controller-manager and
// kube-scheduler it also schedules every pod to itself and gives every
// namespace its service account "default".
type node struct {
	dir         string
	client      *kubernetes.Clientset
	controllers bool // the real ones are there

	mu   sync.Mutex
	pods map[types.UID]*pod
}

// runNode is the whole of the node process. It returns when ctx ends.
func runNode(ctx context.Context, c *Cluster) error {
	client, err := c.client()
	if err != nil {
		return err
	}
	n := &node{dir: c.file("pods"), client: client, controllers: c.controllers, pods: map[types.UID]*pod{}}
	defer n.stop()
	port, err := n.serveKubelet(c.dir)
	if err != nil {
		return err
	}
	if err := n.register(ctx, port); err != nil {
		return err
	}
	factory := informers.NewSharedInformerFactory(client, 0)
	if !n.controllers {
		if _, err := factory.Core().V1().Namespaces().Informer().AddEventHandler(cache.ResourceEventHandlerFuncs{
			AddFunc: func(o any) { n.createDefaultAccount(ctx, o.(*corev1.Namespace).Name) },
		}); err != nil {
			return err
		}
	}
	if _, err := factory.Core().V1().Pods().Informer().AddEventHandler(cache.ResourceEventHandlerFuncs{
		AddFunc:    func(o any) { n.update(ctx, o.(*corev1.Pod)) },
		UpdateFunc: func(_, o any) { n.update(ctx, o.(*corev1.Pod)) },
		DeleteFunc: func(o any) {
			if gone, ok := o.(cache.DeletedFinalStateUnknown); ok {
				o = gone.Obj
			}
			n.forget(o.(*corev1.Pod).UID)
		},
	}); err != nil {
		return err
	}
	factory.Start(ctx.Done())
	n.renewLease(ctx)
	return nil
}

// register creates the Node object.
func (n *node) register(ctx context.Context, kubeletPort int) error {
	version, err := n.client.Discovery().ServerVersion()
	if err != nil {
		return err
	}
	capacity := corev1.ResourceList{
		corev1.ResourceCPU:    resource.MustParse("8"),
		corev1.ResourceMemory: resource.MustParse("16Gi"),
		corev1.ResourcePods:   resource.MustParse("110"),
	}
	now := metav1.Now()
	object := &corev1.Node{
		ObjectMeta: metav1.ObjectMeta{
			Name: nodeName,
			Labels: map[string]string{
				corev1.LabelHostname: nodeName, corev1.LabelOSStable: "linux", corev1.LabelArchStable: "amd64",
			},
		},
		Status: corev1.NodeStatus{
			Capacity:    capacity,
			Allocatable: capacity,
			Conditions: []corev1.NodeCondition{{
				Type: corev1.NodeReady, Status: corev1.ConditionTrue, Reason: "KubeletReady",
				LastHeartbeatTime: now, LastTransitionTime: now,
			}},
			Addresses: []corev1.NodeAddress{
				{Type: corev1.NodeInternalIP, Address: nodeIP},
				{Type: corev1.NodeHostName, Address: nodeName},
			},
			DaemonEndpoints: corev1.NodeDaemonEndpoints{KubeletEndpoint: corev1.DaemonEndpoint{Port: int32(kubeletPort)}},
			NodeInfo: corev1.NodeSystemInfo{
				KubeletVersion: version.GitVersion, OperatingSystem: "linux", Architecture: "amd64",
				OSImage: "testcluster", ContainerRuntimeVersion: "testcluster://0",
			},
			DeclaredFeatures: declaredFeatures,
		},
	}
	_, err = n.client.CoreV1().Nodes().Create(ctx, object, metav1.CreateOptions{})
	return err
}

// renewLease keeps the node alive for kube-controller-manager until ctx ends.
func (n *node) renewLease(ctx context.Context) {
	createNamespace(ctx, n.client, corev1.NamespaceNodeLease)
	leases := n.client.CoordinationV1().Leases(corev1.NamespaceNodeLease)
	holder, seconds := nodeName, int32(40)
	for {
		now := metav1.NowMicro()
		lease := &coordinationv1.Lease{
			ObjectMeta: metav1.ObjectMeta{Name: nodeName},
			Spec:       coordinationv1.LeaseSpec{HolderIdentity: &holder, LeaseDurationSeconds: &seconds, RenewTime: &now},
		}
		_, err := leases.Update(ctx, lease, metav1.UpdateOptions{})
		if apierrors.IsNotFound(err) {
			_, err = leases.Create(ctx, lease, metav1.CreateOptions{})
		}
		if err != nil && ctx.Err() == nil {
			log.Printf("renewing the lease: %v", err)
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(heartbeat):
		}
	}
}

// createDefaultAccount creates the service account "default" of a namespace,
// without which it can have no pods.
func (n *node) createDefaultAccount(ctx context.Context, namespace string) {
	account := &corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Name: "default"}}
	_, err := n.client.CoreV1().ServiceAccounts(namespace).Create(ctx, account, metav1.CreateOptions{})
	if ignoreExists(err) != nil {
		log.Printf("service account %s/default: %v", namespace, err)
	}
}

// update handles a new or changed Pod object.
func (n *node) update(ctx context.Context, object *corev1.Pod) {
	switch {
	case object.Spec.NodeName == "" && !n.controllers && object.DeletionTimestamp == nil && len(object.Spec.SchedulingGates) == 0:
		binding := &corev1.Binding{
			ObjectMeta: metav1.ObjectMeta{Name: object.Name, UID: object.UID},
			Target:     corev1.ObjectReference{Kind: "Node", Name: nodeName},
		}
		if err := n.client.CoreV1().Pods(object.Namespace).Bind(ctx, binding, metav1.CreateOptions{}); err != nil {
			log.Printf("binding %s/%s: %v", object.Namespace, object.Name, err)
		}
	case object.Spec.NodeName == nodeName:
		n.mu.Lock()
		p := n.pods[object.UID]
		if p == nil {
			p = &pod{
				node: n, dir: filepath.Join(n.dir, string(object.UID)),
				object:     object,
				changed:    make(chan struct{}, 1),
				containers: map[string][]*container{},
			}
			n.pods[object.UID] = p
			go p.work(ctx)
		}
		n.mu.Unlock()
		p.mu.Lock()
		p.object = object
		p.mu.Unlock()
		p.wake()
	}
}

// forget removes a pod whose object is gone (also if it was deleted by force).
func (n *node) forget(uid types.UID) {
	n.mu.Lock()
	p := n.pods[uid]
	delete(n.pods, uid)
	n.mu.Unlock()
	if p != nil {
		go p.stop(0)
	}
}

// stop ends all containers.
func (n *node) stop() {
	n.mu.Lock()
	defer n.mu.Unlock()
	var wg sync.WaitGroup
	for _, p := range n.pods {
		wg.Go(func() { p.stop(time.Second) })
	}
	wg.Wait()
}

// find returns a pod by name.
func (n *node) find(namespace, name string) *pod {
	n.mu.Lock()
	defer n.mu.Unlock()
	for _, p := range n.pods {
		if object := p.get(); object.Namespace == namespace && object.Name == name {
			return p
		}
	}
	return nil
}
