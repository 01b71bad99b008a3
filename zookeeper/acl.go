package zookeeper

import "leasehold.example/leasehold/zookeeper/internal/zk"

// An ACL says who may do what with a node: what any of its entries allows.
type ACL []ACLEntry

// An ACLEntry gives rights to those whom an ID names in a scheme of ZooKeeper's,
// like "world" with "anyone", "auth" with "" for the creator, "digest", "sasl",
// "x509" or "ip".
type ACLEntry struct {
	Scheme string
	ID     string
	Rights Rights
}

// Rights are what an ACL allows, one bit for each.
type Rights int32

// The rights on a node. To create and to delete is about nodes below it.
const (
	RightRead   = Rights(zk.PermRead)
	RightWrite  = Rights(zk.PermWrite)
	RightCreate = Rights(zk.PermCreate)
	RightDelete = Rights(zk.PermDelete)
	RightAdmin  = Rights(zk.PermAdmin) // to set the ACL
	RightsAll   = Rights(zk.PermAll)
)

// OpenACL lets everybody do everything. It is kazoo's default and ours.
func OpenACL() ACL { return ACL{{"world", "anyone", RightsAll}} }

// CreatorACL lets the creator do everything, and nobody else anything: whoever
// has the same user and password, or the same client certificate. It is kazoo's
// CREATOR_ALL_ACL. Nobody can't create with it.
//
// A digest user with a wrong password is somebody else to the servers, and not
// told so before asking for a node of the right one: new nodes are then that
// somebody's.
func CreatorACL() ACL { return ACL{{"auth", "", RightsAll}} }

// ReadWorldACL is CreatorACL and lets everybody read.
func ReadWorldACL() ACL { return append(CreatorACL(), ACLEntry{"world", "anyone", RightRead}) }

func (a ACL) forClient() []zk.ACL {
	var list []zk.ACL
	for _, e := range a {
		list = append(list, zk.ACL{Perms: int32(e.Rights), Scheme: e.Scheme, ID: e.ID})
	}
	return list
}
