//go:build !player

package replay

// Without the tag player there is none.
var playerScript, playerStyle []byte
