// Package leasehold grants leases: it lets one of many hosts do something, or
// at most n of them, until a time that all of them know.
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
// # What is promised
//
// No two holders' leases at one path, or more than n on n slots, are usable at
// the same moment ([Lease.Remaining] is positive), whatever crashes, pauses and
// lost connections there are, except for what the next section says. An outcome
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
//     clocks, so beside them all hosts' clocks must agree: run NTP.
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
// [ErrQueued], [ErrFull], [ErrUnusablePath] and [ErrOutcomeUnknown]; errors.As gives the data of a [*HeldError], a
// [*RecordError], a [*ClockSkewError] and an [*ArgumentError].
package leasehold
