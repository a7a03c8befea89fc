package helm

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	certmanagerv1 "github.com/cert-manager/cert-manager/pkg/apis/certmanager/v1"
	monitoringv1 "github.com/prometheus-operator/prometheus-operator/pkg/apis/monitoring/v1"
	"helm.sh/helm/v3/pkg/chart/loader"
	"helm.sh/helm/v3/pkg/chartutil"
	"helm.sh/helm/v3/pkg/engine"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/serializer"
	utilyaml "k8s.io/apimachinery/pkg/util/yaml"
	"k8s.io/client-go/kubernetes/scheme"
	"sigs.k8s.io/yaml"
)

const (
	chartDir  = "spliceway"
	namespace = "access"
	release   = "gw"
	notesFile = "NOTES.txt"
)

// setUps returns the names of the files with values.
func setUps(t *testing.T) []string {
	t.Helper()
	files, err := filepath.Glob("testdata/*.yaml")
	if err != nil || len(files) < 3 {
		t.Fatalf("the files with values are %q, %v", files, err)
	}
	return files
}

// values reads values.
func values(t *testing.T, text string) map[string]any {
	t.Helper()
	var v map[string]any
	if err := yaml.UnmarshalStrict([]byte(text), &v); err != nil {
		t.Fatal(err)
	}
	return v
}

// fileValues reads a file of values.
func fileValues(t *testing.T, file string) map[string]any {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return values(t, string(text))
}

// render does as helm template does, for a version of Kubernetes. The result is by
// the template's name.
func render(t *testing.T, v map[string]any, version string) (map[string]string, error) {
	t.Helper()
	chart, err := loader.Load(chartDir)
	if err != nil {
		t.Fatal(err)
	}
	capabilities := chartutil.DefaultCapabilities.Copy()
	capabilities.KubeVersion = chartutil.KubeVersion{Version: version}
	options := chartutil.ReleaseOptions{Name: release, Namespace: namespace, Revision: 1, IsInstall: true}
	all, err := chartutil.ToRenderValues(chart, v, options, capabilities)
	if err != nil {
		return nil, err
	}
	return engine.Render(chart, all)
}

// A manifest is what a set of values makes.
type manifest struct {
	notes   string
	objects []runtime.Object
}

// makeAll renders values, which must be good, and decodes all objects strictly.
func makeAll(t *testing.T, v map[string]any) manifest {
	t.Helper()
	files, err := render(t, v, "v1.36.0")
	if err != nil {
		t.Fatal(err)
	}
	var m manifest
	for name, text := range files {
		if strings.HasSuffix(name, notesFile) {
			m.notes = text
			continue
		}
		documents := utilyaml.NewYAMLReader(bufio.NewReader(strings.NewReader(text)))
		for {
			document, err := documents.Read()
			if err == io.EOF {
				break
			}
			if err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			if len(strings.TrimSpace(string(document))) > 0 {
				m.objects = append(m.objects, decode(t, name, document))
			}
		}
	}
	return m
}

// decode refuses unknown and repeated fields.
func decode(t *testing.T, name string, document []byte) runtime.Object {
	t.Helper()
	known := runtime.NewScheme()
	for _, add := range []func(*runtime.Scheme) error{scheme.AddToScheme, monitoringv1.AddToScheme, certmanagerv1.AddToScheme} {
		if err := add(known); err != nil {
			t.Fatal(err)
		}
	}
	decoder := serializer.NewCodecFactory(known, serializer.EnableStrict).UniversalDeserializer()
	object, _, err := decoder.Decode(document, nil, nil)
	if err != nil {
		t.Fatalf("%s: %v\n%s", name, err, document)
	}
	return object
}

// only returns the one object of a type.
func only[T runtime.Object](t *testing.T, m manifest) T {
	t.Helper()
	all := every[T](m)
	if len(all) != 1 {
		t.Fatalf("there are %d of %T, want one", len(all), *new(T))
	}
	return all[0]
}

// every returns the objects of a type.
func every[T runtime.Object](m manifest) []T {
	var all []T
	for _, object := range m.objects {
		if o, ok := object.(T); ok {
			all = append(all, o)
		}
	}
	return all
}

// kinds are those of all objects, each once.
func (m manifest) kinds() []string {
	var kinds []string
	for _, object := range m.objects {
		kinds = append(kinds, object.GetObjectKind().GroupVersionKind().Kind)
	}
	slices.Sort(kinds)
	return slices.Compact(kinds)
}

// set returns the minimal values with one changed.
func set(t *testing.T, assignment string) map[string]any {
	t.Helper()
	return chartutil.CoalesceTables(values(t, assignment), fileValues(t, "testdata/minimal.yaml"))
}

func wantEqual(t *testing.T, what string, got, want any) {
	t.Helper()
	if fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("%s: got %v, want %v", what, got, want)
	}
}
