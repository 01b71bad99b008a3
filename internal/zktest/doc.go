// Package zktest runs a real ZooKeeper server for tests, and a TCP proxy that
// loses, delays and swallows what goes to and fro.
//
// [Start] gives a test a server of its own, which it may kill, pause and
// restart, and whose packets it may count. [Shared] gives all tests of a
// package one server, for those that only need a path of their own.
// [StartSecured] is for those about TLS, users and permissions. Package
// testpair selects the server's version; a test on a machine without it fails
// and says so.
// No server outlives the test binary.
package zktest
