// Package runlog knows the run log of a lease path and the rule of ticks: which
// of the times at which a schedule is due may be run by whom. It is pure: no
// input or output, no clock.
//
// A run log has a head, which is all that the rule reads, and entries, which are
// for people: the newest attempts. The head is never cut.
package runlog
