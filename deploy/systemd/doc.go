// Package systemd has the units of the gateway, the issuer and the connect helper,
// and the tests that systemd's own tools make of them. See docs/operations.md.
package systemd
