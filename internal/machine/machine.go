// Package machine tells one machine from another, also where both have the same
// name.
package machine

import (
	"crypto/sha256"
	"encoding/hex"
	"strings"
	"sync"
)

// ID returns 8 hex digits that depend on the machine's own identity, or "" if it
// has none that is known here. It is a hash, since machine-id(5) asks not to show
// the identity itself. Machines that are copies of each other, their identity
// included, have the same.
var ID = sync.OnceValue(func() string {
	id := strings.TrimSpace(identity())
	if id == "" || id == "uninitialized" { // machine-id(5): on first boot
		return ""
	}
	sum := sha256.Sum256([]byte("leasehold machine " + id))
	return hex.EncodeToString(sum[:4])
})
