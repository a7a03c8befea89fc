package config

import (
	"slices"
	"time"

	"github.com/spliceway/spliceway/record"
)

// Recordings is which sessions are recorded, to where, and what happens when that
// fails.
type Recordings struct {
	Dir         string          `yaml:"dir"`         // empty: no files
	Lines       string          `yaml:"lines"`       // audit.Stdout: recordings are log lines there, besides or instead of Dir; empty: none
	Mode        string          `yaml:"mode"`        // one of the Mode constants, for sessions that no rule is about
	Rules       []RecordingRule `yaml:"rules"`       // the first that matches decides
	Format      string          `yaml:"format"`      // one of the Format constants
	Fsync       Sync            `yaml:"fsync"`       // after a write, at most
	Checkpoint  time.Duration   `yaml:"checkpoint"`  // after a write a signature follows, at most
	SealKeyFile string          `yaml:"sealKeyFile"` // made if there is none; empty: seal.key in Dir
	Input       bool            `yaml:"input"`       // record what is typed, where the terminal shows it
	KeepFiles   bool            `yaml:"keepFiles"`   // keep the content of files that are copied through a session
	Notice      string          `yaml:"notice"`      // one line that users are told when a session starts; empty: none
	MaxSession  Size            `yaml:"maxSession"`  // of a recording, which then ends; in strict mode its session too; 0: none
	Quota       Size            `yaml:"quota"`       // of all recordings; 0: none
	MinFree     Size            `yaml:"minFree"`     // left free in the file system; 0: none
	Retention   Retention       `yaml:"retention"`
}

// Values of Recordings.Mode and RecordingRule.Mode.
const (
	ModeStrict     = "strict"      // no session without its recording
	ModeBestEffort = "best-effort" // a session goes on without its recording
	ModeOff        = "off"         // sessions are not recorded
)

// Values of Recordings.Format.
const (
	FormatV2 = "v2" // asciicast version 2
	FormatV3 = "v3"
)

// Retention is when recordings are deleted.
type Retention struct {
	MaxAge  time.Duration `yaml:"maxAge"`  // since the start; 0: for ever
	MaxSize Size          `yaml:"maxSize"` // of all recordings, the oldest go first; 0: any
}

// RecordingRule is about the sessions that match all of its lists. A list that is
// empty matches all; a * in an element stands for any octets.
type RecordingRule struct {
	Name       string   `yaml:"name"` // unique
	Users      []string `yaml:"users"`
	Groups     []string `yaml:"groups"` // one of the user's is enough
	Namespaces []string `yaml:"namespaces"`
	Clusters   []string `yaml:"clusters"` // names of clusters, without *
	Mode       string   `yaml:"mode"`     // one of the Mode constants; off exempts
}

// records reports whether there are recordings with a mode.
func records(mode string) bool { return mode == ModeStrict || mode == ModeBestEffort }

// Enabled reports whether there are sessions to record.
func (r *Recordings) Enabled() bool {
	return records(r.Mode) || slices.ContainsFunc(r.Rules, func(rule RecordingRule) bool { return records(rule.Mode) })
}

// Store returns the settings for record.Open. Lines and Report are left to the
// caller: Lines must be set if those of r are.
func (r *Recordings) Store() record.Config {
	format := record.V2
	if r.Format == FormatV3 {
		format = record.V3
	}
	return record.Config{
		Dir:        r.Dir,
		KeyFile:    r.SealKeyFile,
		Format:     format,
		Sync:       time.Duration(r.Fsync),
		Checkpoint: r.Checkpoint,
		Input:      r.Input,
		KeepFiles:  r.KeepFiles,
		MaxSession: int64(r.MaxSession),
		Quota:      int64(r.Quota),
		MinFree:    int64(r.MinFree),
		MaxAge:     r.Retention.MaxAge,
		MaxSize:    int64(r.Retention.MaxSize),
	}
}

// Policy returns which sessions are recorded and how. It shares its lists with r.
func (r *Recordings) Policy() record.Policy {
	policy := record.Policy{Mode: policyMode(r.Mode)}
	for _, rule := range r.Rules {
		converted := record.Rule{
			Name:       rule.Name,
			Users:      rule.Users,
			Groups:     rule.Groups,
			Namespaces: rule.Namespaces,
			Clusters:   rule.Clusters,
		}
		// Package record has exemptions said twice, so that none is an accident.
		if mode := policyMode(rule.Mode); mode == record.Off {
			converted.Exempt = true
		} else {
			converted.Mode = mode
		}
		policy.Rules = append(policy.Rules, converted)
	}
	return policy
}

// policyMode returns the mode of a word. Load has refused all others.
func policyMode(word string) record.Mode {
	switch word {
	case ModeOff:
		return record.Off
	case ModeBestEffort:
		return record.BestEffort
	}
	return record.Strict
}
