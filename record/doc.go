// Package record writes sessions as asciicast files that prove themselves, and
// reads them again.
//
// A [Store] is a directory. [Store.Start] gives a [Recorder] for one session,
// whose methods take what happened in the order in which it happened:
//
//	2026/03/09/01jp….cast   asciicast v2 or v3, appended to as it happens
//	2026/03/09/01jp….seal   digests and signatures over the .cast
//	2026/03/09/01jp….json   Metadata, replaced at the start and at the end
//	2026/03/09/01jp….upload, .download   content of copied files, if it is kept
//	2026/03/09/01jp….hold   there if the recording must be kept
//	seal.key, seal.pub      Ed25519, PEM; seal.pub alone checks a seal
//	seal-ID.pub             keys that were replaced, for what they have sealed
//
// # What a caller can rely on
//
// A method of a Recorder returns nil only when write(2) has taken all that it
// was given, so that a kill of this process loses none of it. Between
// [Recorder.Gather] and [Recorder.Flush] it is Flush that answers for all.
// A crash of the machine loses at most what was written since the last fsync:
// Config.Sync, or nothing with [SyncAlways]. A file that was removed or replaced is
// noticed with the fsync of what is written next, and within ten seconds and
// Config.Sync if nothing is.
//
// The first error of a Recorder stays. Under [Strict] every later call returns
// it and the caller has to end the session; under [BestEffort] the calls return
// nil and count what is lost, which the metadata then tells.
//
// Each recording has a lock of its own and, while it writes, a buffer; a call
// waits for no disk but that of its own write. Fsync happens in goroutines of
// the store and, with SyncAlways, in the calls.
//
// # What is in the file
//
// Stock players play the .cast as it is. Four things are added that they do
// not see or take as text:
//
//   - Asciicast text is UTF-8, a terminal's is not always. An octet that is not
//     part of valid UTF-8 becomes the private character U+EC00 + octet, and so
//     does each octet of a character U+EC80 to U+ECFF that was really there.
//     The way back is therefore unique: [AppendOctets].
//   - Without a terminal on the far side nothing turns LF into CR LF, so one CR
//     is put before every LF, whatever precedes it, as a terminal would. To
//     remove one CR before every LF gives back what was sent.
//   - An event of code "s" with the text stderr or stdout tells of which stream
//     the output events after it are. Players ignore codes that they do not
//     know. It is only there if anything came on stderr.
//   - An event of code "u" has the octets, each as U+EC00 + octet, of a character
//     whose rest has not come. Nobody needs it but who reads a recording that
//     ends there: the next output of its stream begins with the whole character.
//
// # The seal
//
// The .cast is cut into blocks of 1024 octets and shorter ones at checkpoints.
// Each block's digest is the SHA-256 of the digest before and the block. The
// .seal lists the first 16 octets of each, and from time to time a line with a
// whole digest and a signature, the last of them saying that this is the end.
// [Verify] needs the public key only.
//
// # Limitations
//
// The seal proves that the gateway wrote a recording, not that there was no
// other: to remove all files of a session is noticed by those who keep the
// audit log. What was written after the last checkpoint of a gateway that was
// killed is sealed when the next one starts, and said to be so. Who can read
// the private key can forge.
package record
