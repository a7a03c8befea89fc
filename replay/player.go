package replay

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/spliceway/spliceway/record"
)

// A Config says how recordings are played.
type Config struct {
	Speed     float64       // if zero, 1
	IdleLimit time.Duration // how long a pause of the recording takes at most; if zero, as long as it was
	Start     time.Duration // what was before is shown without waiting
	Paused    bool          // wait for a key before anything is shown
	Keys      <-chan Key    // may be nil

	// Terminal says that the writer is a terminal, which is brought back to
	// how it was found at the end.
	Terminal bool

	// Unfiltered writes the octets of the recording as they are. They can do
	// to the terminal whatever the recorded program could.
	Unfiltered bool
}

// Played is what a player has found out.
type Played struct {
	Position   time.Duration // where it ended
	Quit       bool          // by a key
	Cols, Rows uint16        // the largest size
	Exit       string        // the exit status, if the recording has one
}

// seekStep is how far the cursor keys go.
const seekStep = 5 * time.Second

// errQuit ends a player.
var errQuit = errors.New("quit")

// Play plays a recording on w as it was, until it ends, the key for it is
// pressed, or ctx is done. open opens the recording; it is called again to go
// back.
func Play(ctx context.Context, w io.Writer, open func() (*record.File, error), cfg Config) (played Played, err error) {
	p := &player{cfg: cfg, ctx: ctx, open: open, terminal: terminal{w: w, unfiltered: cfg.Unfiltered}, paused: cfg.Paused}
	if p.cfg.Speed == 0 {
		p.cfg.Speed = 1
	}
	if err := p.reopen(); err != nil {
		return Played{}, err
	}
	defer func() {
		p.file.Close()
		if cfg.Terminal {
			err = errors.Join(err, p.terminal.end())
		}
	}()
	p.clock = time.Now()
	if cfg.Start > 0 {
		err = p.seek(cfg.Start)
	}
	for err == nil {
		err = p.step()
	}
	p.played.Position = p.position
	switch {
	case errors.Is(err, io.EOF):
		err = nil
	case errors.Is(err, errQuit):
		p.played.Quit, err = true, nil
	}
	return p.played, err
}

// A player is in one goroutine.
type player struct {
	cfg      Config
	ctx      context.Context
	open     func() (*record.File, error)
	file     *record.File
	terminal terminal

	event    record.Event // the next, if pending
	pending  bool
	position time.Duration // of what is shown
	clock    time.Time     // when position was due
	paused   bool
	played   Played
}

func (p *player) reopen() error {
	file, err := p.open()
	if err != nil {
		return err
	}
	if p.file != nil {
		p.file.Close()
	}
	p.file, p.pending, p.position = file, false, 0
	p.sized(file.Header.Cols, file.Header.Rows)
	return nil
}

func (p *player) sized(cols, rows uint16) {
	p.played.Cols, p.played.Rows = max(p.played.Cols, cols), max(p.played.Rows, rows)
}

// fetch gets the next event of output.
func (p *player) fetch() error {
	for !p.pending {
		e, err := nextEvent(p.file.Reader)
		if err != nil {
			return err
		}
		switch e.Code {
		case 'o':
			p.event, p.pending = e, true
		case 'r':
			if cols, rows, ok := parseSize(string(e.Text)); ok {
				p.sized(cols, rows)
			}
		case 'x':
			p.played.Exit = string(e.Text)
		}
	}
	return nil
}

// show writes the event that is pending.
func (p *player) show() error {
	p.pending = false
	p.position = max(p.position, p.event.Time)
	return p.terminal.output(p.event.Text)
}

// step waits for the next event and shows it, or does what a key says.
func (p *player) step() error {
	if err := p.fetch(); err != nil {
		return err
	}
	gap := max(p.event.Time-p.position, 0)
	if p.cfg.IdleLimit > 0 {
		gap = min(gap, p.cfg.IdleLimit)
	}
	due := p.clock.Add(time.Duration(float64(gap) / p.cfg.Speed))
	var fires <-chan time.Time
	if !p.paused {
		timer := time.NewTimer(time.Until(due))
		defer timer.Stop()
		fires = timer.C
	}
	select {
	case <-p.ctx.Done():
		return context.Cause(p.ctx)
	case key, ok := <-p.cfg.Keys:
		if !ok {
			p.cfg.Keys, p.paused = nil, false // nobody could go on
			return nil
		}
		p.pass(gap)
		return p.press(key)
	case <-fires:
		p.clock = due
		if late := time.Since(due); late > time.Second {
			p.clock = time.Now() // don't catch up what the terminal could not take
		}
		return p.show()
	}
}

// pass moves the position by the time that has passed since it was due.
func (p *player) pass(gap time.Duration) {
	now := time.Now()
	if !p.paused {
		p.position += min(time.Duration(float64(now.Sub(p.clock))*p.cfg.Speed), gap)
	}
	p.clock = now
}

// press does what a key says.
func (p *player) press(key Key) error {
	const fastest, slowest = 64, 1.0 / 16
	switch key {
	case KeyQuit:
		return errQuit
	case KeyPause:
		p.paused = !p.paused
	case KeyStep:
		p.paused = true
		return p.show()
	case KeyBack:
		return p.seek(max(p.position-seekStep, 0))
	case KeyForward:
		return p.seek(p.position + seekStep)
	case KeyFaster:
		p.cfg.Speed = min(p.cfg.Speed*2, fastest)
	case KeySlower:
		p.cfg.Speed = max(p.cfg.Speed/2, slowest)
	}
	return nil
}

// seek shows all up to a time without waiting.
func (p *player) seek(target time.Duration) error {
	if target < p.position {
		if err := p.reopen(); err != nil {
			return err
		}
		if err := p.terminal.restart(); err != nil {
			return err
		}
	}
	for {
		if err := context.Cause(p.ctx); err != nil {
			return err
		}
		if err := p.fetch(); err != nil {
			return err
		}
		if p.event.Time > target {
			break
		}
		if err := p.show(); err != nil {
			return err
		}
	}
	p.position, p.clock = target, time.Now()
	return nil
}

// Follow writes what a recording has and then what comes, until it ends, the key
// to quit is pressed, or ctx is done. file is one that record.Follow has opened
// with a context that cancel ends.
func Follow(w io.Writer, file *record.File, cfg Config, cancel context.CancelCauseFunc) (played Played, err error) {
	t := terminal{w: w, unfiltered: cfg.Unfiltered}
	if cfg.Terminal {
		defer func() { err = errors.Join(err, t.end()) }()
	}
	if cfg.Keys != nil {
		go quit(cfg.Keys, cancel)
	}
	played.Cols, played.Rows = file.Header.Cols, file.Header.Rows
	for {
		e, err := nextEvent(file.Reader)
		switch {
		case err == io.EOF:
			return played, nil
		case errors.Is(err, errQuit):
			played.Quit = true
			return played, nil
		case err != nil:
			return played, fmt.Errorf("replay: following the recording: %w", err)
		}
		played.Position = e.Time
		switch e.Code {
		case 'o':
			err = t.output(e.Text)
		case 'x':
			played.Exit = string(e.Text)
		}
		if err != nil {
			return played, err
		}
	}
}

// quit waits for the key to quit. It ends with the keys.
func quit(keys <-chan Key, cancel context.CancelCauseFunc) {
	for key := range keys {
		if key == KeyQuit {
			cancel(errQuit)
		}
	}
}
