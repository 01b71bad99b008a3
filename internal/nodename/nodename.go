// Package nodename knows the names of the nodes that the ZooKeeper store keeps
// a grant by, which no lease can have. Those of kazoo's are in package kazoo.
package nodename

import (
	"fmt"
	"regexp"
	"strconv"
	"time"
)

// A Grant is what the name of a grant node says of the grant.
type Grant struct {
	Unique    string    // 16 hex digits
	Machine   string    // 8 hex digits, a hash of the machine's identity; "" if not known
	FormerEnd time.Time // of another holder's lease that was taken over; zero if there was none
}

// The name ends in the sequence number of 10 digits that the server appends. In
// between are the machine and the former end, in seconds since 1970, or neither:
// names were like that before they had these.
var pattern = regexp.MustCompile(`^grant-([0-9a-f]{16})-(?:([0-9a-f]{8})?-([0-9]{0,12})-)?[0-9]{10}$`)

// Prefix returns the name of the grant's node without its sequence number.
func (g Grant) Prefix() string {
	end := ""
	if !g.FormerEnd.IsZero() && g.FormerEnd.Unix() > 0 {
		end = strconv.FormatInt(g.FormerEnd.Unix(), 10)
	}
	return fmt.Sprintf("grant-%s-%s-%s-", g.Unique, g.Machine, end)
}

// ParseGrant reads the name of a grant node; ok is false if name is not one.
func ParseGrant(name string) (g Grant, ok bool) {
	m := pattern.FindStringSubmatch(name)
	if m == nil {
		return Grant{}, false
	}
	g = Grant{Unique: m[1], Machine: m[2]}
	if m[3] != "" {
		seconds, _ := strconv.ParseInt(m[3], 10, 64) // the pattern lets only digits pass, few enough
		g.FormerEnd = time.Unix(seconds, 0).UTC()
	}
	return g, true
}
