package helm

import (
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	certmanagerv1 "github.com/cert-manager/cert-manager/pkg/apis/certmanager/v1"
	"helm.sh/helm/v3/pkg/chartutil"
	"helm.sh/helm/v3/pkg/lint"
	"helm.sh/helm/v3/pkg/lint/support"
	appsv1 "k8s.io/api/apps/v1"
	autoscalingv2 "k8s.io/api/autoscaling/v2"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"

	"github.com/spliceway/spliceway/config"
)

func TestLint(t *testing.T) {
	for _, file := range setUps(t) {
		version := &chartutil.KubeVersion{Version: "v1.36.0", Major: "1", Minor: "36"}
		for _, m := range lint.AllWithKubeVersion(chartDir, fileValues(t, file), namespace, version).Messages {
			if m.Severity > support.InfoSev {
				t.Errorf("%s: %s", file, m)
			}
		}
	}
}

func TestKinds(t *testing.T) {
	common := []string{"ConfigMap", "Deployment", "Service"}
	for file, more := range map[string][]string{
		"minimal.yaml": {"ClusterRole", "ClusterRoleBinding", "Job", "PodDisruptionBudget", "Role", "RoleBinding", "ServiceAccount"},
		"full.yaml": {"Certificate", "ClusterRole", "ClusterRoleBinding", "HorizontalPodAutoscaler", "NetworkPolicy", "PersistentVolumeClaim",
			"PodDisruptionBudget", "PodMonitor", "PrometheusRule", "ServiceAccount", "ServiceMonitor"},
		"lines.yaml":    nil,
		"existing.yaml": {"ClusterRole", "ClusterRoleBinding", "PodDisruptionBudget", "ServiceAccount"},
	} {
		want := slices.Concat(common, more)
		slices.Sort(want)
		wantEqual(t, file, makeAll(t, fileValues(t, filepath.Join("testdata", file))).kinds(), want)
	}
}

// What a GitOps controller renders again and again must not change by itself.
func TestSameEachTime(t *testing.T) {
	for _, file := range setUps(t) {
		first, err := render(t, fileValues(t, file), "v1.36.0")
		if err != nil {
			t.Fatal(err)
		}
		again, err := render(t, fileValues(t, file), "v1.36.0")
		if err != nil {
			t.Fatal(err)
		}
		if !maps.Equal(first, again) {
			t.Errorf("%s: rendered twice, it differs", file)
		}
	}
}

// load has the gateway load the configuration of a manifest.
func load(t *testing.T, m manifest) (cfg *config.Config, dir string) {
	t.Helper()
	dir = t.TempDir()
	file := filepath.Join(dir, "config.yaml")
	text := only[*corev1.ConfigMap](t, m).Data["config.yaml"]
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	cfg, err := config.Load(file)
	if err != nil {
		t.Fatalf("the gateway refuses its configuration: %v\n%s", err, text)
	}
	return cfg, dir
}

// The gateway takes each configuration, and the pod has what it names.
func TestConfig(t *testing.T) {
	for _, file := range setUps(t) {
		t.Run(filepath.Base(file), func(t *testing.T) {
			m := makeAll(t, fileValues(t, file))
			cfg, dir := load(t, m)
			pod := only[*appsv1.Deployment](t, m).Spec.Template.Spec
			for _, name := range files(cfg) {
				if rest, ok := strings.CutPrefix(name, dir); ok {
					name = "/etc/spliceway" + rest
				}
				if !pathInPod(pod, name) {
					t.Errorf("the configuration names %s, which no volume has", name)
				}
			}
			// The pod is not killed before the gateway has given up by itself.
			least := cfg.Drain.Delay + cfg.Drain.Timeout + 10*time.Second
			if grace := time.Duration(*pod.TerminationGracePeriodSeconds) * time.Second; grace < least || grace > least+time.Minute {
				t.Errorf("the grace period is %s, want a little more than %s", grace, cfg.Drain.Delay+cfg.Drain.Timeout)
			}
			wantPorts(t, cfg, pod.Containers[0])
			if inCluster := cfg.Clusters[0].InCluster; inCluster != *pod.AutomountServiceAccountToken {
				t.Errorf("inCluster is %v, and the account's token is mounted: %v", inCluster, *pod.AutomountServiceAccountToken)
			}
		})
	}
}

// files are all that a configuration names.
func files(cfg *config.Config) []string {
	all := []string{
		cfg.TLS.CertificateFile, cfg.TLS.PrivateKeyFile, cfg.TLS.IssuingCA.CertificateFile, cfg.TLS.IssuingCA.PrivateKeyFile,
		cfg.Authn.JWKSFile, cfg.Authn.JWKSCAFile, cfg.Authn.CacheFile, cfg.Admin.Socket, cfg.Recordings.Dir, cfg.Recordings.SealKeyFile,
	}
	for _, c := range cfg.Clusters {
		all = append(all, c.CertificateAuthorityFile, c.BearerTokenFile, c.ClientCertificateFile, c.ClientKeyFile)
	}
	return slices.DeleteFunc(all, func(name string) bool { return name == "" })
}

// pathInPod reports whether a volume of the gateway has a file, or can have it.
func pathInPod(pod corev1.PodSpec, name string) bool {
	for _, mount := range pod.Containers[0].VolumeMounts {
		rest, inside := strings.CutPrefix(name, mount.MountPath+"/")
		at := slices.IndexFunc(pod.Volumes, func(v corev1.Volume) bool { return v.Name == mount.Name })
		if !inside || at < 0 {
			continue
		}
		projected := pod.Volumes[at].Projected
		if projected == nil {
			return true
		}
		for _, source := range projected.Sources {
			var items []corev1.KeyToPath
			if source.Secret != nil {
				items = source.Secret.Items
			}
			if slices.ContainsFunc(items, func(item corev1.KeyToPath) bool { return item.Path == rest }) {
				return true
			}
		}
	}
	return false
}

func wantPorts(t *testing.T, cfg *config.Config, container corev1.Container) {
	t.Helper()
	wantEqual(t, "listen", cfg.Listen, []string{":8443"})
	wantEqual(t, "metrics.listen", cfg.Metrics.Listen, ":9090")
	ports := map[string]int32{}
	for _, p := range container.Ports {
		ports[p.Name] = p.ContainerPort
	}
	wantEqual(t, "ports", ports, map[string]int32{"gateway": 8443, "metrics": 9090})
	wantEqual(t, "readiness", container.ReadinessProbe.HTTPGet.Path+" "+container.ReadinessProbe.HTTPGet.Port.String(), "/readyz metrics")
	wantEqual(t, "liveness", container.LivenessProbe.HTTPGet.Path+" "+container.LivenessProbe.HTTPGet.Port.String(), "/healthz metrics")
}

// A change of the configuration makes new pods; one of anything else does not.
func TestChecksum(t *testing.T) {
	template := func(assignment string) *corev1.PodTemplateSpec {
		return &only[*appsv1.Deployment](t, makeAll(t, set(t, assignment))).Spec.Template
	}
	before := template("{}")
	const key = "checksum/config"
	if changed := template("config: {timeouts: {idle: 3m}}"); before.Annotations[key] == "" || changed.Annotations[key] == before.Annotations[key] {
		t.Errorf("the checksum is %q before and after", before.Annotations[key])
	}
	wantEqual(t, "pods", template("{service: {port: 443}, replicas: 5, rbac: {groups: [developers]}}").String(), before.String())
}

func TestFull(t *testing.T) {
	m := makeAll(t, fileValues(t, "testdata/full.yaml"))
	deployment := only[*appsv1.Deployment](t, m)
	if deployment.Spec.Replicas != nil {
		t.Errorf("replicas is %d besides an autoscaler", *deployment.Spec.Replicas)
	}
	wantEqual(t, "image", deployment.Spec.Template.Spec.Containers[0].Image,
		"registry.example.com/spliceway@sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef")
	wantEqual(t, "grace period", *deployment.Spec.Template.Spec.TerminationGracePeriodSeconds, 90+12*3600+30)
	wantEqual(t, "metrics of the autoscaler", len(only[*autoscalingv2.HorizontalPodAutoscaler](t, m).Spec.Metrics), 2)
	wantEqual(t, "volume", only[*corev1.PersistentVolumeClaim](t, m).Spec.AccessModes, []string{"ReadWriteMany"})
	certificate := only[*certmanagerv1.Certificate](t, m).Spec
	wantEqual(t, "dnsNames", certificate.DNSNames, []string{"gateway.example.com", "gw-spliceway.access.svc",
		"gw-spliceway.access.svc.cluster.local", "cluster-a.int", "prod.int", "old.int"})
	wantEqual(t, "ipAddresses", certificate.IPAddresses, []string{"192.0.2.1", "10.0.0.1", "2001:db8::1"})
	cfg, _ := load(t, m)
	wantEqual(t, "limits.connections", cfg.Limits.Connections, 1000000)
}

// A profile of the node's is for the gateway alone: the hook, and a gateway without
// one, have that of the container runtime.
func TestSeccomp(t *testing.T) {
	for assignment, want := range map[string]*corev1.SeccompProfile{
		"{}": nil,
		"seccomp: {localhostProfile: profiles/spliceway.json}": {Type: corev1.SeccompProfileTypeLocalhost, LocalhostProfile: new("profiles/spliceway.json")},
	} {
		m := makeAll(t, set(t, assignment))
		pod, hook := only[*appsv1.Deployment](t, m).Spec.Template.Spec, only[*batchv1.Job](t, m).Spec.Template.Spec
		wantEqual(t, assignment+": container", pod.Containers[0].SecurityContext.SeccompProfile.String(), want.String())
		wantEqual(t, assignment+": capabilities", pod.Containers[0].SecurityContext.Capabilities.Drop, []string{"ALL"})
		wantEqual(t, assignment+": privileges", *pod.Containers[0].SecurityContext.AllowPrivilegeEscalation, false)
		wantEqual(t, assignment+": root file system", *pod.Containers[0].SecurityContext.ReadOnlyRootFilesystem, true)
		for _, spec := range []corev1.PodSpec{pod, hook} {
			wantEqual(t, assignment+": pod", spec.SecurityContext.SeccompProfile.Type, corev1.SeccompProfileTypeRuntimeDefault)
		}
		wantEqual(t, assignment+": hook", hook.Containers[0].SecurityContext.SeccompProfile, (*corev1.SeccompProfile)(nil))
	}
}

// What makes the authority is a hook that no selector of the gateway matches, and
// writes the Secret that the gateway reads.
func TestAuthorityHook(t *testing.T) {
	m := makeAll(t, fileValues(t, "testdata/minimal.yaml"))
	job := only[*batchv1.Job](t, m)
	deployment := only[*appsv1.Deployment](t, m)
	if labels.SelectorFromSet(deployment.Spec.Selector.MatchLabels).Matches(labels.Set(job.Spec.Template.Labels)) {
		t.Errorf("the labels of the job are %v, which the gateway selects", job.Spec.Template.Labels)
	}
	secret := deployment.Spec.Template.Spec.Volumes[0].Projected.Sources[1].Secret.Name
	wantEqual(t, "arguments", job.Spec.Template.Spec.Containers[0].Args, []string{"authority", "--secret", namespace + "/" + secret})
	for _, object := range []metav1.Object{job, only[*rbacv1.Role](t, m), only[*rbacv1.RoleBinding](t, m)} {
		wantEqual(t, object.GetName()+" is a hook", object.GetAnnotations()["helm.sh/hook"], "pre-install,pre-upgrade")
	}
	if accounts := every[*corev1.ServiceAccount](m); len(accounts) != 2 {
		t.Errorf("there are %d accounts, want one of the gateway and one of the hook", len(accounts))
	}
}

// The Service of the metrics is not the one that clients reach.
func TestMetricsStayInside(t *testing.T) {
	for _, s := range every[*corev1.Service](makeAll(t, fileValues(t, "testdata/full.yaml"))) {
		for _, port := range s.Spec.Ports {
			if public := s.Spec.ClusterIP != corev1.ClusterIPNone; public == (port.Name == "metrics") {
				t.Errorf("service %s of type %s has the port %s", s.Name, s.Spec.Type, port.Name)
			}
		}
	}
}

// The gateway's account may do what values say, and nothing else.
func TestRules(t *testing.T) {
	for assignment, want := range map[string][]string{
		"{}": {"impersonate /users []"},
		"rbac: {users: [ann], groups: [dev, ops]}": {"impersonate /users [ann]", "impersonate /groups [dev ops]"},
		"rbac: {users: [ann, '*'], groups: ['*']}": {"impersonate /users []", "impersonate /groups []"},
		"cluster: {impersonateExtra: true}":        {"impersonate /users []", "impersonate authentication.k8s.io/userextras/spliceway-connection-id []"},
		"rbac: {groups: [dev], constrained: {enabled: true, rules: [{apiGroups: [''], resources: [pods, pods/log], verbs: [get, list]}]}}": {
			"impersonate:user-info authentication.k8s.io/users []", "impersonate:user-info authentication.k8s.io/groups [dev]",
			"impersonate-on:user-info:get,impersonate-on:user-info:list /pods,pods/log []"},
	} {
		var got []string
		for _, r := range only[*rbacv1.ClusterRole](t, makeAll(t, set(t, assignment))).Rules {
			names := "[" + strings.Join(r.ResourceNames, " ") + "]"
			got = append(got, strings.Join(r.Verbs, ",")+" "+strings.Join(r.APIGroups, ",")+"/"+strings.Join(r.Resources, ",")+" "+names)
		}
		wantEqual(t, assignment, strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

// The notes say what to do next, and what is dangerous.
func TestNotes(t *testing.T) {
	for file, want := range map[string][]string{
		"minimal.yaml":  {`get secret gw-spliceway-authority -o jsonpath='{.data.tls\.crt}'`, "gateway-ca.crt\n\nand reach it", "yet to be added to tls.names.\n\nThen", "NOT recorded", "may impersonate no group"},
		"full.yaml":     {`get secret gw-spliceway-tls -o jsonpath='{.data.ca\.crt}'`, "--gateway gateway.example.com:443 ", "go on for 12h at most"},
		"lines.yaml":    {"gw-spliceway\n\nClients verify it", "in the secret gateway-tls, here gateway-ca.crt,\nand reach it"},
		"existing.yaml": {"get secret company-authority", "may impersonate ANY group"},
		"scratch.yaml":  {"LOST with their pod", "may impersonate no group"},
	} {
		notes := makeAll(t, fileValues(t, filepath.Join("testdata", file))).notes
		for _, text := range want {
			if !strings.Contains(notes, text) {
				t.Errorf("%s: the notes lack %q:\n%s", file, text, notes)
			}
		}
		for _, warning := range []string{"NOT recorded", "ANY group", "LOST with", "no group"} {
			if strings.Contains(notes, warning) && !slices.ContainsFunc(want, func(w string) bool { return strings.Contains(w, warning) }) {
				t.Errorf("%s: the notes warn of %q:\n%s", file, warning, notes)
			}
		}
	}
}
