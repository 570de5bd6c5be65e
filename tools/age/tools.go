//go:build tools

// Package tools pins the age that the benchmarks measure beside ours.
package tools

import _ "filippo.io/age/cmd/age"
