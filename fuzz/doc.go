// Package fuzz holds the fuzz targets of the other packages: black boxes, each
// judged by something else than its own code.
//
//	FuzzRequest          any split, limits; net/http reads the same head
//	FuzzResponse         the same for responses; accept, print, accept
//	FuzzMessages         pipelined requests: net/http finds the same borders, and
//	                     the same messages in what is forwarded
//	FuzzLLHTTP           the same by llhttp, the parser of node
//	FuzzChunked          net/http/httputil finds the same body and the same end
//	FuzzRewrite          a plain model of what is forwarded; accept, print, accept
//	FuzzConnect          any split; net/http reads the same head
//	FuzzToken            nothing but the good tokens is accepted
//	FuzzClaims           a plain model of the claims, on encoding/json
//	FuzzProof            nothing but the good proofs is accepted
//	FuzzTarget           a plain model of which targets a token permits
//	FuzzRequestInfo      a plain model of the API server's rules; escapes don't matter
//	FuzzTraceparent      OpenTelemetry's own library reads the same parent
//	FuzzConfig           what loads is, printed, the same configuration
//	FuzzSPDY             any split; moby/spdystream reads the same frames; bounded memory
//	FuzzWebSocket        any split; x/net reads the same messages; bounded memory
//	FuzzSession          any split, seven framings: the same events; bounded memory
//	FuzzTar              archive/tar wrote the same files; any split; kept is what was hashed
//
// Every target has its seeds in code, most of them made of the testdata of the
// package under test, and fails without. Inputs that once found a fault are under
// testdata/fuzz, named after it; `go test` plays both. To look for more:
//
//	go test -fuzz '^FuzzRequest$' -fuzztime 30s ./fuzz
//
// FuzzLLHTTP is skipped where there is no node. What needs the inside of a package has
// its targets there; make fuzz finds all of them.
package fuzz
