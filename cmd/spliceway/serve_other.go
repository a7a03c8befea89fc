//go:build !unix

package main

import (
	"errors"
	"runtime"

	"github.com/spf13/cobra"
)

// serve refuses: locks of recordings and the upgrade in place are those of Unix. What
// users run, connect before all, is for any system.
func serve(*cobra.Command, string) error {
	return usageError(errors.New("the gateway does not run on " + runtime.GOOS + "; connect and sessions do"))
}
