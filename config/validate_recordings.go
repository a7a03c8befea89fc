package config

import (
	"cmp"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"
	"unicode"

	"github.com/spliceway/spliceway/audit"
	"github.com/spliceway/spliceway/record"
)

const (
	minFsync      = Sync(10 * time.Millisecond)
	minMaxSession = 64 << 10 // enough for the first line of any recording, and some output
	maxNotice     = 512      // octets
)

func (v *validator) recordings() {
	r := &v.cfg.Recordings
	v.file("recordings.dir", &r.Dir)
	if r.Lines != "" && r.Lines != audit.Stdout {
		v.problem("recordings.lines", "%s must be %s, or empty for none", quoted(r.Lines), audit.Stdout)
	}
	if r.Mode == "" && !v.written("recordings.mode") {
		// A place without a mode is meant to be used, and the strict mode is the
		// one that cannot lose what the place is for.
		r.Mode = ModeOff
		if r.Dir != "" || r.Lines != "" {
			r.Mode = ModeStrict
		}
	}
	v.oneOf("recordings.mode", r.Mode, ModeStrict, ModeBestEffort, ModeOff)
	v.recordingRules(r.Rules)
	v.recordingPlace(r)
	v.oneOf("recordings.format", r.Format, FormatV2, FormatV3)
	v.recordingIntervals(r)
	v.sealKey(r)
	if r.KeepFiles && r.Dir == "" && !v.unknown("recordings.dir") {
		v.problem("recordings.keepFiles", "needs recordings.dir: the content of files is never part of log lines")
	}
	v.notice("recordings.notice", r.Notice)
	v.recordingSizes(r)
}

// recordingPlace checks that there is a place for what is to be recorded.
func (v *validator) recordingPlace(r *Recordings) {
	if r.Dir != "" || r.Lines != "" || v.unknown("recordings.dir") || v.unknown("recordings.lines") {
		return
	}
	key, mode := "recordings.mode", r.Mode
	if !records(mode) {
		i := slices.IndexFunc(r.Rules, func(rule RecordingRule) bool { return records(rule.Mode) })
		if i < 0 {
			return
		}
		key, mode = fmt.Sprintf("recordings.rules[%d].mode", i), r.Rules[i].Mode
	}
	v.problem(cmp.Or(v.presentKey("recordings.dir"), key), "%s needs recordings.dir, the folder to record to, or recordings.lines", mode)
}

// linesOnly reports whether recordings are log lines and nothing else.
func (v *validator) linesOnly(r *Recordings) bool {
	return r.Enabled() && r.Lines != "" && r.Dir == "" && !v.unknown("recordings.dir")
}

func (v *validator) recordingIntervals(r *Recordings) {
	least := time.Second // how often package record looks for what to sign if it need not sync
	if r.Fsync != Sync(record.SyncAlways) {
		if r.Fsync < minFsync {
			v.problem("recordings.fsync", "must be at least %s; to wait for the disk before each answer, write always", minFsync)
			return
		}
		least = time.Duration(r.Fsync)
	}
	if r.Checkpoint < least && !v.unknown("recordings.fsync") {
		v.problem("recordings.checkpoint", "must be at least %s, because with fsync: %s nothing is signed more often", durationText(least), r.Fsync)
	}
}

// sealKey checks the name of the private key. The public one is written beside it.
func (v *validator) sealKey(r *Recordings) {
	const key = "recordings.sealKeyFile"
	switch {
	case r.SealKeyFile == "" && v.linesOnly(r):
		v.problem(key, "is required next to recordings.lines without recordings.dir, where it would be")
	case strings.HasSuffix(r.SealKeyFile, ".pub"):
		v.problem(key, "%s is the name of a public key; the private one is needed, as seal.key", quoted(r.SealKeyFile))
	}
	v.file(key, &r.SealKeyFile)
}

// notice checks a text that terminals show.
func (v *validator) notice(key, text string) {
	switch {
	case strings.ContainsFunc(text, func(r rune) bool { return unicode.In(r, unicode.Cc, unicode.Zl, unicode.Zp) }):
		v.problem(key, "must be one line without control characters; write it behind the key, without |")
	case len(text) > maxNotice:
		v.problem(key, "has %d octets, at most %d are shown", len(text), maxNotice)
	}
}

func (v *validator) recordingSizes(r *Recordings) {
	if r.MaxSession != 0 && r.MaxSession < minMaxSession {
		v.problem("recordings.maxSession", "must be at least %s, or 0B for no limit", Size(minMaxSession))
	}
	keep := &r.Retention
	if v.linesOnly(r) {
		for _, limit := range []struct {
			key string
			set bool
		}{
			{"quota", r.Quota != 0}, {"retention.maxAge", keep.MaxAge != 0}, {"retention.maxSize", keep.MaxSize != 0},
		} {
			if limit.set {
				v.problem("recordings."+limit.key, "is for files and has no use without recordings.dir; remove it")
			}
		}
		return
	}
	if r.Quota != 0 && keep.MaxSize >= r.Quota && !v.unknown("recordings.quota") {
		v.problem("recordings.retention.maxSize", "must be less than recordings.quota, which is %s, or recording ends before anything is deleted", r.Quota)
	}
}

func (v *validator) recordingRules(rules []RecordingRule) {
	first := make(map[string]int)
	for i := range rules {
		rule, key := &rules[i], fmt.Sprintf("recordings.rules[%d]", i)
		other, again := first[rule.Name]
		switch {
		case rule.Name == "":
			v.problem(key+".name", "is required: the word for this rule in logs and recordings")
		case !oneWord.MatchString(rule.Name):
			v.problem(key+".name", "%s must be up to 63 letters, digits, dots, dashes and underscores", quoted(rule.Name))
		case again:
			v.problem(key+".name", "%s is already the name of recordings.rules[%d]; choose another", quoted(rule.Name), other)
		default:
			first[rule.Name] = i
		}
		if rule.Mode == "" && !v.written(key+".mode") {
			v.problem(key+".mode", "is required: %s, %s or %s", ModeStrict, ModeBestEffort, ModeOff)
		} else {
			v.oneOf(key+".mode", rule.Mode, ModeStrict, ModeBestEffort, ModeOff)
		}
		v.patterns(key+".users", rule.Users)
		v.patterns(key+".groups", rule.Groups)
		v.namespaces(key+".namespaces", rule.Namespaces)
		v.clusterNames(key+".clusters", rule.Clusters)
		v.unconditional(key, rule, i == len(rules)-1)
	}
}

// unconditional refuses a rule that by oversight is about everything.
func (v *validator) unconditional(key string, rule *RecordingRule, last bool) {
	const lists = "users, groups, namespaces or clusters"
	switch {
	case len(rule.Users)+len(rule.Groups)+len(rule.Namespaces)+len(rule.Clusters) > 0:
	case rule.Mode == ModeOff:
		v.problem(key, "exempts all sessions; give it %s, or remove it and set recordings.mode to off", lists)
	case !last:
		v.problem(key, "is about all sessions and leaves none to the rules behind it; give it %s, or make it the last", lists)
	}
}

// patterns checks a list of names in which * stands for anything.
func (v *validator) patterns(list string, values []string) {
	for i, pattern := range values {
		if pattern == "" || strings.TrimSpace(pattern) != pattern || strings.ContainsFunc(pattern, unicode.IsControl) {
			v.problem(fmt.Sprintf("%s[%d]", list, i), "is empty, or has blanks around it or control characters in it, and would match nobody")
		}
	}
}

var namespacePattern = regexp.MustCompile(`^[a-z0-9*-]{1,63}$`)

func (v *validator) namespaces(list string, values []string) {
	for i, pattern := range values {
		if !namespacePattern.MatchString(pattern) {
			v.problem(fmt.Sprintf("%s[%d]", list, i), "%s is not the name of a namespace: lower-case letters, digits and dashes, and * for any of them", quoted(pattern))
		}
	}
}

// clusterNames checks names of configured clusters. A misspelled one would never
// match, and its sessions would be left to the next rule.
func (v *validator) clusterNames(list string, values []string) {
	if v.unknown("clusters") {
		return
	}
	var names []string
	for i := range v.cfg.Clusters {
		names = append(names, v.cfg.Clusters[i].Name)
	}
	for i, name := range values {
		if slices.Contains(names, name) && name != "" {
			continue
		}
		hint := ""
		if near := nearest(name, names); near != "" {
			hint = "; did you mean " + near + "?"
		}
		v.problem(fmt.Sprintf("%s[%d]", list, i), "%s is not the name of a cluster%s", quoted(name), hint)
	}
}
