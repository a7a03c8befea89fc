//go:build !docs

package main

import "github.com/spf13/cobra"

// generators returns nothing: only builds with the tag docs have them.
func generators() []*cobra.Command { return nil }
