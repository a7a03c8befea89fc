//go:build !linux

package main

// startPages are of Linux alone.
type startPages struct{}

func newStartPages() startPages { return startPages{} }
func (startPages) release()     {}
