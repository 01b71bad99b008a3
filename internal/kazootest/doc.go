// Package kazootest runs real kazoo, Python's ZooKeeper client, for tests of
// what Go and Python hosts do to each other's leases.
//
// A [Peer] is a Python process that carries out what a test asks for with the
// recipes of the kazoo that package testpair selects; a test on a machine without
// it fails and says so. No Peer outlives the test binary.
package kazootest
