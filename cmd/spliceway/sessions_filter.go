package main

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/pflag"

	"github.com/spliceway/spliceway/record"
)

// filterFlags are the flags that choose recordings.
type filterFlags struct {
	filter       record.Filter
	since, until string
	state        string
}

func (f *filterFlags) add(flags *pflag.FlagSet) {
	flags.StringVar(&f.since, "since", "", "started at `TIME` or later: 2h or 3d ago, 2026-03-09, or RFC 3339")
	flags.StringVar(&f.until, "until", "", "started before `TIME`")
	flags.StringVarP(&f.filter.User, "user", "u", "", "of user `NAME`; * matches anything, here and in the names below")
	flags.StringVar(&f.filter.Group, "group", "", "of users in group `NAME`")
	flags.StringVar(&f.filter.Cluster, "cluster", "", "in cluster `NAME`")
	flags.StringVarP(&f.filter.Namespace, "namespace", "n", "", "in namespace `NAME`")
	flags.StringVar(&f.filter.Pod, "pod", "", "in pod `NAME`")
	flags.StringVar(&f.filter.Container, "container", "", "in container `NAME`")
	flags.StringVar(&f.filter.Kind, "kind", "", "of `KIND` exec, attach, portforward or application")
	flags.StringVar(&f.state, "state", "", "in `STATE` recording (active or unended), complete, recovered or deleted")
	flags.StringVar(&f.filter.Command, "command", "", "with `TEXT` in the command line, ignoring case")
	flags.StringVar(&f.filter.Text, "text", "", "with `TEXT` anywhere in the metadata, ignoring case")
}

// complete returns the filter. Times are relative to now.
func (f *filterFlags) complete(now time.Time) (record.Filter, error) {
	filter := f.filter
	var err error
	if filter.Since, err = parseTime(f.since, now); err != nil {
		return filter, usageError(fmt.Errorf("--since: %w", err))
	}
	if filter.Until, err = parseTime(f.until, now); err != nil {
		return filter, usageError(fmt.Errorf("--until: %w", err))
	}
	switch filter.State = record.State(f.state); filter.State {
	case "", record.StateOpen, record.StateComplete, record.StateRecovered, record.StateDeleted:
		return filter, nil
	}
	return filter, usageError(fmt.Errorf("--state: %q is not one of recording, complete, recovered, deleted", f.state))
}

// parseTime parses a time, or how long ago it was. Nothing is the zero time.
func parseTime(text string, now time.Time) (time.Time, error) {
	if text == "" {
		return time.Time{}, nil
	}
	if ago, err := parseAgo(text); err == nil {
		return now.Add(-ago), nil
	}
	for _, layout := range []string{time.RFC3339, "2006-01-02T15:04:05", "2006-01-02 15:04:05", "2006-01-02 15:04", "2006-01-02"} {
		if t, err := time.Parse(layout, text); err == nil {
			return t, nil
		}
	}
	return time.Time{}, fmt.Errorf("%q is not a time: write 2h, 3d, 2026-03-09 or 2026-03-09T14:00:00Z; without a zone it is UTC", text)
}

// parseAgo parses a duration, in which d stands for 24 hours.
func parseAgo(text string) (time.Duration, error) {
	if days, ok := strings.CutSuffix(text, "d"); ok {
		n, err := strconv.ParseUint(days, 10, 16)
		return time.Duration(n) * 24 * time.Hour, err
	}
	ago, err := time.ParseDuration(text)
	if err == nil && ago < 0 {
		return 0, fmt.Errorf("%q is in the future", text)
	}
	return ago, err
}
