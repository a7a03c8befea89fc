package e2e

import (
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/spliceway/spliceway/e2e/stack"
)

// diskTest is a gateway whose recordings are about to get into trouble.
type diskTest struct {
	stack *stack.Stack
	disk  *stack.Disk
	k     kubectl
	dir   string // of the recordings, as the test sees it
	mode  string
}

// newDiskTest starts a gateway with a disk of its own for recordings, if size is
// not 0. Limits are further keys of its configuration.
func newDiskTest(t *testing.T, mode string, size int64, limits string) *diskTest {
	t.Helper()
	d := &diskTest{mode: mode, dir: filepath.Join(t.TempDir(), "recordings")}
	if size > 0 {
		d.disk = &stack.Disk{Dir: d.dir, Size: size}
		if err := os.Mkdir(d.dir, 0o700); err != nil {
			t.Fatal(err)
		}
		if err := d.disk.Try(); err != nil {
			t.Skip(err)
		}
	}
	issuer := newScriptedIssuer(t, ann, time.Hour)
	d.stack = newStack(t, func(c *stack.Config) {
		issuer.use(c)
		c.Disk = d.disk
		c.Recordings = fmt.Sprintf("{dir: %q, mode: %s, %s}", d.dir, mode, limits)
	})
	if d.disk != nil {
		d.dir = d.disk.In(d.stack.Gateway)
	}
	d.k = kubectlThrough(t, d.stack, ann)
	return d
}

// bothModes runs a test in the modes that record.
func bothModes(t *testing.T, test func(t *testing.T, mode string)) {
	for _, mode := range []string{"strict", "best-effort"} {
		t.Run(mode, func(t *testing.T) {
			t.Parallel()
			test(t, mode)
		})
	}
}

// talk starts sessions, one over each protocol, that print a line now and then
// until they are told to end.
func (d *diskTest) talk(t *testing.T) (sessions []*background) {
	t.Helper()
	for _, flavour := range flavours[:2] {
		b := d.k.with(flavour.env...).start(t, "exec", "demo", "--", "sh", "-c",
			`i=0; while [ $i -lt 3000 ]; do i=$((i+1)); echo "$i `+strings.Repeat("x", 400)+`"; sleep 0.02; done`)
		readUntil(t, b.stdout, "\n2 ")
		sessions = append(sessions, b)
	}
	return sessions
}

// wantTold wants sessions that are running to end with a reason, or to go on.
func (d *diskTest) wantTold(t *testing.T, sessions []*background) {
	t.Helper()
	for i, b := range sessions {
		if d.mode == "best-effort" {
			readUntil(t, b.stdout, "\n120 ")
			b.stop()
			continue
		}
		code := b.wait() // or the deadline of the command kills it
		wantEqual(t, flavours[i].name+": exit status", code, 1)
		wantContains(t, flavours[i].name+": stderr", b.stderr.String(), "record")
	}
}

// wantImpossible tries a session over each protocol, and all else that must go on.
func (d *diskTest) wantImpossible(t *testing.T) {
	t.Helper()
	for _, flavour := range flavours[:2] {
		wantImpossible(t, d.k.with(flavour.env...), d.mode)
	}
	wantContains(t, "get pods", d.k.run(t, "get", "pods"), "demo")
}

// wantNotReady wants the gateway to say that sessions can't be recorded.
func (d *diskTest) wantNotReady(t *testing.T) {
	t.Helper()
	status, text := 0, []byte(nil)
	eventually(func() bool {
		response, err := http.Get(d.stack.MetricsURL + "/readyz")
		if err != nil {
			t.Fatal(err)
		}
		defer response.Body.Close()
		status = response.StatusCode
		text, _ = io.ReadAll(response.Body)
		return status == http.StatusServiceUnavailable
	})
	wantEqual(t, "status of /readyz", status, http.StatusServiceUnavailable)
	wantContains(t, "text of /readyz", string(text), "no session can be recorded")
}

// TestRecordingDiskFull fills the disk under sessions that are recorded, and
// makes room again.
func TestRecordingDiskFull(t *testing.T) {
	t.Parallel()
	bothModes(t, func(t *testing.T, mode string) {
		d := newDiskTest(t, mode, 4<<20, "minFree: 0B")
		sessions := d.talk(t)
		filler, err := d.disk.Fill(d.stack.Gateway)
		if err != nil {
			t.Fatal(err)
		}
		d.wantTold(t, sessions)
		waitForEvent(t, d.stack, "session.ended", "recording", "failed")
		d.wantNotReady(t)
		d.wantImpossible(t)
		wantContains(t, "log of the gateway", d.stack.Gateway.Log(), "no space left on device")

		if err := os.Remove(filler); err != nil {
			t.Fatal(err)
		}
		marker := uniqueName("marker")
		wantEqual(t, "exec with room again", d.k.run(t, "exec", "demo", "--", "echo", marker), marker+"\n")
		waitForRecording(t, d.dir, marker)
		wantContains(t, "recordings", fmt.Sprint(d.states(t)), "complete")
	})
}

// states are those of all recordings.
func (d *diskTest) states(t *testing.T) (all []string) {
	t.Helper()
	for _, r := range recordings(t, d.dir) {
		all = append(all, r.State)
	}
	return all
}

// TestRecordingDiskLow leaves less free than is wanted, which is told before a
// session needs the space.
func TestRecordingDiskLow(t *testing.T) {
	t.Parallel()
	bothModes(t, func(t *testing.T, mode string) {
		d := newDiskTest(t, mode, 4<<20, "minFree: 1MiB")
		if _, err := d.disk.Fill(d.stack.Gateway); err != nil {
			t.Fatal(err)
		}
		d.wantNotReady(t)
		d.wantImpossible(t)
	})
}

// TestRecordingReadOnly makes the disk one that can't be written to.
func TestRecordingReadOnly(t *testing.T) {
	t.Parallel()
	bothModes(t, func(t *testing.T, mode string) {
		d := newDiskTest(t, mode, 4<<20, "minFree: 0B")
		marker := uniqueName("marker")
		wantEqual(t, "exec before", d.k.run(t, "exec", "demo", "--", "echo", marker), marker+"\n")
		waitForRecording(t, d.dir, marker)
		if err := d.disk.ReadOnly(d.stack.Gateway); err != nil {
			t.Fatal(err)
		}
		d.wantImpossible(t)
		d.wantNotReady(t)
	})
}

// TestRecordingDirRemoved removes the directory under sessions that are recorded
// into it: their files go on taking what is written, and nobody could read it.
func TestRecordingDirRemoved(t *testing.T) {
	t.Parallel()
	bothModes(t, func(t *testing.T, mode string) {
		d := newDiskTest(t, mode, 0, "minFree: 0B")
		sessions := d.talk(t)
		if err := os.RemoveAll(d.dir); err != nil {
			t.Fatal(err)
		}
		d.wantTold(t, sessions)
		waitForEvent(t, d.stack, "session.ended", "recording", "failed")
		d.wantImpossible(t)
		d.wantNotReady(t)
	})
}

// TestRecordingQuota reaches the size that all recordings may have.
func TestRecordingQuota(t *testing.T) {
	t.Parallel()
	bothModes(t, func(t *testing.T, mode string) {
		d := newDiskTest(t, mode, 0, "minFree: 0B, quota: 40KiB")
		d.wantTold(t, d.talk(t))
		waitForEvent(t, d.stack, "session.ended", "recording", "failed")
		d.wantImpossible(t)
		d.wantNotReady(t)
	})
}
