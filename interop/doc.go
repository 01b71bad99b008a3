// Package interop has no code, only tests of what Go hosts with Leasehold and
// Python hosts with kazoo do to each other's leases, on a real ZooKeeper with
// real kazoo:
//
//   - kazoo's own lease tests, with either side in either role;
//   - races of both for one lease;
//   - records that nobody may touch, since they can't be read or are newer;
//   - renewals and releases that come too late;
//   - ticks of a schedule where kazoo runs the job, too, and the run log;
//   - the record's bytes, which must not tell who wrote it.
package interop
