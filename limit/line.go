package limit

import "container/list"

// line is those who wait at a Gate for places of one kind: a ring of users, and
// for each of them who waits, in the order in which they came. It is guarded by
// the gate's mu.
type line struct {
	most    int // waiters
	waiting int
	users   map[string]*party
	ring    list.List // of *party; the first is next
}

// party is all that wait of one user. It is in the ring as long as there are any.
type party struct {
	user    string
	at      *list.Element
	waiters list.List // of *waiter
}

// waiter is one call of Enter.
type waiter struct {
	party *party
	at    *list.Element
	state waiterState
	over  chan struct{} // closed when state is no longer waiting
}

type waiterState int

const (
	waiting waiterState = iota
	letIn
	dropped // for somebody of whom fewer wait
)

// join puts a waiter of a user at the end. Where too many wait, it drops the last
// one of the user of whom most wait, unless that is this user: then it returns nil.
func (l *line) join(user string) (joined, gone *waiter) {
	p := l.users[user]
	if l.waiting >= l.most {
		if gone = l.dropFor(p); gone == nil {
			return nil, nil
		}
	}
	if p == nil {
		p = &party{user: user}
		p.at = l.ring.PushBack(p)
		l.users[user] = p
	}
	w := &waiter{party: p, over: make(chan struct{})}
	w.at = p.waiters.PushBack(w)
	l.waiting++
	return w, gone
}

// dropFor makes room for one more of a party, nil being a new one, if another party
// would still have no fewer. Most of those for whom there is no room are known at
// once, from having their share already.
func (l *line) dropFor(p *party) *waiter {
	parties, have := len(l.users), 0
	if p == nil {
		parties++
	} else {
		have = p.waiters.Len()
	}
	if (have+1)*parties > l.most {
		return nil
	}
	largest := l.largest()
	if largest == nil || largest.waiters.Len() <= have+1 {
		return nil
	}
	last := largest.waiters.Back().Value.(*waiter)
	l.leave(last)
	last.state = dropped
	return last
}

// largest returns the party of which most wait, nil if nobody does.
func (l *line) largest() (largest *party) {
	for at := l.ring.Front(); at != nil; at = at.Next() {
		if p := at.Value.(*party); largest == nil || p.waiters.Len() > largest.waiters.Len() {
			largest = p
		}
	}
	return largest
}

// next takes out whose turn it is, and moves the turn on. It returns nil if nobody
// waits.
func (l *line) next() *waiter {
	first := l.ring.Front()
	if first == nil {
		return nil
	}
	p := first.Value.(*party)
	w := p.waiters.Front().Value.(*waiter)
	l.ring.MoveToBack(first)
	l.leave(w)
	w.state = letIn
	return w
}

// leave takes out a waiter.
func (l *line) leave(w *waiter) {
	p := w.party
	p.waiters.Remove(w.at)
	if p.waiters.Len() == 0 {
		l.ring.Remove(p.at)
		delete(l.users, p.user)
	}
	l.waiting--
}
