//go:build tools

// Package tools pins the Kubo that set-up builds where no ipfs is on PATH.
package tools

import _ "github.com/ipfs/kubo/cmd/ipfs"
