//go:build player

package replay

import _ "embed"

// The asciinema player, as "make player" has fetched it.
var (
	//go:embed player/asciinema-player.min.js
	playerScript []byte
	//go:embed player/asciinema-player.css
	playerStyle []byte
)
