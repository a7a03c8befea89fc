package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// errUsage is a command line that was not understood. It has been explained.
var errUsage = errors.New("bad command line")

// The most that can be asked for, so that a slip of the finger does not run for
// a day or take all ports.
const (
	maxRounds   = 1000
	maxRequests = 1_000_000
	maxTunnels  = 1024
	maxWatches  = 8192
)

// options is the command line.
type options struct {
	rounds   int
	requests int   // a round, over all tunnels
	tunnels  []int // a work for each
	watches  int
	only     *regexp.Regexp
	sides    *regexp.Regexp
	json     string // file; empty: none
	results  string // folder for the report and its charts; empty: none
	scale    bool   // the curves instead of the table
}

func parseOptions(args []string, stderr io.Writer) (*options, error) {
	o := &options{tunnels: []int{1, 2, 16}, only: regexp.MustCompile(""), sides: regexp.MustCompile("")}
	flags := flag.NewFlagSet("bench", flag.ContinueOnError)
	flags.SetOutput(stderr)
	flags.IntVar(&o.rounds, "rounds", 3, "samples of each side, `N`")
	flags.IntVar(&o.requests, "requests", 4000, "requests of one sample, `N`")
	flags.IntVar(&o.watches, "watches", 512, "idle watch tunnels of one sample, `N`")
	flags.Func("tunnels", "tunnels that share the requests, `N,N,...` (default 1,2,16)", o.setTunnels)
	flags.Func("only", "measure only works whose name matches `REGEXP`", setPattern(&o.only))
	flags.Func("sides", "measure only sides whose name matches `REGEXP`: gateway, relay, batching, baseline", setPattern(&o.sides))
	flags.StringVar(&o.json, "json", "", "write every sample to `FILE`")
	flags.StringVar(&o.results, "results", "", "write the report and its charts to the folder `DIR`")
	flags.BoolVar(&o.scale, "scale", false, "measure how costs grow, instead of the table")
	if err := flags.Parse(args); err != nil {
		if errors.Is(err, flag.ErrHelp) {
			return nil, err
		}
		return nil, fmt.Errorf("%w: %w", errUsage, err)
	}
	if err := o.check(flags.Args()); err != nil {
		fmt.Fprintln(stderr, "bench:", err)
		return nil, fmt.Errorf("%w: %w", errUsage, err)
	}
	return o, nil
}

func (o *options) setTunnels(list string) error {
	o.tunnels = nil
	for word := range strings.SplitSeq(list, ",") {
		n, err := strconv.Atoi(word)
		if err != nil || n < 1 || n > maxTunnels {
			return fmt.Errorf("%q is not between 1 and %d", word, maxTunnels)
		}
		o.tunnels = append(o.tunnels, n)
	}
	return nil
}

func setPattern(to **regexp.Regexp) func(string) error {
	return func(expression string) (err error) {
		*to, err = regexp.Compile(expression)
		return err
	}
}

// asks reports whether a side is to be measured.
func (o *options) asks(side string) bool { return o.sides.MatchString(side) }

func (o *options) check(rest []string) error {
	for _, n := range []struct {
		name        string
		value, most int
	}{
		{"-rounds", o.rounds, maxRounds},
		{"-requests", o.requests, maxRequests},
		{"-watches", o.watches, maxWatches},
	} {
		if n.value < 1 || n.value > n.most {
			return fmt.Errorf("%s must be between 1 and %d", n.name, n.most)
		}
	}
	switch {
	case len(rest) > 0:
		return fmt.Errorf("unknown argument %q", rest[0])
	case len(o.works()) == 0:
		return errors.New("-only matches no work")
	case !slices.ContainsFunc(sides, func(s side) bool { return o.asks(s.name) }):
		return errors.New("-sides matches no side")
	}
	return nil
}

// works returns what is to be measured, in the order of the table.
func (o *options) works() []work {
	var chosen []work
	for _, w := range o.allWorks() {
		if o.only.MatchString(w.name) {
			chosen = append(chosen, w)
		}
	}
	return chosen
}

func (o *options) allWorks() (all []work) {
	if o.scale {
		return scaleWorks(raiseFiles(openFiles))
	}
	for _, tunnels := range o.tunnels {
		all = append(all, requestWork(tunnels, o.requests))
	}
	all = append(all,
		rateWork(16),
		downloadWork(codingLength), downloadWork(codingChunked), uploadWork(),
		watchWork(o.watches), eventWork(),
		setUpWork(false), setUpWork(true))
	for _, recorded := range []bool{false, true} {
		for _, size := range []int{32 << 10, 1 << 10, 64} {
			all = append(all, execWork(flowText, size, recorded))
		}
		all = append(all, execWork(flowBinary, 32<<10, recorded), keystrokeWork(recorded))
	}
	return append(all, manyExecsWork(), freshWork())
}
