// Package helm has the chart spliceway, and the tests that Helm's own library, the
// Go types of what it makes, and the gateway's configuration make of it. It is a
// module of its own, so that the product does not depend on Helm. The chart is
// installed into a real API server by the tests in folder e2e.
package helm
