// Package stack runs the real spliceway binary around a test cluster, each part a
// process of its own:
//
//	kubectl ── connect ──(outer TLS, CONNECT, inner TLS)── serve ── API server
//	               └──────── token ─────── issuer ─── keys ──┘
//
// Start writes keys, certificates and configuration files into one directory and
// waits until gateway and issuer are ready; Stack.Connect adds a connect helper
// for one user, and a kubeconfig that leads through it. Each process writes to
// NAME.log in that directory. Stop, and the end of this process, end those
// processes and no others.
package stack
