// Package packages tests the package for Debian as its users have it: a system is
// bootstrapped and booted under its own systemd, the package installed and set up by
// hand, upgraded under an open session, removed and purged. It needs root,
// mmdebstrap, systemd-nspawn and a mirror of Debian: make package-test.
package packages
