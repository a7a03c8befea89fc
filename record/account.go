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

// An Account makes sure that upgraded streams are counted once each: Begin opens
// the Entry of a stream, and Observe is told the outcome that comes first. The
// zero value is ready. All methods may be called concurrently.
type Account struct {
	// Observe, if not nil, is told the outcome of each stream. It is set before use.
	Observe func(d Decision, o Outcome)
}

// An Entry is one stream in an Account.
type Entry struct {
	account  *Account
	decision Decision
	once     sync.Once
}

// Begin opens the entry of a stream. One that is not to be recorded has its
// outcome at once.
func (a *Account) Begin(d Decision) *Entry {
	e := &Entry{account: a, decision: d}
	if !d.Record() {
		e.Settle(OutcomeExempt)
	}
	return e
}

// Settle tells the outcome. Only the first call counts.
func (e *Entry) Settle(o Outcome) {
	e.once.Do(func() {
		if observe := e.account.Observe; observe != nil {
			observe(e.decision, o)
		}
	})
}
