// Package leasehold grants leases: it lets one of many hosts do something, or
// at most n of them, until a time that all of them know. And it runs a job once
// for each time it is due, on whichever host is well.
//
// The leases are kept on ZooKeeper (package zookeeper), where Python programs
// share them through kazoo, or in a directory for the processes of one machine
// (package localdir):
//
//	store, err := zookeeper.Open(ctx, "zk://zk1.example,zk2.example", nil)
//	if err != nil {
//		return err
//	}
//	defer store.Close()
//	client := leasehold.Client{Store: store}
//	lease, err := client.TryAcquire(ctx, "/db_leases/hourly_cleanup", 70*time.Minute)
//	if errors.Is(err, leasehold.ErrHeld) {
//		return nil // another host does it
//	}
//	if err != nil {
//		return err
//	}
//	return lease.Hold(ctx, cleanUp)
//
// A lease is not over when its work has ended: it lasts until [Lease.End], or until
// it is released. So another host that is late does not do the work again, but one
// with a new holder name is kept off as well.
//
// # Each tick once
//
// For a job that is due at certain times there is [Client.TryAcquireTick]. It is
// given a [Schedule], which package schedule makes from a cron expression, and is
// called on every host as often as you like. It grants the newest tick that is due,
// which is one of those times, to the first who asks. If that host dies or fails,
// others are granted the tick again, while attempts are left; after a success nobody
// is. [Client.Runs] shows the runs, [Client.Reopen] allows one more, [Client.Pause]
// and [Client.Resume] stop all. docs/schedules.md has every rule. A [Job] puts this
// together for schedulers within the process.
//
// [Lease.Hold] keeps a lease while a function runs, and enters in the run log how it
// ended. For work that can't be one function there are [Lease.KeepAlive] and
// [Lease.Finish].
//
// # What is promised
//
// No two holders' leases at one path, or more than n on n slots, are usable at
// the same moment ([Lease.Remaining] is positive), whatever crashes, pauses and
// lost connections there are, except for what the next section says. A tick is
// granted at most [Schedule].Attempts times, never twice at a time, and not again
// once its success is in the run log. An outcome
// is never guessed: where it can't be learned, the error is [ErrOutcomeUnknown]. A
// record that can't be read, or that a newer program wrote, is never replaced.
// Every call returns soon after its context ends; only [Lease.Release] and
// [Lease.Undo] may take 5 s more.
//
// # What is not promised
//
//   - The ZooKeeper servers' clocks must agree to within Client.MaxClockSkew.
//     This host's need not be right: if it is off by more, nothing is granted,
//     and the error is a [*ClockSkewError]. Hosts with kazoo go by their own
//     clocks, so beside them all hosts' clocks must agree, and a kazoo host's must
//     not be behind the servers': run NTP.
//   - That work is done at all: when in doubt, nobody does it. A host that dies may
//     have done it, and not have said so: then the next attempt does it again.
//   - The holder is known by its name alone. Two processes of one name are both
//     granted the lease. The name is the host's unless Client.Holder is set, so
//     set it where several workers run on one host.
//   - A process can be paused at any point, and go on when its lease is over
//     without having noticed. Send [Lease.Token] along with every write, and let
//     the receiver refuse a token that is less than one it has seen.
//   - Work can't be stopped from outside. [Lease.Hold] ends the context of its
//     function Client.Grace before the lease is over; work that takes longer to
//     stop needs more Grace, or it outlives the lease.
//   - [Client.ForceRelease], and an acquisition by the same holder, end a
//     lease whose holder learns of it no sooner than when it renews.
//   - A local store is for one machine, and goes by its clock: when that is set
//     forward, others are granted leases that are still in use.
//
// # kazoo
//
// [Client.TryAcquire] and [Client.TryAcquireSlot] do what kazoo's
// NonBlockingLease and MultiNonBlockingLease do: same paths, same records byte
// for byte, same rule, and they wait for kazoo's lock. Unlike kazoo, a Client
// tries its own slot first, and its writes are fenced: a Client that was stalled
// can't replace a later grant. A stalled client of kazoo can, also one of ours.
//
// # Errors
//
// errors.Is tells [ErrHeld], [ErrLost], [ErrUnreachable], [ErrPermission],
// [ErrQueued], [ErrFull], [ErrUnusablePath], [ErrOutcomeUnknown] and [ErrNoTick];
// errors.As gives the data of a [*HeldError], a [*TickError], a [*RecordError], a
// [*LogError], a [*ClockSkewError], a [*SameNameError] and an [*ArgumentError].
package leasehold
