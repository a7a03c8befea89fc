//go:build race

package record

// step is how far the tests whose names end in Everywhere go at once: on their one
// goroutine nothing can race, so they are walked whole where that takes less time.
const step = 11
