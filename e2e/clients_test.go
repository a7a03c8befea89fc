package e2e

import (
	"compress/gzip"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/cache"
	"k8s.io/client-go/tools/clientcmd"

	"github.com/spliceway/spliceway/e2e/testcluster"
)

// TestHelm takes a chart through its life.
func TestHelm(t *testing.T) {
	t.Parallel()
	k := kubectlAs(t, ann)
	helm := k.with("HELM_CACHE_HOME="+t.TempDir(), "HELM_CONFIG_HOME="+t.TempDir(), "HELM_DATA_HOME="+t.TempDir())
	helm.program = run.programs[testcluster.Helm]
	name := uniqueName("release")
	value := []string{"get", "configmap", name, "-o", "jsonpath={.data.key}"}

	wantContains(t, "install", helm.run(t, "install", name, "testdata/chart", "--wait", "--timeout=30s"), "STATUS: deployed")
	wantEqual(t, "value", k.run(t, value...), "one")
	wantContains(t, "list", helm.run(t, "list"), name)
	wantContains(t, "upgrade", helm.run(t, "upgrade", name, "testdata/chart", "--set=value=two", "--wait", "--timeout=30s"), "REVISION: 2")
	wantEqual(t, "value", k.run(t, value...), "two")
	wantContains(t, "rollback", helm.run(t, "rollback", name, "1"), "Rollback was a success")
	wantContains(t, "history", helm.run(t, "history", name), "Rollback to 1")
	wantContains(t, "uninstall", helm.run(t, "uninstall", name), "uninstalled")
	wantContains(t, "get", k.fails(t, value...), "NotFound")
}

// restConfig returns what client-go makes of k's kubeconfig.
func (k kubectl) restConfig(t *testing.T) *rest.Config {
	t.Helper()
	config, err := clientcmd.BuildConfigFromFlags("", k.kubeconfig)
	if err != nil {
		t.Fatal(err)
	}
	config.QPS = -1 // no limit of its own
	return config
}

func (k kubectl) client(t *testing.T) *kubernetes.Clientset {
	t.Helper()
	client, err := kubernetes.NewForConfig(k.restConfig(t))
	if err != nil {
		t.Fatal(err)
	}
	return client
}

// TestInformer follows objects with a client-go informer.
func TestInformer(t *testing.T) {
	t.Parallel()
	client := kubectlAs(t, ann).client(t)
	maps := client.CoreV1().ConfigMaps(run.cluster.Namespace)
	name := uniqueName("informed")
	events := make(chan string, 100)
	factory := informers.NewSharedInformerFactoryWithOptions(client, 0,
		informers.WithNamespace(run.cluster.Namespace),
		informers.WithTweakListOptions(func(o *metav1.ListOptions) { o.FieldSelector = "metadata.name=" + name }))
	informer := factory.Core().V1().ConfigMaps().Informer()
	informer.AddEventHandler(cache.ResourceEventHandlerFuncs{
		AddFunc:    func(o any) { events <- "add " + o.(*corev1.ConfigMap).Data["key"] },
		UpdateFunc: func(_, o any) { events <- "update " + o.(*corev1.ConfigMap).Data["key"] },
		DeleteFunc: func(any) { events <- "delete" },
	})
	ctx, cancel := context.WithCancel(t.Context())
	defer factory.Shutdown()
	defer cancel()
	factory.Start(ctx.Done())
	if !cache.WaitForCacheSync(ctx.Done(), informer.HasSynced) {
		t.Fatal("the informer does not get its first list")
	}

	object := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Name: name}, Data: map[string]string{"key": "one"}}
	for _, step := range []struct {
		want string
		do   func() error
	}{
		{"add one", func() error { _, err := maps.Create(ctx, object, metav1.CreateOptions{}); return err }},
		{"update two", func() error {
			object.Data["key"] = "two"
			_, err := maps.Update(ctx, object, metav1.UpdateOptions{})
			return err
		}},
		{"delete", func() error { return maps.Delete(ctx, name, metav1.DeleteOptions{}) }},
	} {
		if err := step.do(); err != nil {
			t.Fatalf("%s: %v", step.want, err)
		}
		select {
		case got := <-events:
			wantEqual(t, "event", got, step.want)
		case <-time.After(20 * time.Second):
			t.Fatalf("waiting for the event %q: nothing comes", step.want)
		}
	}
}

// TestLargeList reads a list of 20 MB through the gateway and from the API server
// itself, and compares.
func TestLargeList(t *testing.T) {
	t.Parallel()
	selector, version := makeLargeList(t)
	path := "/api/v1/namespaces/" + run.cluster.Namespace + "/configmaps?labelSelector=" + selector +
		"&resourceVersionMatch=Exact&resourceVersion=" + version
	admin := kubectl{kubeconfig: run.cluster.AdminKubeconfig}
	want, size := digest(t, admin.restConfig(t), path, false)
	if size < 20<<20 {
		t.Fatalf("the list has %d octets, want 20 MiB or more", size)
	}
	for _, compressed := range []bool{false, true} {
		t.Run(fmt.Sprintf("gzip=%v", compressed), func(t *testing.T) {
			got, gotSize := digest(t, kubectlAs(t, ada).restConfig(t), path, compressed)
			if got != want {
				t.Errorf("the list has %d octets that differ from the %d of the API server", gotSize, size)
			}
		})
	}
	t.Run("kubectl", func(t *testing.T) {
		body := sha256.Sum256([]byte(kubectlAs(t, ada).run(t, "get", "--raw", path)))
		if got := hex.EncodeToString(body[:]); got != want {
			t.Error("what kubectl prints differs from what the API server sends")
		}
	})
}

const largeListObjects = 24

// makeLargeList makes objects of 900 KB each, of which half can be compressed.
// It returns a label selector for them, and a version of the list that has them.
func makeLargeList(t *testing.T) (selector, version string) {
	t.Helper()
	maps := kubectl{kubeconfig: run.cluster.AdminKubeconfig}.client(t).CoreV1().ConfigMaps(run.cluster.Namespace)
	label := uniqueName("large")
	selector = "list=" + label
	t.Cleanup(func() {
		maps.DeleteCollection(context.Background(), metav1.DeleteOptions{}, metav1.ListOptions{LabelSelector: selector})
	})
	random := rand.NewChaCha8([32]byte{1})
	for i := range largeListObjects {
		noise := make([]byte, 337_500)
		random.Read(noise)
		created, err := maps.Create(t.Context(), &corev1.ConfigMap{
			ObjectMeta: metav1.ObjectMeta{Name: fmt.Sprintf("%s-%d", label, i), Labels: map[string]string{"list": label}},
			Data: map[string]string{
				"noise": base64.StdEncoding.EncodeToString(noise),
				"text":  strings.Repeat("0123456789", 45_000),
			},
		}, metav1.CreateOptions{})
		if err != nil {
			t.Fatal(err)
		}
		version = created.ResourceVersion
	}
	return selector, version
}

// digest reads a path and returns the digest and size of its body, after taking
// off the compression if it is asked for.
func digest(t *testing.T, config *rest.Config, path string, compressed bool) (sum string, size int64) {
	t.Helper()
	config.DisableCompression = true // of the transport: we do it here
	client, err := rest.HTTPClientFor(config)
	if err != nil {
		t.Fatal(err)
	}
	defer client.CloseIdleConnections()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, config.Host+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Accept", "application/json")
	if compressed {
		request.Header.Set("Accept-Encoding", "gzip")
	}
	response, err := client.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	wantEqual(t, "status of "+path, response.StatusCode, http.StatusOK)
	var body io.Reader = response.Body
	if compressed {
		wantEqual(t, "Content-Encoding", response.Header.Get("Content-Encoding"), "gzip")
		if body, err = gzip.NewReader(response.Body); err != nil {
			t.Fatal(err)
		}
	}
	hash := sha256.New()
	if size, err = io.Copy(hash, body); err != nil {
		t.Fatalf("after %d octets: %v", size, err)
	}
	return hex.EncodeToString(hash.Sum(nil)), size
}
