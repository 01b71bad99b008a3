// Package faultlab is a laboratory for faults: a real ZooKeeper ensemble and
// its clients, each in a network namespace of its own on one virtual switch,
// and the faults that a test inflicts on them.
//
// A package that uses it hands its TestMain over to [Main]; [Start] then gives
// a test an ensemble. The tests run as root of a user namespace that ends with
// them, so they need no root where the kernel allows that, and nothing is left
// behind, not even when they are killed. The test process itself is attached
// to the switch too, as an observer that no fault cuts off.
//
// It needs Linux and the Debian packages zookeeper, iproute2, nftables and
// util-linux. Where it can't run, Start fails the test and says what is
// missing; the environment FAULTS=off leaves all tests of the package out.
package faultlab
