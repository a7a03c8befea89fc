package main

import (
	"io"
	"time"

	"github.com/rs/zerolog"

	"github.com/spliceway/spliceway/audit"
)

// newLogger returns a logger of diagnostics. format is json or console, level
// one of zerolog's.
func newLogger(w io.Writer, level, format string) (zerolog.Logger, error) {
	zerolog.TimeFieldFormat = "2006-01-02T15:04:05.000Z07:00"
	zerolog.TimestampFunc = func() time.Time { return time.Now().UTC() }
	zerolog.TimestampFieldName = audit.FieldTime
	zerolog.ErrorFieldName = audit.FieldError
	threshold, err := zerolog.ParseLevel(level)
	if err != nil {
		return zerolog.Nop(), err
	}
	if format == "console" {
		w = zerolog.ConsoleWriter{Out: w, NoColor: true, TimeFormat: time.TimeOnly}
	}
	return zerolog.New(w).Level(threshold).With().Timestamp().Logger(), nil
}
