package supervise

import (
	"time"

	"golang.org/x/sys/unix"
)

// A processTree is the command's process group, and all that descends from the
// command outside of it.
type processTree struct {
	leader processID          // the command, whose pid is the group's
	roots  func() []int       // all that descends from these is the command's
	ignore func(pid int) bool // nil, or which of these is not the command's

	known      map[processID]bool // what lived at the last scan, whosever child it is by now
	terminated map[processID]bool // processes outside of the group that got SIGTERM
}

func newProcessTree(leader int, roots func() []int) *processTree {
	return &processTree{leader: identify(leader), roots: roots, terminated: map[processID]bool{}}
}

const (
	// KillMargin is how long before the deadline SIGKILL is sent.
	KillMargin = 50 * time.Millisecond

	// killTime is how long processes may take to end after SIGKILL.
	killTime = 2 * time.Second

	// pollInterval is the time between two scans: nothing reports the end of a
	// process that is not our child.
	pollInterval = 10 * time.Millisecond
)

// stop stops the whole tree: by SIGTERM, and by SIGKILL after killAfter or when
// no time remains. Processes outside of the group get SIGTERM when the group has
// ended, or after half of killAfter: often a process in the group looks after
// them, and stops them in its own order. stop reports whether all are gone.
func (t *processTree) stop(killAfter time.Duration, remaining func() time.Duration) (gone bool) {
	scanned := time.Now()
	if t.isGone() {
		return true
	}
	pause := scanPause(scanned)
	if killAfter > 0 && remaining() > KillMargin+pause {
		t.signalGroup(unix.SIGTERM)
		t.signalGroup(unix.SIGCONT)
		for sent := time.Now(); time.Since(sent) < killAfter && remaining() > KillMargin+pause; {
			scanned := time.Now()
			groupLives, outside := t.scan()
			if !groupLives && len(outside) == 0 && t.isGone() {
				return true
			}
			if !groupLives || time.Since(sent) > killAfter/2 {
				t.terminate(outside)
			}
			pause = scanPause(scanned)
			time.Sleep(min(pause, max(0, remaining()-KillMargin)))
		}
	}
	t.signalGroup(unix.SIGKILL)
	for killed := time.Now(); time.Since(killed) < killTime; time.Sleep(pollInterval) {
		t.kill()
		if t.isGone() {
			return true
		}
	}
	return false
}

// scanPause keeps scans to a third of the time on hosts with many processes.
func scanPause(scanned time.Time) time.Duration {
	return max(pollInterval, 2*time.Since(scanned))
}

// terminate sends SIGTERM to those processes that have not got it yet.
func (t *processTree) terminate(outside []processID) {
	for _, p := range outside {
		if !t.terminated[p] {
			t.terminated[p] = true
			p.signal(unix.SIGTERM)
			p.signal(unix.SIGCONT)
		}
	}
}

// kill sends SIGKILL to all that it finds.
func (t *processTree) kill() {
	t.killChildren()
	groupLives, outside := t.scan()
	if groupLives {
		t.signalGroup(unix.SIGKILL)
	}
	for _, p := range outside {
		p.signal(unix.SIGKILL)
	}
}

// signalGroup sends sig to the whole group. It can fail only where the group has
// ended, or runs as another user, and neither can be helped.
func (t *processTree) signalGroup(sig unix.Signal) { _ = unix.Kill(-t.leader.pid, sig) }

// signal sends sig to every process.
func (t *processTree) signal(sig unix.Signal) {
	_, outside := t.scan()
	t.signalGroup(sig)
	for _, p := range outside {
		p.signal(sig)
	}
}

func (t *processTree) groupLives() bool {
	lives, _ := t.scan()
	return lives
}

// isGone reports whether all of the tree has ended. One scan may miss a process
// whose parent ends meanwhile, so it takes two.
func (t *processTree) isGone() bool {
	for range 2 {
		if groupLives, outside := t.scan(); groupLives || len(outside) > 0 {
			return false
		}
	}
	return true
}
