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
// The number of time series is bounded whatever peers send: verbs and resources are
// those of fixed sets or "other", codes are those that HTTP has a name for or
// "other", and any other word is one of the first hundred distinct ones given for
// its label, or "other". Resources are not taken as they come: whoever asks for
// paths that don't exist could fill the list before the real ones are seen. Only
// names out of the configuration have no bound but its length. Users, paths and
// namespaces are never labels; they are in the audit log.
//
// [Families] describes all of it, and [Document] is the reference for operators.
package metrics
