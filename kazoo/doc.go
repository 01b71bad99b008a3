// Package kazoo holds what Leasehold shares with the lease recipe of Python's
// kazoo: the record, byte for byte, the names below a lease path, and the rule
// that says who may have the lease.
//
// It is pure: no I/O, no clock, no context. The facts are those of
// kazoo/recipe/lease.py and kazoo/recipe/lock.py, version 2.8.0, and of the
// parts of Python's json and time modules that they call.
package kazoo
