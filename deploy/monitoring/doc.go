// Package monitoring has no code: it is for the tests of the alert rules and of the
// dashboard beside it, which parse every expression as Prometheus does, look for
// names of metrics, labels and label values that the gateway does not have, and run
// both over series. It is a module of its own so that no other part depends
// on Prometheus.
package monitoring
