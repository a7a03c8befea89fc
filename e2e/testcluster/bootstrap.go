package testcluster

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"time"

	authenticationv1 "k8s.io/api/authentication/v1"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/clientcmd"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"
)

const (
	gatewayNamespace = "gateway"
	gatewayAccount   = "gateway"
	demoPod          = "demo"
	demoContainer    = "main"

	adminsGroup     = "admins"
	developersGroup = "developers"
	viewersGroup    = "viewers"
)

// Info is what a test needs to know of a cluster; cluster.json has it too.
type Info struct {
	Version           string `json:"version"`           // of Kubernetes, e.g. v1.36.3
	Server            string `json:"server"`            // URL of the API server
	CAFile            string `json:"caFile"`            // CA that signed its certificate
	AdminKubeconfig   string `json:"adminKubeconfig"`   // cluster administrator
	GatewayTokenFile  string `json:"gatewayTokenFile"`  // token of the service account gateway
	GatewayKubeconfig string `json:"gatewayKubeconfig"` // the same as a kubeconfig
	GatewayAccount    string `json:"gatewayAccount"`    // its full user name
	Kubectl           string `json:"kubectl"`           // kubectl of the same version
	Namespace         string `json:"namespace"`         // of the pod demo
	Pod               string `json:"pod"`
	Container         string `json:"container"`
	AdminsGroup       string `json:"adminsGroup"`     // may do anything
	DevelopersGroup   string `json:"developersGroup"` // may do anything with core and apps resources in Namespace
	ViewersGroup      string `json:"viewersGroup"`    // may only read pods and logs there
	AuditLog          string `json:"auditLog"`        // of the API server, JSON lines
	Dir               string `json:"dir"`             // with NAME.log of each program
}

// bootstrap creates the objects that tests rely on and writes cluster.json.
func (c *Cluster) bootstrap(ctx context.Context, client *kubernetes.Clientset, server, kubectl string) error {
	if err := createNamespace(ctx, client, gatewayNamespace); err != nil {
		return err
	}
	if err := c.createGateway(ctx, client, server); err != nil {
		return err
	}
	if err := createGroups(ctx, client); err != nil {
		return err
	}
	if err := c.createDemo(ctx, client); err != nil {
		return err
	}
	version, err := client.Discovery().ServerVersion()
	if err != nil {
		return err
	}
	c.Info = Info{
		Version:           version.GitVersion,
		Server:            server,
		CAFile:            c.file("ca.crt"),
		AdminKubeconfig:   c.file("admin.kubeconfig"),
		GatewayTokenFile:  c.file("gateway.token"),
		GatewayKubeconfig: c.file("gateway.kubeconfig"),
		GatewayAccount:    "system:serviceaccount:" + gatewayNamespace + ":" + gatewayAccount,
		Kubectl:           kubectl,
		Namespace:         metav1.NamespaceDefault,
		Pod:               demoPod,
		Container:         demoContainer,
		AdminsGroup:       adminsGroup,
		DevelopersGroup:   developersGroup,
		ViewersGroup:      viewersGroup,
		AuditLog:          c.file("audit.log"),
		Dir:               c.dir,
	}
	data, err := json.MarshalIndent(c.Info, "", "  ")
	if err != nil {
		return err
	}
	return os.WriteFile(c.file("cluster.json"), append(data, '\n'), 0o600)
}

func createNamespace(ctx context.Context, client *kubernetes.Clientset, name string) error {
	ns := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: name}}
	_, err := client.CoreV1().Namespaces().Create(ctx, ns, metav1.CreateOptions{})
	return ignoreExists(err)
}

// createGateway creates the service account of the gateway, lets it
// impersonate anyone, and writes a token for it that is good for a day.
func (c *Cluster) createGateway(ctx context.Context, client *kubernetes.Clientset, server string) error {
	accounts := client.CoreV1().ServiceAccounts(gatewayNamespace)
	account := &corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Name: gatewayAccount}}
	if _, err := accounts.Create(ctx, account, metav1.CreateOptions{}); err != nil {
		return err
	}
	impersonate := []string{"impersonate"}
	role := &rbacv1.ClusterRole{
		ObjectMeta: metav1.ObjectMeta{Name: "gateway-impersonator"},
		Rules: []rbacv1.PolicyRule{
			{Verbs: impersonate, APIGroups: []string{""}, Resources: []string{"users", "groups", "serviceaccounts"}},
			// uids and userextras/KEY. RBAC has no wildcard for "any key", only one for "any resource".
			{Verbs: impersonate, APIGroups: []string{"authentication.k8s.io"}, Resources: []string{"*"}},
		},
	}
	if _, err := client.RbacV1().ClusterRoles().Create(ctx, role, metav1.CreateOptions{}); err != nil {
		return err
	}
	binding := &rbacv1.ClusterRoleBinding{
		ObjectMeta: metav1.ObjectMeta{Name: role.Name},
		RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: role.Name},
		Subjects: []rbacv1.Subject{
			{Kind: "ServiceAccount", Namespace: gatewayNamespace, Name: gatewayAccount},
		},
	}
	if _, err := client.RbacV1().ClusterRoleBindings().Create(ctx, binding, metav1.CreateOptions{}); err != nil {
		return err
	}
	token, err := requestToken(ctx, client, 24*time.Hour)
	if err != nil {
		return err
	}
	if err := os.WriteFile(c.file("gateway.token"), []byte(token), 0o600); err != nil {
		return err
	}
	return c.writeKubeconfig("gateway", server, func(user *clientUser) {
		user.TokenFile = c.file("gateway.token")
	})
}

// GatewayToken returns a new token of the gateway's service account, which is
// good for lifetime: ten minutes or more.
func (c *Cluster) GatewayToken(ctx context.Context, lifetime time.Duration) (string, error) {
	client, err := c.client()
	if err != nil {
		return "", err
	}
	return requestToken(ctx, client, lifetime)
}

func requestToken(ctx context.Context, client *kubernetes.Clientset, lifetime time.Duration) (string, error) {
	seconds := int64(lifetime.Seconds())
	request := &authenticationv1.TokenRequest{Spec: authenticationv1.TokenRequestSpec{ExpirationSeconds: &seconds}}
	accounts := client.CoreV1().ServiceAccounts(gatewayNamespace)
	request, err := accounts.CreateToken(ctx, gatewayAccount, request, metav1.CreateOptions{})
	if err != nil {
		return "", err
	}
	return request.Status.Token, nil
}

// createGroups gives one group all rights, and two groups rights in the
// namespace default. (The built-in roles admin, edit and view are empty without
// kube-controller-manager.)
func createGroups(ctx context.Context, client *kubernetes.Clientset) error {
	admins := &rbacv1.ClusterRoleBinding{
		ObjectMeta: metav1.ObjectMeta{Name: adminsGroup},
		RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: "cluster-admin"},
		Subjects:   []rbacv1.Subject{{APIGroup: rbacv1.GroupName, Kind: "Group", Name: adminsGroup}},
	}
	if _, err := client.RbacV1().ClusterRoleBindings().Create(ctx, admins, metav1.CreateOptions{}); err != nil {
		return err
	}
	all := []string{"*"}
	read := []string{"get", "list", "watch"}
	for group, rules := range map[string][]rbacv1.PolicyRule{
		developersGroup: {
			{Verbs: all, APIGroups: []string{"", "apps"}, Resources: all},
		},
		viewersGroup: {
			{Verbs: read, APIGroups: []string{""}, Resources: []string{"pods", "pods/log", "pods/status"}},
		},
	} {
		role := &rbacv1.Role{ObjectMeta: metav1.ObjectMeta{Name: group}, Rules: rules}
		if _, err := client.RbacV1().Roles(metav1.NamespaceDefault).Create(ctx, role, metav1.CreateOptions{}); err != nil {
			return err
		}
		binding := &rbacv1.RoleBinding{
			ObjectMeta: metav1.ObjectMeta{Name: group},
			RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "Role", Name: group},
			Subjects:   []rbacv1.Subject{{APIGroup: rbacv1.GroupName, Kind: "Group", Name: group}},
		}
		if _, err := client.RbacV1().RoleBindings(metav1.NamespaceDefault).Create(ctx, binding, metav1.CreateOptions{}); err != nil {
			return err
		}
	}
	return nil
}

// createDemo creates the pod demo and waits until it runs on the simulated node.
func (c *Cluster) createDemo(ctx context.Context, client *kubernetes.Clientset) error {
	pods := client.CoreV1().Pods(metav1.NamespaceDefault)
	pod := &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Name: demoPod, Labels: map[string]string{"app": demoPod}},
		Spec: corev1.PodSpec{Containers: []corev1.Container{{
			Name:    demoContainer,
			Image:   "localhost/shell:1", // for a node that is not simulated
			Command: []string{"/bin/sh", "-c", `i=0; while :; do i=$((i+1)); echo "demo line $i"; sleep 1; done`},
			Ports:   []corev1.ContainerPort{{ContainerPort: httpPort}, {ContainerPort: echoPort}},
		}}},
	}
	// At first the namespace or its service account may still be missing.
	if err := c.waitFor(ctx, "pod demo to be accepted", func() error {
		_, err := pods.Create(ctx, pod, metav1.CreateOptions{})
		return ignoreExists(err)
	}); err != nil {
		return err
	}
	return c.waitFor(ctx, "pod demo to run", func() error {
		pod, err := pods.Get(ctx, demoPod, metav1.GetOptions{})
		if err == nil && pod.Status.Phase != corev1.PodRunning {
			err = fmt.Errorf("phase is %s", pod.Status.Phase)
		}
		return err
	})
}

func ignoreExists(err error) error {
	if apierrors.IsAlreadyExists(err) {
		return nil
	}
	return err
}

type clientUser = clientcmdapi.AuthInfo

// writeKubeconfig writes NAME.kubeconfig for the user that set describes.
func (c *Cluster) writeKubeconfig(name, server string, set func(*clientUser)) error {
	config := clientcmdapi.NewConfig()
	config.Clusters["testcluster"] = &clientcmdapi.Cluster{Server: server, CertificateAuthority: c.file("ca.crt")}
	config.AuthInfos[name] = &clientUser{}
	set(config.AuthInfos[name])
	config.Contexts[name] = &clientcmdapi.Context{Cluster: "testcluster", AuthInfo: name, Namespace: metav1.NamespaceDefault}
	config.CurrentContext = name
	return clientcmd.WriteToFile(*config, c.file(name+".kubeconfig"))
}
