//go:build tools

// Package tools pins the Medusa that `make assure` builds where none is on PATH.
package tools

import _ "github.com/crytic/medusa"
