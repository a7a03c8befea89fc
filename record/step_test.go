//go:build !race

package record

// step is how far the tests whose names end in Everywhere go at once.
const step = 1
