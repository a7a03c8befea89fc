package e2e

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"
)

// TestCommands runs the kubectl commands that are plain requests.
func TestCommands(t *testing.T) {
	for _, test := range []struct {
		name string
		run  func(*testing.T, kubectl)
	}{
		{"whoami", testWhoami},
		{"get-and-describe", testGet},
		{"apply-patch-delete", testApply},
		{"get-watch", testWatch},
		{"logs", testLogs},
		{"logs-follow", testLogsFollow},
		{"proxy", testProxy},
		{"forbidden", testForbidden},
		{"not-found", testNotFound},
		{"warning", testWarning},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			test.run(t, kubectlAs(t, ann))
		})
	}
}

// whoami is the answer to kubectl auth whoami.
type whoami struct {
	Status struct {
		UserInfo struct {
			Username string
			Groups   []string
		}
	}
}

func testWhoami(t *testing.T, k kubectl) {
	var who whoami
	if err := json.Unmarshal([]byte(k.run(t, "auth", "whoami", "-o", "json")), &who); err != nil {
		t.Fatal(err)
	}
	wantEqual(t, "user", who.Status.UserInfo.Username, ann.Name)
	groups := append(slices.Clone(ann.Groups), "system:authenticated")
	wantEqual(t, "groups", fmt.Sprint(who.Status.UserInfo.Groups), fmt.Sprint(groups))
}

func testGet(t *testing.T, k kubectl) {
	wantContains(t, "get pods", k.run(t, "get", "pods"), "demo")
	wantContains(t, "get -o yaml", k.run(t, "get", "pod", "demo", "-o", "yaml"), "phase: Running")
	wantContains(t, "describe", k.run(t, "describe", "pod", "demo"), "Node:             sim-node/127.0.0.1")
	wantContains(t, "version", k.run(t, "version"), "Server Version: "+run.cluster.Version)
	wantContains(t, "api-resources", k.run(t, "api-resources"), "deployments")
	wantContains(t, "explain", k.run(t, "explain", "pod.spec.containers"), "livenessProbe")
}

// configMap is the manifest of a ConfigMap with one value.
func configMap(name, value string) string {
	return fmt.Sprintf("apiVersion: v1\nkind: ConfigMap\nmetadata: {name: %s}\ndata: {key: %s}\n", name, value)
}

func testApply(t *testing.T, k kubectl) {
	name := uniqueName("apply")
	value := []string{"get", "configmap", name, "-o", "jsonpath={.data.key}"}
	wantContains(t, "first apply", k.feed(t, configMap(name, "one"), "apply", "-f", "-"), "created")
	wantContains(t, "second apply", k.feed(t, configMap(name, "two"), "apply", "-f", "-"), "configured")
	wantContains(t, "server-side apply",
		k.feed(t, configMap(name, "three"), "apply", "--server-side", "--force-conflicts", "-f", "-"), "serverside-applied")
	wantEqual(t, "value after apply", k.run(t, value...), "three")
	k.run(t, "patch", "configmap", name, "--type=merge", "-p", `{"data":{"key":"four"}}`)
	wantEqual(t, "value after patch", k.run(t, value...), "four")
	_, _, code := k.try(t, configMap(name, "five"), "diff", "-f", "-")
	wantEqual(t, "exit status of diff", code, 1)
	wantContains(t, "delete", k.run(t, "delete", "configmap", name), "deleted")
	wantContains(t, "get after delete", k.fails(t, value...), "NotFound")
}

func testWatch(t *testing.T, k kubectl) {
	name := uniqueName("watch")
	watch := k.start(t, "get", "configmaps", "-w", "--output-watch-events", "-o", "name",
		"--field-selector=metadata.name="+name)
	defer watch.stop()
	k.feed(t, configMap(name, "one"), "apply", "-f", "-")
	readUntil(t, watch.stdout, "configmap/"+name+"\n")
	k.feed(t, configMap(name, "two"), "apply", "-f", "-")
	readUntil(t, watch.stdout, "configmap/"+name+"\n")
	k.run(t, "delete", "configmap", name)
	readUntil(t, watch.stdout, "configmap/"+name+"\n")
}

// runPod starts a pod that runs a shell script, and deletes it after the test.
func runPod(t *testing.T, k kubectl, prefix, script string) (name string) {
	t.Helper()
	name = uniqueName(prefix)
	k.run(t, "run", name, "--image="+image, "--restart=Never", "--", "sh", "-c", script)
	t.Cleanup(func() { k.run(t, "delete", "pod", name, "--grace-period=1", "--wait=false") })
	return name
}

func testLogs(t *testing.T, k kubectl) {
	name := runPod(t, k, "logs", "echo out; sleep 0.2; echo err >&2; sleep 0.2; echo last; exit 3")
	k.run(t, "wait", "--for=jsonpath={.status.phase}=Failed", "pod/"+name, "--timeout=20s")
	code := k.run(t, "get", "pod", name, "-o", "jsonpath={.status.containerStatuses[0].state.terminated.exitCode}")
	wantEqual(t, "exit code of the container", code, "3")
	wantContains(t, "logs", k.run(t, "logs", name), "err\n")
	wantEqual(t, "logs --tail", k.run(t, "logs", "--tail=1", name), "last\n")
	wantEqual(t, "logs --limit-bytes", k.run(t, "logs", "--limit-bytes=2", name), "ou")
}

func testLogsFollow(t *testing.T, k kubectl) {
	name := runPod(t, k, "follow", "for i in 1 2 3; do echo line $i; sleep 0.5; done")
	k.run(t, "wait", "--for=jsonpath={.status.containerStatuses[0].started}", "pod/"+name, "--timeout=20s")
	logs := k.start(t, "logs", "-f", name)
	for i := 1; i <= 3; i++ {
		readUntil(t, logs.stdout, fmt.Sprintf("line %d\n", i))
	}
	wantEqual(t, "exit status of logs -f", logs.wait(), 0)
}

func testProxy(t *testing.T, k kubectl) {
	proxy := k.start(t, "proxy", "--port=0")
	defer proxy.stop()
	line := readUntil(t, proxy.stdout, "\n")
	address := strings.TrimSpace(line[strings.LastIndexByte(line, ' ')+1:])
	response, err := http.Get("http://" + address + "/api/v1/namespaces/default/pods/demo")
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	wantEqual(t, "status", response.StatusCode, http.StatusOK)
	wantContains(t, "body", string(body), `"phase":"Running"`)
}

func testForbidden(t *testing.T, k kubectl) {
	wantContains(t, "get nodes", k.fails(t, "get", "nodes"),
		`Error from server (Forbidden): nodes is forbidden: User "`+ann.Name+`" cannot list resource "nodes"`)
	k = kubectlAs(t, vic)
	wantContains(t, "get pods", k.run(t, "get", "pods"), "demo")
	wantContains(t, "exec of a viewer", k.fails(t, "exec", "demo", "--", "true"),
		`User "`+vic.Name+`" cannot create resource "pods/exec"`)
}

func testNotFound(t *testing.T, k kubectl) {
	wantContains(t, "get", k.fails(t, "get", "pod", "no-such-pod"), `Error from server (NotFound): pods "no-such-pod" not found`)
	wantContains(t, "exec", k.fails(t, "exec", "no-such-pod", "--", "true"), `pods "no-such-pod" not found`)
}

// testWarning checks that Warning fields come through: the API server warns of
// a deprecated annotation.
func testWarning(t *testing.T, k kubectl) {
	name := uniqueName("warning")
	manifest := fmt.Sprintf(`{"apiVersion":"v1","kind":"Pod","metadata":{"name":%q,`+
		`"annotations":{"seccomp.security.alpha.kubernetes.io/pod":"runtime/default"}},`+
		`"spec":{"containers":[{"name":"c","image":"i"},{"name":"d","image":"i","env":[{"name":"A","value":"1"},{"name":"A","value":"2"}]}]}}`, name)
	_, stderr, code := k.try(t, manifest, "create", "--dry-run=server", "-f", "-")
	wantEqual(t, "exit status", code, 0)
	wantContains(t, "stderr", stderr, "Warning: ")
}
