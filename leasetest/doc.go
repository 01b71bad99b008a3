// Package leasetest helps to test what uses leases, and what keeps them.
//
// [NewStore] is a store in memory, for the unit tests of programs that use
// package leasehold: give it to a [leasehold.Client] in place of the real one.
// It starts no goroutines, and knows no time but that of package time, so it
// works in the bubbles of testing/synctest too.
//
// [RunStore] is the conformance suite: it tells whether an implementation of
// [leasehold.Store] keeps what its documentation promises.
package leasetest
