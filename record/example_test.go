package record_test

import (
	"fmt"
	"io"
	"log"
	"os"
	"time"

	"github.com/spliceway/spliceway/record"
)

// A session is recorded, checked with the public key, and read again.
func Example() {
	dir, err := os.MkdirTemp("", "recordings")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(dir)
	store, err := record.Open(record.Config{Dir: dir})
	if err != nil {
		log.Fatal(err)
	}
	defer store.Close()

	r, err := store.Start(record.Session{Kind: "exec", User: "alice", Cluster: "prod", TTY: true}, nil)
	if err != nil {
		log.Fatal(err) // a strict session is refused
	}
	if err := r.Output(250*time.Millisecond, []byte("$ \xe6\xbc")); err != nil {
		log.Fatal(err) // a strict session is ended
	}
	if err := r.Output(500*time.Millisecond, []byte("\xa2\xff\r\n")); err != nil {
		log.Fatal(err)
	}
	if err := r.Close(record.End{Cause: "the token has ended"}); err != nil {
		log.Fatal(err)
	}

	found, err := record.Find(dir, r.ID())
	if err != nil {
		log.Fatal(err)
	}
	verdict, err := record.Verify(found.Path, store.PublicKey())
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(verdict.OK(), found.State)
	file, err := record.OpenFile(found.Path)
	if err != nil {
		log.Fatal(err)
	}
	defer file.Close()
	for {
		event, err := file.Next()
		if err == io.EOF {
			break
		}
		if err != nil {
			log.Fatal(err)
		}
		fmt.Printf("%v %c %q\n", event.Time, event.Code, record.AppendOctets(nil, event.Text, file.Header.CRAdded))
	}
	// Output:
	// true complete
	// 250ms o "$ "
	// 500ms o "漢\xff\r\n"
	// 500ms m "the token has ended"
}
