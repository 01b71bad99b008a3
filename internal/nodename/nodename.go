// Package nodename knows the names of the nodes that the ZooKeeper store keeps
// a grant by, which no lease can have. Those of kazoo's are in package kazoo.
package nodename

import "strings"

const (
	grantPrefix = "grant-"
	unique      = 16 // hex digits
	sequence    = 10 // decimal digits, which the server appends
)

// Grant returns the name of a grant node without its sequence number; unique is
// 16 hex digits.
func Grant(unique string) string { return grantPrefix + unique + "-" }

// IsGrant reports whether name is one of a grant node.
func IsGrant(name string) bool {
	rest, ok := strings.CutPrefix(name, grantPrefix)
	return ok && len(rest) == unique+1+sequence && rest[unique] == '-' &&
		consists(rest[:unique], "0123456789abcdef") && consists(rest[unique+1:], "0123456789")
}

func consists(s, of string) bool { return strings.Trim(s, of) == "" }
