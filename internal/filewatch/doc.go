// Package filewatch keeps a value that is loaded from files in step with
// those files: certificates, keys, tokens.
//
// # Contract
//
// A [Value] always holds a value that was loaded without error. A load that
// fails changes nothing: the value before stays in force, and the load is
// tried again at every check until it succeeds, because what was missing need
// not be visible in the files (a permission, the other half of a pair).
//
// Files are polled with stat, not watched: a poll sees a file that was
// rewritten, replaced by rename, or that appeared behind another symlink, as
// when Kubernetes updates a mounted secret by swapping the symlink ..data; it
// works on every file system and cannot lose an event. A file counts as
// changed when it is another file (device and inode), or when its size or
// modification time differ.
//
// When the files change while they are being loaded, a failed load is
// repeated at once and a successful one at the next check, so that a
// certificate read before a swap and its key read after it are neither
// reported nor kept.
//
// # Limitation
//
// A file that is rewritten in place, to the same size, within the time stamp
// granularity of its file system (some milliseconds) after it was loaded is
// not seen to have changed. Writers that rename a complete file into place,
// as they should for a reader's sake, are always seen.
package filewatch
