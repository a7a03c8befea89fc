// Package e2e tests the spliceway binary with real clients against a real API
// server; see README.md. It is a module of its own, so that the product does not
// depend on Kubernetes' own code.
//
// One cluster serves a whole run (TestMain). Most tests share one gateway, which
// sharedStack starts; tests that break something start their own. Tests that
// stop the API server are not parallel: the parallel ones wait until they are
// over.
//
// With E2E_DIRECT=1 kubectl goes to the API server itself, as the same user and
// groups. A test that fails then as well tells nothing about the gateway.
package e2e
