package gateway

import (
	"context"
	"sync"
)

// A part is what generations hand on to each other if its settings have not
// changed. It begins to run with the first one in force that has it, and ends
// with the last.
type part struct {
	run   func(ctx context.Context) // returns when ctx is done; nil if there is nothing to run
	close func()                    // called once, after run; nil if there is nothing to close

	mu      sync.Mutex
	holders int                // guarded by mu
	stop    context.CancelFunc // guarded by mu; nil until it has a holder
}

// hold starts the part, at the first call. It ends when ctx does or with its last
// holder; wg waits for that.
func (p *part) hold(ctx context.Context, wg *sync.WaitGroup) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.holders++
	if p.stop != nil {
		return
	}
	ctx, p.stop = context.WithCancel(ctx)
	wg.Go(func() {
		if p.run != nil {
			p.run(ctx)
		}
		<-ctx.Done()
		p.end()
	})
}

// release undoes hold.
func (p *part) release() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.holders--; p.holders == 0 {
		p.stop()
	}
}

// discard ends a part that has never had a holder.
func (p *part) discard() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.stop == nil {
		p.end()
	}
}

func (p *part) end() {
	if p.close != nil {
		p.close()
	}
}
