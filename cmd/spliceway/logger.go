package main

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/rs/zerolog"

	"github.com/spliceway/spliceway/audit"
)

// logLevels are those that can be chosen.
var logLevels = []string{"trace", "debug", "info", "warn", "error"}

// logger is a log of diagnostics whose level and format can be changed while it is
// written. It is safe for concurrent use.
type logger struct {
	zerolog.Logger
	output *logOutput
}

// newLogger returns a logger of diagnostics. format is json or console, level one
// of logLevels.
func newLogger(w io.Writer, level, format string) (*logger, error) {
	zerolog.TimeFieldFormat = "2006-01-02T15:04:05.000Z07:00"
	zerolog.TimestampFunc = func() time.Time { return time.Now().UTC() }
	zerolog.TimestampFieldName = audit.FieldTime
	zerolog.ErrorFieldName = audit.FieldError
	o := &logOutput{json: w, console: zerolog.ConsoleWriter{Out: w, NoColor: true, TimeFormat: time.TimeOnly}}
	l := &logger{zerolog.New(o).With().Timestamp().Logger().Sample(o), o}
	return l, l.set(level, format)
}

// set changes what the logger and all that were derived from it write.
func (l *logger) set(level, format string) error {
	if !slices.Contains(logLevels, level) {
		return fmt.Errorf("log level %q is not one of %s", level, strings.Join(logLevels, ", "))
	}
	threshold, err := zerolog.ParseLevel(level)
	if err != nil {
		return err
	}
	l.output.level.Store(int32(threshold))
	l.output.readable.Store(format == "console")
	return nil
}

// logOutput decides which lines are written, and how.
type logOutput struct {
	json     io.Writer
	console  zerolog.ConsoleWriter
	level    atomic.Int32 // a zerolog.Level
	readable atomic.Bool  // for the console
}

// Sample implements zerolog.Sampler: before a line is made.
func (o *logOutput) Sample(level zerolog.Level) bool { return int32(level) >= o.level.Load() }

func (o *logOutput) Write(p []byte) (int, error) {
	if o.readable.Load() {
		return o.console.Write(p)
	}
	return o.json.Write(p)
}
