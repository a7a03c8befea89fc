// Package wirecase reads the wire cases of package httpparse for its tests and those of
// the packages above it: streams of octets, each with what has to become of it.
// They lie in httpparse/testdata, where what they are is said by the fields of
// [Case]. A file is a family; those of requests begin with "req-", those of
// responses with "resp-".
package wirecase
