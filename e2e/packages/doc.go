// Package packages tests the package for Debian as its users have it: a system is
// bootstrapped and booted under its own systemd, the package installed and set up by
// hand, upgraded under an open session, removed and purged. In between is done what
// docs/operations.md says of systemd, and thereafter the same with the rpm. It needs
// root, mmdebstrap, systemd-nspawn and a mirror of Debian: make package-test.
package packages
