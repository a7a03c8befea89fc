// Package testcluster runs a small but real Kubernetes cluster on loopback:
// etcd, kube-apiserver (RBAC, TLS, audit log) and, if asked for, the real
// controllers, all built from their Go modules, with one simulated node. Real
// kubectl works against it, exec, attach, port-forward, cp, logs -f, debug and
// run -it included, over WebSocket and over SPDY. It needs Linux and Go; no
// root, no container engine, no images.
//
// # Contract
//
// A program that calls Start calls Main first: the node is this very program,
// started once more. A Cluster's methods may be called from several goroutines,
// except Stop, StopPrograms, KillAPIServer and StartAPIServer, which have one caller at a time.
// Everything a cluster writes is in its directory, which is removed by Stop.
// Its programs end with the process that started them, however that ends, unless
// Config.Detach is set.
//
// # The simulated node
//
// It runs each container as a local process, with a terminal if the pod asks
// for one, and serves the kubelet's HTTPS endpoints with the kubelet's own
// libraries. It differs from a real node:
//
//   - Images are ignored. A container runs its command and args with the
//     programs of this machine; without a command it runs /bin/sh if it has
//     stdin, and sleeps otherwise.
//   - Containers share the file system, users and network of this machine. Each
//     pod has its own working directory, also as $HOME and $TMPDIR; kubectl cp
//     wants relative paths for that reason.
//   - Port 80 of every pod is a small HTTP server that returns the request body or
//     says hello, and port 7 an echo server. Any other port is that of 127.0.0.1.
//   - Volumes, init containers, probes, resources and valueFrom are ignored.
//   - When the client of an exec with a terminal goes away, the process gets
//     SIGHUP; a real node leaves it running.
//   - Node and pod IP are 127.0.0.1, to which the API server refuses to proxy
//     HTTP ("address not allowed").
//
// Without Config.Controllers nothing acts on Deployments or deletes the content
// of namespaces, and the roles admin, edit and view are empty.
package testcluster
