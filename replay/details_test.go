package replay

import (
	"encoding/json"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/spliceway/spliceway/record"
)

// everything is metadata with every field, some of them hostile.
func everything() *record.Recording {
	ended, exit := start.Add(time.Hour), 137
	return &record.Recording{
		Path: "/r/01x.cast",
		Metadata: record.Metadata{
			Version: 1, State: record.StateRecovered, Format: record.V2,
			Session: record.Session{
				ID: "01jp8x4c2v7m8q3n5s6t9w0y2z", Started: start, Kind: "exec", Protocol: "spdy",
				User: "eve\x1b]52;c;eA==\a", Groups: []string{"a", "b\u202ec"}, Subject: "u-1", Service: true, Device: "d", RemoteAddr: "1.2.3.4:5",
				ConnID: "c", RequestID: "r", Cluster: "prod", Namespace: "default", Pod: "web-0", Container: "nginx", Node: "n", Path: "/api",
				Command: []string{"sh", "-c", "it's"}, TTY: true, Stdin: true, Cols: 80, Rows: 24, Rule: "oncall",
			},
			Subprotocol: "v4.channel.k8s.io", Ended: &ended, Duration: 3600.5, Exit: &exit, Cause: "the gateway stopped", Size: 2048, Output: 100, ErrorOutput: 3, Input: 5,
			Truncated: &record.Truncation{Reason: "full", Time: ended, Offset: 2000, Lost: 7},
			Recovery:  &record.Recovery{Time: ended, Proven: 1024, Torn: 3, Fault: "octets are missing"},
			Transfers: []record.Transfer{{Name: "../x\ny", Direction: "upload", Size: 10, Mode: 0o644, SHA256: "ab"}},
			Forwards:  []record.Forward{{Port: 80, Connections: 2, BytesUp: 1, BytesDown: 2048}},
			Deletion:  &record.Deletion{Time: ended, Reason: "old", Size: 2048},
			Hold:      &record.Hold{By: "legal", Reason: "case 7", Since: start},
		},
	}
}

func golden(t *testing.T, name, got string) {
	t.Helper()
	path := "testdata/" + name
	if os.Getenv("UPDATE_GOLDEN") != "" {
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if want := read(t, path); got != want {
		t.Errorf("it is\n%s\nand %s\n%s", got, path, want)
	}
}

func TestWriteDetails(t *testing.T) {
	var b strings.Builder
	if err := WriteDetails(&b, everything()); err != nil {
		t.Fatal(err)
	}
	golden(t, "details.txt", b.String())
}

func TestTable(t *testing.T) {
	for name, table := range map[string]*Table{"table.txt": {}, "table-80.txt": {Width: 80}, "table-wide.txt": {Wide: true}} {
		table.Add(everything())
		deleted := everything()
		deleted.State, deleted.User, deleted.Exit, deleted.Truncated, deleted.Hold = record.StateDeleted, "ann", nil, nil, nil
		table.Add(deleted)
		var b strings.Builder
		if err := table.Write(&b); err != nil {
			t.Fatal(err)
		}
		golden(t, name, b.String())
	}
}

func TestWriteJSON(t *testing.T) {
	r := everything()
	r.Pod = "a\u009b\U000e0041\u202eb"
	var b strings.Builder
	if err := WriteJSON(&b, r); err != nil {
		t.Fatal(err)
	}
	line := strings.TrimSuffix(b.String(), "\n")
	if strings.IndexFunc(line, unprintable) >= 0 {
		t.Errorf("there are controls in %q", line)
	}
	var read document
	if err := json.Unmarshal([]byte(line), &read); err != nil || read.Pod != r.Pod || read.Status != "recovered,truncated,unsealed,held" {
		t.Errorf("read again it is %+v, %v", read, err)
	}
}

// The state tells what is written from what a crash has left.
func TestStatus(t *testing.T) {
	dir := t.TempDir()
	store, err := record.Open(record.Config{Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	r, err := store.Start(record.Session{Kind: "exec"}, nil)
	if err != nil {
		t.Fatal(err)
	}
	now := func() string {
		found, err := record.Find(dir, r.ID())
		if err != nil {
			t.Fatal(err)
		}
		return status(found)
	}
	if got := now(); got != "active" {
		t.Errorf("while it is written the state is %s", got)
	}
	found, err := record.Find(dir, r.ID())
	if err != nil {
		t.Fatal(err)
	}
	left := strings.TrimSuffix(found.Path, ".cast")
	for _, end := range []string{".cast", ".json", ".seal"} { // a copy, which nobody writes
		if err := os.WriteFile(dir+"/copy"+end, []byte(read(t, left+end)), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if got := status(&record.Recording{Metadata: found.Metadata, Path: dir + "/copy.cast"}); got != "unended" {
		t.Errorf("of what is left the state is %s", got)
	}
	if err := r.Close(record.End{}); err != nil {
		t.Fatal(err)
	}
	if got := now(); got != "complete" {
		t.Errorf("at the end the state is %s", got)
	}
	if err := os.Remove(left + ".seal"); err != nil {
		t.Fatal(err)
	}
	if got := now(); got != "complete,unsealed" {
		t.Errorf("without a seal the state is %s", got)
	}
}
