// Package config reads the configuration file: YAML to settings that are
// complete, consistent and typed.
//
// [Load] refuses what it does not understand (unknown and repeated keys, values of
// another kind, several documents, anchors, aliases and tags) and what cannot
// work, and reports all problems at once: an [Error] has, for each, the key, line
// and column, what is wrong and what to do. It looks at no other file;
// [Config.CheckFiles] does, for those who want to know before a start.
//
// All file names of a [Config] are absolute: relative ones are relative to the
// folder of the configuration file. There is no expansion of environment
// variables.
//
// The configuration holds no secrets, only names of files that do, and messages
// keep to that: what was written behind an unknown key, and what looks like a
// token or key where a file name belongs, is not shown.
//
// example.yaml, beside this file, has every key with its default; [Document] makes
// docs/configuration.md from it.
package config
