package supervise

import (
	"time"

	"golang.org/x/sys/unix"
)

// A tree is COMMAND's process group, and whatever descends from COMMAND outside
// of it: its strays.
type tree struct {
	leader processID    // COMMAND, whose pid is the group's
	roots  func() []int // whose descendants all are COMMAND's

	spare func(pid int) bool // nil, or tells what of these is not

	known map[processID]bool // those that lived at the last look, whosever child they are by now
	asked map[processID]bool // strays that got SIGTERM
}

func newTree(leader int, roots func() []int) *tree {
	return &tree{leader: identify(leader), roots: roots, asked: map[processID]bool{}}
}

const (
	// killMargin is how long before the lease is over SIGKILL is sent.
	killMargin = 50 * time.Millisecond

	// killTime is how long SIGKILL may take to be obeyed.
	killTime = 2 * time.Second

	pollGroup = 10 * time.Millisecond // nothing tells of the end of a process that is not our child
)

// stop stops all of COMMAND: by SIGTERM, and by SIGKILL once patience or the
// remaining time is over. Strays get SIGTERM when the group has ended, or half
// of patience is over: often they are in the care of a process in the group,
// which has its own order for that. stop reports whether all are gone.
func (t *tree) stop(patience time.Duration, remaining func() time.Duration) (gone bool) {
	looked := time.Now()
	if t.isGone() {
		return true
	}
	pause := t.pause(looked)
	if patience > 0 && remaining() > killMargin+pause {
		t.signal(unix.SIGTERM)
		t.signal(unix.SIGCONT)
		for sent := time.Now(); time.Since(sent) < patience && remaining() > killMargin+pause; {
			looked := time.Now()
			groupLives, strays := t.look()
			if !groupLives && len(strays) == 0 && t.isGone() {
				return true
			}
			if !groupLives || time.Since(sent) > patience/2 {
				t.ask(strays)
			}
			pause = t.pause(looked)
			time.Sleep(min(pause, max(0, remaining()-killMargin)))
		}
	}
	t.signal(unix.SIGKILL)
	for killed := time.Now(); time.Since(killed) < killTime; time.Sleep(pollGroup) {
		t.kill()
		if t.isGone() {
			return true
		}
	}
	return false
}

// pause keeps the looking from taking more than a third of the time, on hosts
// with many processes.
func (t *tree) pause(looked time.Time) time.Duration {
	return max(pollGroup, 2*time.Since(looked))
}

// ask sends SIGTERM to those strays that have not got it yet.
func (t *tree) ask(strays []processID) {
	for _, p := range strays {
		if !t.asked[p] {
			t.asked[p] = true
			p.signal(unix.SIGTERM)
			p.signal(unix.SIGCONT)
		}
	}
}

// kill sends SIGKILL to all that can be seen.
func (t *tree) kill() {
	groupLives, strays := t.look()
	if groupLives {
		t.signal(unix.SIGKILL)
	}
	for _, p := range strays {
		p.signal(unix.SIGKILL)
	}
}

// signal sends sig to the whole group. There is nobody to tell if that fails:
// the group has ended, or changed its user.
func (t *tree) signal(sig unix.Signal) { _ = unix.Kill(-t.leader.pid, sig) }

// isGone reports whether all of COMMAND has ended. One look may miss a process
// whose parent ends meanwhile, so it takes two.
func (t *tree) isGone() bool {
	for range 2 {
		if groupLives, strays := t.look(); groupLives || len(strays) > 0 {
			return false
		}
	}
	return true
}
