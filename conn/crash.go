package conn

import (
	"fmt"
	"runtime/debug"
)

// reasonPanic is the reason of what a panic has ended.
const reasonPanic = "panic"

// crash carries a panic from a goroutine of a connection to the one that serves
// it, where whoever called Serve can recover: elsewhere it would end the process.
// It is written by the goroutine, and read when that has ended.
type crash struct {
	value any
	stack []byte
}

// catch is to be deferred. It keeps a panic and then calls wake.
func (c *crash) catch(wake func()) {
	if value := recover(); value != nil {
		c.value, c.stack = value, debug.Stack()
		wake()
	}
}

// rethrow panics with what was caught, if anything was.
func (c *crash) rethrow() {
	if c.value != nil {
		value := c.value
		c.value = nil
		panic(fmt.Sprintf("%v\n\n%s", value, c.stack))
	}
}
