// Package metrics is the Prometheus registry of the gateway and the only place
// where its metric names are spelled.
//
// [New] makes a [Metrics], whose methods count what happens to the gateway as a
// whole; [Metrics.Cluster] gives the handle that counts what happens towards one
// configured cluster. All methods are safe for concurrent use.
//
// What runs once a request ([Cluster.RequestStarted], [Cluster.RequestDone],
// [Cluster.AddBytes]) does not allocate after the first use of a combination of
// verb and code.
//
// The number of time series is bounded whatever peers send: verbs are those of a
// fixed set or "other", codes are 100 to 599 or "other", and any other word is
// one of the first hundred distinct ones given for its label, or "other". Only
// names out of the configuration have no bound but its length. Users, paths and
// namespaces are never labels; they are in the audit log.
package metrics
