//go:build unix

package main

import (
	"os"
	"os/signal"
	"slices"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/spliceway/spliceway/config"
	"github.com/spliceway/spliceway/gateway"
	"github.com/spliceway/spliceway/metrics"
)

func serve(command *cobra.Command, file string) error {
	cfg, err := loadConfig(file)
	if err != nil {
		return err
	}
	log, err := newLogger(command.ErrOrStderr(), cfg.Log.Level, cfg.Log.Format)
	if err != nil {
		return badConfig(err, hintCheck)
	}
	b, err := newSandbox(cfg, file)
	if err != nil {
		return err
	}
	relaxTimers()
	v, c := build()
	g, err := gateway.New(cfg, metrics.Build{Version: v, Commit: c}, log.Logger)
	if err != nil {
		return badConfig(err, hintCheck)
	}
	p, err := serviceProcess()
	if err != nil {
		return err
	}
	former, err := predecessorLine()
	if err != nil {
		return err
	}
	pages := newStartPages() // before Confine
	p.Confine = func() error { return b.enter(log.Logger) }
	p.Tell = func(assignments ...string) {
		if slices.Contains(assignments, "READY=1") {
			if err := former.say(serves); err != nil {
				log.Error().Err(err).Msg("the process that this one replaces can't be told")
			}
			pages.release()
		}
		notify(assignments...)
	}
	defer followHeap()()
	defer onSignal(syscall.SIGHUP, func() { reload(g, file, b, log) })()
	ctx := command.Context()
	defer onSignal(syscall.SIGUSR2, func() { // of an error HandOver tells
		_ = g.HandOver(func(sockets []gateway.Socket) error { return b.upgrade(ctx, sockets) })
	})()
	if err := g.RunIn(ctx, p); err != nil {
		return err
	}
	_ = former.say(farewell) // or it has ended before
	return nil
}

// reload has the gateway load the file anew, and log as that wants it. The gateway
// tells of what is wrong.
func reload(g *gateway.Gateway, file string, b *sandbox, log *logger) {
	reloading()
	var loaded *config.Config
	err := g.Reload(func() (cfg *config.Config, err error) {
		if cfg, err = config.Load(file); err != nil {
			return nil, err
		}
		if err := b.cover(cfg); err != nil {
			return nil, err
		}
		loaded = cfg
		return cfg, cfg.CheckFiles()
	})
	if err == nil {
		_ = log.set(loaded.Log.Level, loaded.Log.Format) // which config has checked
	}
	ready()
}

// onSignal calls do for each of a signal, which would else end the process, until
// stop is called.
func onSignal(s os.Signal, do func()) (stop func()) {
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, s)
	ended := make(chan struct{})
	go func() { // until stop closes signals
		defer close(ended)
		for range signals {
			do()
		}
	}()
	return func() {
		signal.Stop(signals)
		close(signals)
		<-ended
	}
}
