package faultlab

import (
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"
)

// purge keeps the disks of servers that run for long from filling up by
// themselves; ZooKeeper's own purge runs once an hour at most.
func (l *Lab) purge(stop <-chan struct{}) {
	for {
		select {
		case <-stop:
			return
		case <-time.After(10 * time.Second):
		}
		l.purgeNow()
	}
}

func (l *Lab) purgeNow() {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, s := range l.servers {
		if !s.diskFull {
			purgeOld(filepath.Join(s.data(), "version-2"), 3)
		}
	}
}

// purgeOld removes snapshots but the newest ones, and the logs that these
// don't need. A log is needed if it begins after the oldest snapshot kept, and
// so is the last that begins before.
func purgeOld(dir string, keep int) {
	snapshots, logs := zxids(dir, "snapshot."), zxids(dir, "log.")
	if len(snapshots) <= keep {
		return
	}
	oldest := snapshots[len(snapshots)-keep]
	for _, zxid := range snapshots[:len(snapshots)-keep] {
		os.Remove(filepath.Join(dir, "snapshot."+strconv.FormatInt(zxid, 16)))
	}
	for i, zxid := range logs {
		if i+1 < len(logs) && logs[i+1] <= oldest {
			os.Remove(filepath.Join(dir, "log."+strconv.FormatInt(zxid, 16)))
		}
	}
}

// zxids returns the transaction ids in the names of the files with the
// prefix, in order.
func zxids(dir, prefix string) []int64 {
	entries, _ := os.ReadDir(dir) // none before the first start
	var found []int64
	for _, e := range entries {
		if rest, ok := strings.CutPrefix(e.Name(), prefix); ok {
			if zxid, err := strconv.ParseInt(rest, 16, 64); err == nil {
				found = append(found, zxid)
			}
		}
	}
	slices.Sort(found)
	return found
}
