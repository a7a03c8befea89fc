package helm

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// Wrong values are refused, each with a message that names them.
func TestRefused(t *testing.T) {
	for assignment, want := range map[string]string{
		"image: {repository: ''}":               "image.repository is required",
		"image: {digest: 0123}":                 "at '/image/digest'",
		"image: {digest: 'sha256:abc'}":         "at '/image/digest'",
		"replicas: two":                         "at '/replicas': got string, want integer",
		"replica: 2":                            "additional properties 'replica' not allowed",
		"config: {limits: {conections: 3}}":     "at '/config/limits': additional properties 'conections' not allowed",
		"config: {listen: ':443'}":              "at '/config': additional properties 'listen' not allowed",
		"config: {recordings: {dir: /tmp}}":     "at '/config/recordings': additional properties 'dir' not allowed",
		"config: {timeouts: {idle: 2}}":         "at '/config/timeouts/idle': got number, want string",
		"config: {timeouts: {idle: 2d}}":        "at '/config/timeouts/idle'",
		"config: {drain: {timeout: 1.5h}}":      "at '/config/drain/timeout'",
		"config: {drain: {timeout: null}}":      "at '/config/drain': missing property 'timeout'",
		"config: {log: {level: loud}}":          "at '/config/log/level'",
		"config: {authn: {issuer: ''}}":         "config.authn.issuer and config.authn.audience are required",
		"config: {authn: {jwksURL: ''}}":        "config.authn.jwksURL is required",
		"config: {recordings: {lines: stdout}}": "recordings.sealKeySecret is required",
		"cluster: {address: ''}":                "cluster.address is required",
		"cluster: {enabled: false}":             "there is no cluster",
		"extraClusters: [{name: prod}]":         "missing properties 'address', 'server', 'secretName'",
		"extraClusters: [{name: a/b, address: a, server: 'https://a', secretName: a}]": "at '/extraClusters/0/name'",
		"tls: {source: secrets}":                         "value must be one of 'authority', 'secret', 'cert-manager'",
		"tls: {source: secret}":                          "tls.secretName is required",
		"tls: {source: cert-manager}":                    "tls.certManager.issuerRef.name is required",
		"rbac: {users: []}":                              "at '/rbac/users': minItems",
		"rbac: {constrained: {rules: [{verbs: ['*']}]}}": "at '/rbac/constrained/rules/0/verbs/0'",
		"recordings: {storage: s3}":                      "value must be one of 'none', 'claim', 'emptyDir'",
		"seccomp: {localhostProfile: /profiles/a.json}":  "at '/seccomp/localhostProfile'",
		"prometheusRule: {alertLabels: {severity: 1}}":   "at '/prometheusRule/alertLabels/severity'",
		"service: {type: ExternalName}":                  "at '/service/type'",
	} {
		_, err := render(t, set(t, assignment), "v1.36.0")
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got %v, want %q", assignment, err, want)
		}
	}
}

// Constrained impersonation is refused where the cluster does not have it: there the
// gateway could impersonate nobody.
func TestConstrainedNeedsKubernetes(t *testing.T) {
	v := set(t, "rbac: {constrained: {enabled: true}}")
	if _, err := render(t, v, "v1.34.9"); err == nil || !strings.Contains(err.Error(), "rbac.constrained needs Kubernetes 1.36") {
		t.Errorf("got %v, want a refusal", err)
	}
	for _, version := range []string{"v1.35.0", "v1.36.3-gke.1"} {
		if _, err := render(t, v, version); err != nil {
			t.Errorf("%s: %v", version, err)
		}
	}
}

// schema is a part of values.schema.json.
type schema struct {
	Ref        string             `json:"$ref"`
	Type       string             `json:"type"`
	Properties map[string]*schema `json:"properties"`
	Additional any                `json:"additionalProperties"`
	Items      *schema            `json:"items"`
}

func readSchema(t *testing.T) *schema {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(chartDir, "values.schema.json"))
	if err != nil {
		t.Fatal(err)
	}
	s := new(schema)
	if err := json.Unmarshal(text, s); err != nil {
		t.Fatal(err)
	}
	return s
}

// Every value has a default and a schema.
func TestSchemaIsComplete(t *testing.T) {
	compare(t, "", readSchema(t), fileValues(t, filepath.Join(chartDir, "values.yaml")))
}

func compare(t *testing.T, path string, s *schema, defaults map[string]any) {
	t.Helper()
	for key, value := range defaults {
		property := s.Properties[key]
		if property == nil {
			t.Errorf("the schema has no %s%s", path, key)
		} else if inner, ok := value.(map[string]any); ok && property.Properties != nil {
			compare(t, path+key+".", property, inner)
		}
	}
	for key := range s.Properties {
		if _, there := defaults[key]; !there && path+key != "global" && path != "config." && path != "config.authn." && !strings.HasSuffix(path, "issuerRef.") {
			t.Errorf("values.yaml has no %s%s", path, key)
		}
	}
}
