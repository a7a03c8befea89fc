package e2e

import (
	"fmt"
	"slices"
	"sync"
	"testing"

	authenticationv1 "k8s.io/api/authentication/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"

	"github.com/spliceway/spliceway/e2e/stack"
)

// TestUsersShareThePool lets two users with different rights send many requests
// at once over the same upstream connections. Each answer must be that user's.
func TestUsersShareThePool(t *testing.T) {
	t.Parallel()
	const workers, rounds = 4, 25
	var wg sync.WaitGroup
	for _, user := range []stack.User{ann, vic} {
		k := kubectlAs(t, user)
		for range workers {
			client := k.client(t) // a connection for each: client-go shares one per configuration
			wg.Go(func() {
				for range rounds {
					checkIdentity(t, client, user)
				}
			})
		}
	}
	wg.Wait()
	if direct() {
		return
	}
	dialled := metric(t, shared.stack, "spliceway_upstream_dials_total", `result="ok"`)
	requests := metric(t, shared.stack, "spliceway_requests_total")
	if dialled*4 > requests {
		t.Errorf("%v upstream connections for %v requests: the pool isn't used", dialled, requests)
	}
}

// checkIdentity asks who the user is, for something that only developers may
// read, and for something that both may.
func checkIdentity(t *testing.T, client *kubernetes.Clientset, user stack.User) {
	review, err := client.AuthenticationV1().SelfSubjectReviews().Create(t.Context(),
		&authenticationv1.SelfSubjectReview{}, metav1.CreateOptions{})
	if err != nil {
		t.Errorf("whoami of %s: %v", user.Name, err)
		return
	}
	wantEqual(t, "user", review.Status.UserInfo.Username, user.Name)
	wantEqual(t, "groups of "+user.Name, fmt.Sprint(review.Status.UserInfo.Groups),
		fmt.Sprint(append(slices.Clone(user.Groups), "system:authenticated")))

	_, err = client.CoreV1().ConfigMaps("default").List(t.Context(), metav1.ListOptions{Limit: 1})
	developer := slices.Contains(user.Groups, run.cluster.DevelopersGroup)
	if developer && err != nil || !developer && !apierrors.IsForbidden(err) {
		t.Errorf("listing ConfigMaps as %s: %v", user.Name, err)
	}
	if _, err := client.CoreV1().Pods("default").Get(t.Context(), "demo", metav1.GetOptions{}); err != nil {
		t.Errorf("getting a pod as %s: %v", user.Name, err)
	}
}
