package session

import "io"

// File is one entry of a tar archive that went through an exec.
type File struct {
	Name string // as in the archive: any octets, so quote it
	Link string // where a link leads to; empty for what is no link
	Size int64  // octets of content; of a sparse file with its holes
	Mode uint32 // permission bits, with setuid, setgid and sticky

	// SHA256 is of the content. It is all zero, and Hashed is false, for a sparse file, for a link, and for a file that
	// the archive did not hold to its end.
	SHA256 [32]byte
	Hashed bool

	Sparse bool
	Cut    bool // the archive ended in the middle of the content

	Upload bool // into the container; else out of it
}

// Direction returns "upload" for a file that went into the container, and "download" for one that came out.
func (f *File) Direction() string {
	if f.Upload {
		return "upload"
	}
	return "download"
}

// Files watches a session for tar archives: what the command of an exec without a terminal reads or writes, as kubectl cp
// has it, whatever the command is called. It is a Sink that lets every event pass, and it is no replacement for one that
// records: what is no tar, or no longer looks like one, is not reported at all.
//
// It keeps 512 octets and the names of the entry at hand for each direction, 64 KiB at the most, and starts no goroutine.
type Files struct {
	// Report is called when an entry is complete, from within Event. Required.
	Report func(*File)

	// Content returns where the content of a regular file goes, or nil if it is not kept. Its errors are the writer's to
	// remember. It is called before the content comes, with what is known by then. If nil, nothing is kept.
	Content func(*File) io.Writer

	up, down tarReader
	inert    bool
}

// NewFiles returns a watcher for a session. Of one that can't hold an archive it reports nothing.
func NewFiles(info *Info, report func(*File)) *Files {
	f := &Files{Report: report, inert: info.Kind != KindExec || info.TTY}
	f.up.files, f.down.files = f, f
	f.up.upload = true
	f.up.next.reset()
	f.down.next.reset()
	return f
}

// Event implements Sink. It never returns an error.
func (f *Files) Event(e *Event) error {
	if f.inert {
		return nil
	}
	switch e.Type {
	case Stdin:
		f.up.write(e.Data)
	case Stdout:
		f.down.write(e.Data)
	case Ended:
		f.up.end()
		f.down.end()
	}
	return nil
}
