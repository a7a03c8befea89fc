package record

import "sync"

// An Outcome is what became of the recording of a stream.
type Outcome uint8

// The outcomes. Each stream has exactly one.
const (
	OutcomeRecorded Outcome = iota // all of it
	OutcomeExempt                  // it was not to be recorded
	OutcomeFailed                  // it could not be recorded, or not to its end
)

// String returns the word of the metrics for o.
func (o Outcome) String() string {
	return [...]string{OutcomeRecorded: "recorded", OutcomeExempt: "exempt", OutcomeFailed: "failed"}[o]
}

// An Account counts upgraded streams. It makes sure that they add up: Begin
// counts one, and the Entry counts its outcome once, whoever tells it first.
// The zero value is ready. All methods may be called concurrently.
type Account struct {
	// Observe, if not nil, is told each outcome once. It is set before use.
	Observe func(d Decision, o Outcome)

	mu     sync.Mutex
	totals Totals // guarded by mu
}

// Totals are numbers of streams. Upgrades is the sum of all others.
type Totals struct {
	Upgrades int64
	Open     int64 // whose outcome is not known yet
	Recorded int64
	Exempt   int64
	Failed   int64
}

// An Entry is one stream in an Account.
type Entry struct {
	account  *Account
	decision Decision
	once     sync.Once
}

// Begin counts a stream. A stream that is not to be recorded has its outcome
// at once.
func (a *Account) Begin(d Decision) *Entry {
	a.mu.Lock()
	a.totals.Upgrades++
	a.totals.Open++
	a.mu.Unlock()
	e := &Entry{account: a, decision: d}
	if !d.Record() {
		e.Settle(OutcomeExempt)
	}
	return e
}

// Settle tells the outcome. Only the first call counts.
func (e *Entry) Settle(o Outcome) {
	e.once.Do(func() {
		a := e.account
		a.mu.Lock()
		a.totals.Open--
		switch o {
		case OutcomeRecorded:
			a.totals.Recorded++
		case OutcomeExempt:
			a.totals.Exempt++
		default:
			a.totals.Failed++
		}
		a.mu.Unlock()
		if a.Observe != nil {
			a.Observe(e.decision, o)
		}
	})
}

// Totals returns the numbers as of one moment.
func (a *Account) Totals() Totals {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.totals
}
