// Package reference makes the reference of a configuration file from what the
// program has anyway: the structs that the file is decoded into, their defaults,
// and the example file whose comments say what each key is for. It fails when one
// of them has a key that the other lacks, so what it makes is complete and true.
//
// It serves the generated documents; no shipped program has it inside.
//
// # Example files
//
// Each key has a line of its own, commented out or not, with its comment behind
// it or, for a key at the left margin, in the lines above:
//
//	# Where clients connect to.
//	listen: ":8443"
//	# drain:
//	#   timeout: 1h   # what is still open then is closed
package reference
