package main

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/rs/zerolog"

	"github.com/spliceway/spliceway/audit"
)

// logLevels are those that can be chosen.
var logLevels = []string{"trace", "debug", "info", "warn", "error"}

// newLogger returns a logger of diagnostics. format is json or console, level one
// of logLevels.
func newLogger(w io.Writer, level, format string) (zerolog.Logger, error) {
	zerolog.TimeFieldFormat = "2006-01-02T15:04:05.000Z07:00"
	zerolog.TimestampFunc = func() time.Time { return time.Now().UTC() }
	zerolog.TimestampFieldName = audit.FieldTime
	zerolog.ErrorFieldName = audit.FieldError
	if !slices.Contains(logLevels, level) {
		return zerolog.Nop(), fmt.Errorf("log level %q is none of %s", level, strings.Join(logLevels, ", "))
	}
	threshold, err := zerolog.ParseLevel(level)
	if err != nil {
		return zerolog.Nop(), err
	}
	if format == "console" {
		w = zerolog.ConsoleWriter{Out: w, NoColor: true, TimeFormat: time.TimeOnly}
	}
	return zerolog.New(w).Level(threshold).With().Timestamp().Logger(), nil
}
