// Package confine takes from a process, once it has opened what it
// serves, the files that it does not need: by Landlock, which needs no privilege
// and can't be undone.
//
// # Contract
//
// [Of] says what is needed for files that are named, [Needs.Apply] takes away
// everything else from all threads of the process and from what it starts, and
// sets no_new_privs. [Needs.Cover] finds out whether other files could be used by a
// process that is confined so: a process can only lose more.
//
// A file may be replaced by rename, and Kubernetes swaps the link to a whole
// folder, so what is allowed is the folder of a file, where it is named and where
// its links lead. Nothing that is open already is touched: sockets, standard
// output, recordings.
//
// # Limitations
//
// Folders that only root can read, of those that contain a named file, become
// readable as before: keep keys in folders of their own. The process may start
// its own program anew, for upgrades, and with it any other in the same folder
// that needs no loader: the folders of loaders and libraries can't be read.
//
// The network is not restricted: the addresses of API servers and issuers change
// with a reload, and Landlock knows neither addresses nor Multipath TCP. A
// firewall, IPAddressAllow= of systemd or a NetworkPolicy does this.
//
// Where the kernel has no Landlock, as other systems and Linux before 5.13, Apply
// does nothing unless it is told that this is an error.
package confine
