// Package localdir keeps leases in a directory on a local disk, for the
// processes of one machine. It needs no server.
//
// The lease at "/db_leases/hourly_cleanup" is the folder
// db_leases/hourly_cleanup below the directory, and in it are
//
//	lease_holder   the record, as kazoo would write it; read it with cat
//	.token         the last fencing token given out, and when: {"token":7,"since":"…"}
//	.run_log       the run log, once something was logged; when it was written is its mtime
//	.lock          what writers lock; empty
//
// and the folders of the leases below it. Names consist of a-z, 0-9, "_", "-"
// and, not in front, "."; every other byte of a component is written as % and
// two hex digits, so that no path leaves the directory, meets the names above,
// or is taken for another's where file names know no case. A component that
// becomes longer than 255 bytes by that can't be used here.
//
// # What is promised
//
// Whoever writes holds flock(2) on the lock file of the lease's folder, which is
// never renamed or removed once it is there. Only those who may write can open
// that file, so readers can't keep others out. Files are replaced by rename,
// after fsync, and readers see the old one or the new one, without a lock.
//
// The token is counted, and on the disk with all folders above it, before a
// record with it appears. Tokens grow for good, whatever is killed and whichever
// system call fails, at whatever moment, and nothing has to be repaired by hand
// afterwards. A process that is killed between the two leaves the old record
// with the new token: whoever had been granted the old record finds that its
// next renewal fails with ErrLost. If a write fails and its record may be there,
// the error is ErrOutcomeUnknown; other errors mean that it is not. A token file
// that is damaged, or missing beside a record, is an error that names the file;
// counting never starts anew. The token after 2^63-1 is refused.
//
// The run log is on the disk before a record that goes with it appears: a grant
// writes the token, the log and then the record, a release the log, the record
// and then that the grant is over. So no attempt runs that is not in the log, and
// no record is free before the log has the result. A process that is killed after
// the log and before the record leaves the old record. An attempt that it has
// entered counts as begun, and nobody runs it: it is as if the process had been
// killed just after the grant. If a call fails instead, the attempt is taken out
// again, or the error is ErrOutcomeUnknown. A log that can't be read or replaced,
// as that of another user in a folder with the sticky bit, is a LogError; what
// needs no log goes on.
//
// # What is not
//
// The one clock is the machine's. If it is set forward, leases end early for
// whoever asks next, while their holders count on by the time that really
// passed; if it is set back, they end late.
//
// Whoever may write to the directory can do as they like with the leases in it.
// So it is refused where that is everybody: it, the folders above it and the
// folders in it must not be writable by all, but for those with the sticky bit,
// like /tmp. Symbolic links that lead to the directory are followed, unless
// they are another user's in such a folder; in the directory none is.
//
// Network file systems are refused where they can be told: on Linux and macOS.
// So is FUSE, where sshfs and local file systems look the same. A directory that
// is removed or replaced has to be opened anew. Do not remove a lock file, nor
// keep a store where old files are removed, like /tmp: while a process writes,
// another would not see its lock.
//
// It works on Linux, macOS and the BSDs.
package localdir
