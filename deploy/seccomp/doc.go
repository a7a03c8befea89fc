// Package seccomp has the profile of system calls for the gateway in a container,
// spliceway.json: everything that it does not name is answered as if the kernel
// did not have it. It is what the gateway was seen to call while it served,
// recorded, confined itself and was upgraded twice, and what the Go runtime calls
// under other circumstances. TestServe runs the gateway under it.
package seccomp
