package leasehold

import (
	"testing"
	"time"
)

// JumpWallClock makes l see what it would had this host's wall clock been set
// forward by d just now: its last commit was sent and received when the wall
// clock showed a time that is d earlier, and nothing else has changed.
func JumpWallClock(t *testing.T, l *Lease, d time.Duration) {
	t.Helper()
	l.mu.Lock()
	defer l.mu.Unlock()
	stamp := &l.entry.Stamp
	stamp.Sent, stamp.Received = jumpWall(t, stamp.Sent, -d), jumpWall(t, stamp.Received, -d)
}

// ReachEnd makes l as old as its last commit has let it become.
func ReachEnd(l *Lease) {
	left := l.Remaining()
	l.mu.Lock()
	defer l.mu.Unlock()
	sent := &l.entry.Stamp.Sent
	sent.wall = sent.wall.Add(-left)
	if sent.boot != 0 {
		sent.boot = max(1, sent.boot-left)
	}
}
