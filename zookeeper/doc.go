// Package zookeeper is the lease store on Apache ZooKeeper 3.6 or later. It
// shares its leases with Python's kazoo (kazoo.recipe.lease).
//
// Grant, Renew and Release are in files of those names, what waits behind kazoo's
// lock is in queue.go. The client that talks to the servers is
// internal/zk. docs/protocol.md says what goes over the wire, and why.
package zookeeper
