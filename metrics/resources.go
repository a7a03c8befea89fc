package metrics

import "strings"

// Values of resource that are no resource's name.
const resourceNone = "none" // the request is for no resource: discovery, health, version

// builtin has the resources that Kubernetes itself serves, by API group. One that is
// not here, as any custom resource, counts as other: see doc.go for why.
var builtin = map[string]string{
	"": "bindings configmaps endpoints events limitranges namespaces nodes persistentvolumeclaims persistentvolumes pods " +
		"podtemplates replicationcontrollers resourcequotas secrets serviceaccounts services",
	"admissionregistration.k8s.io": "mutatingadmissionpolicies mutatingadmissionpolicybindings mutatingwebhookconfigurations " +
		"validatingadmissionpolicies validatingadmissionpolicybindings validatingwebhookconfigurations",
	"apiextensions.k8s.io":         "customresourcedefinitions",
	"apiregistration.k8s.io":       "apiservices",
	"apps":                         "controllerrevisions daemonsets deployments replicasets statefulsets",
	"authentication.k8s.io":        "selfsubjectreviews tokenreviews",
	"authorization.k8s.io":         "localsubjectaccessreviews selfsubjectaccessreviews selfsubjectrulesreviews subjectaccessreviews",
	"autoscaling":                  "horizontalpodautoscalers",
	"batch":                        "cronjobs jobs",
	"certificates.k8s.io":          "certificatesigningrequests",
	"coordination.k8s.io":          "leases",
	"discovery.k8s.io":             "endpointslices",
	"events.k8s.io":                "events",
	"flowcontrol.apiserver.k8s.io": "flowschemas prioritylevelconfigurations",
	"networking.k8s.io":            "ingresses ingressclasses ipaddresses networkpolicies servicecidrs",
	"node.k8s.io":                  "runtimeclasses",
	"policy":                       "poddisruptionbudgets",
	"rbac.authorization.k8s.io":    "clusterrolebindings clusterroles rolebindings roles",
	"resource.k8s.io":              "deviceclasses resourceclaims resourceclaimtemplates resourceslices",
	"scheduling.k8s.io":            "priorityclasses",
	"storage.k8s.io":               "csidrivers csinodes csistoragecapacities storageclasses volumeattachments volumeattributesclasses",
}

// subresources are those that are counted apart; any other counts as its resource.
var subresources = []string{"pods/attach", "pods/exec", "pods/log", "pods/portforward", "pods/proxy", "nodes/proxy", "services/proxy"}

// resources are the label values of resource.
type resources struct {
	names  []string                  // the label values
	groups map[string]map[string]int // by API group and resource, places in names
	subs   map[int]map[string]int    // by place of the resource and by subresource, places in names
}

// Places in resources.names that are always there.
const (
	placeOther = iota
	placeNone
)

func newResources() *resources {
	r := &resources{names: []string{other, resourceNone}, groups: make(map[string]map[string]int), subs: make(map[int]map[string]int)}
	places := make(map[string]int) // events are in two groups
	for group, list := range builtin {
		r.groups[group] = make(map[string]int)
		for name := range strings.FieldsSeq(list) {
			if _, again := places[name]; !again {
				places[name] = len(r.names)
				r.names = append(r.names, name)
			}
			r.groups[group][name] = places[name]
		}
	}
	for _, path := range subresources {
		name, sub, _ := strings.Cut(path, "/")
		at := places[name]
		if r.subs[at] == nil {
			r.subs[at] = make(map[string]int)
		}
		r.subs[at][sub] = len(r.names)
		r.names = append(r.names, path)
	}
	return r
}

// Resource returns the word that the metrics have for what a request is for, as pods
// or pods/exec: empty if it is for no resource, or for one that counts as other.
func (c *Cluster) Resource(group, resource, subresource []byte) string {
	r := c.vecs.resources
	at := r.place(group, resource, subresource)
	if at == placeOther || at == placeNone {
		return ""
	}
	return r.names[at]
}

// place returns where in names the value for a resource is. It does not allocate.
func (r *resources) place(group, resource, subresource []byte) int {
	if len(resource) == 0 {
		return placeNone
	}
	at := r.groups[string(group)][string(resource)] // else zero, which is placeOther
	if sub, ok := r.subs[at][string(subresource)]; ok {
		return sub
	}
	return at
}
