package metrics

import (
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// Recordings says how a store of recordings is, at one moment.
type Recordings struct {
	Open     int           // recordings
	Written  int64         // octets, since the store was opened
	Unsynced time.Duration // age of the oldest octet that is not on disk for sure; 0 if there is none
	Used     int64         // octets of all files
	Quota    int64         // of Used; 0: none
	Free     int64         // octets of the file system
	MinFree  int64         // of Free; 0: none
}

// recordings are the metrics of the stores of recordings. A store whose settings
// were changed lives beside its successor until its last stream has ended.
type recordings struct {
	notices *counters
	fsync   prometheus.Histogram

	mu      sync.Mutex
	watched []*recordingStore // guarded by mu; the newest last
	written int64             // guarded by mu; of stores that are gone
}

type recordingStore struct{ ask func() Recordings }

func newRecordings(f *factory) *recordings {
	r := &recordings{}
	var descs []*prometheus.Desc
	gauge := func(name, help string) *prometheus.Desc {
		desc := f.describe(typeGauge, name, help)
		descs = append(descs, desc)
		return desc
	}
	open := gauge("recordings_open", "Recordings being written.")
	written := f.describe(typeCounter, "recording_written_bytes_total", "Octets of recordings written.")
	descs = append(descs, written)
	unsynced := gauge("recording_unsynced_age_seconds", "Age of the oldest octet of a recording that may not be on disk yet; 0 if there is none.")
	used := gauge("recording_store_used_bytes", "Size of all files in the store of recordings.")
	quota := gauge("recording_store_quota_bytes", "Size of the store at which no more sessions are recorded. Absent if there is no limit.")
	free := gauge("recording_store_free_bytes", "Free space in the file system of the store.")
	minFree := gauge("recording_store_min_free_bytes", "Free space below which no more sessions are recorded. Absent if there is no limit.")
	f.collect(&asked{gather: func(send func(*prometheus.Desc, prometheus.ValueType, float64, ...string)) {
		sum, any := r.sum()
		send(written, prometheus.CounterValue, float64(sum.Written))
		send(open, prometheus.GaugeValue, float64(sum.Open))
		if !any {
			return
		}
		send(unsynced, prometheus.GaugeValue, sum.Unsynced.Seconds())
		send(used, prometheus.GaugeValue, float64(sum.Used))
		send(free, prometheus.GaugeValue, float64(sum.Free))
		if sum.Quota > 0 {
			send(quota, prometheus.GaugeValue, float64(sum.Quota))
		}
		if sum.MinFree > 0 {
			send(minFree, prometheus.GaugeValue, float64(sum.MinFree))
		}
	}}, descs...)
	r.fsync = f.histogram("recording_fsync_duration_seconds", "Time taken by fsync of a recording.",
		[]float64{.0005, .001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10})
	r.notices = f.counters("recording_notices_total", "Notices from the store of recordings: recovered, a recording left by a crash was ended; truncated, one ended before its session; deleted, by retention; failed, one could not be ended or deleted yet; full, the store takes no more; room, it does again.", of("kind", noticeKinds...))
	return r
}

// sum adds up the stores. What is used and free is the newest one's: they usually
// share a directory.
func (r *recordings) sum() (sum Recordings, any bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	open, written, unsynced := 0, r.written, time.Duration(0)
	for _, s := range r.watched {
		sum = s.ask()
		open, written, unsynced = open+sum.Open, written+sum.Written, max(unsynced, sum.Unsynced)
	}
	sum.Open, sum.Written, sum.Unsynced = open, written, unsynced
	return sum, len(r.watched) > 0
}

// WatchRecordings adds a store to the metrics, until unwatch is called. ask is asked
// at each scrape, and when unwatch is called, and must be quick.
func (m *Metrics) WatchRecordings(ask func() Recordings) (unwatch func()) {
	r, s := m.recordings, &recordingStore{ask}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.watched = append(r.watched, s)
	return func() {
		r.mu.Lock()
		defer r.mu.Unlock()
		for i, w := range r.watched {
			if w == s {
				r.written += s.ask().Written
				r.watched = append(r.watched[:i:i], r.watched[i+1:]...)
				return
			}
		}
	}
}

// RecordingSynced observes how long an fsync of a recording took.
func (m *Metrics) RecordingSynced(took time.Duration) { m.recordings.fsync.Observe(took.Seconds()) }

// RecordingNotice counts something that a store of recordings told.
func (m *Metrics) RecordingNotice(kind string) { m.recordings.notices.with(kind).Inc() }
