//go:build !linux

package main

import (
	"errors"
	"syscall"
	"time"
)

var errNotLinux = errors.New("the account of another process is read on Linux only")

func childAttributes() *syscall.SysProcAttr { return nil }

func raiseFiles(n uint64) int { return int(n) }

func cpuTime(int) (time.Duration, error) { return 0, errNotLinux }

func residentMemory(int, string) (int64, error) { return 0, errNotLinux }

func setUpCrypto() (float64, error) { return 0, errNotLinux }

func anonymousMemory(int) (int64, error) { return 0, errNotLinux }
