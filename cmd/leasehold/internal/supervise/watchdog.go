package supervise

import (
	"encoding/json"
	"io"
	"os"
	"strconv"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// A watchdog sees to it that COMMAND ends before its lease, whatever becomes of
// leasehold. It is leasehold executed again, in a process group of its own, and
// COMMAND is its child:
//
//	leasehold run … (renews the lease)
//	└── lease-watchdog (knows when the lease ends)
//	    └── COMMAND
//
// If leasehold ends without a farewell, nobody renews the lease, and the
// watchdog stops COMMAND at once. If leasehold is stopped, or held up, no new
// term comes, and the watchdog stops COMMAND before the old one is over.
//
// On Linux both are subreapers: a process that COMMAND left behind, in whatever
// group or session, becomes the watchdog's child, and leasehold's if that was
// killed. So one of the two always has all of them below it.
type watchdog struct {
	orders  <-chan order // closed when leasehold has ended
	reports *reporter
	tree    *tree
	ended   <-chan struct{} // COMMAND has, and was reported

	killAfter time.Duration
	remaining func() time.Duration
	stopping  bool // leasehold has sent SIGTERM
	late      bool // COMMAND was stopped since the term was over
}

// watch is the watchdog's program. It returns 0 at a farewell, and after a
// sweep only if nothing of COMMAND is left.
func watch(args []string) int {
	nameSelf(watchdogName)
	ignoreSignals()
	if len(args) != 2 {
		return exitInternal
	}
	in, err := inherit(args[0])
	if err != nil {
		return exitInternal
	}
	out, err := inherit(args[1])
	if err != nil {
		return exitInternal
	}
	orders := receiveOrders(in)
	first, ok := <-orders
	switch {
	case ok && first.Farewell:
		return 0
	case !ok || first.Term == nil:
		return exitInternal
	}
	w := &watchdog{
		orders:    orders,
		reports:   &reporter{encoder: json.NewEncoder(out)},
		killAfter: first.KillAfter,
		remaining: first.Term.countdown(),
	}
	adoptOrphans()
	switch {
	case first.Command == nil:
		w.guard(first)
	case w.remaining() <= w.lead(): // leasehold, or this process, was held up
		w.reports.send(notice{Late: true})
		return exitInternal
	default:
		if err := w.start(first.Command); err != nil {
			w.reports.send(startNotice(err))
			return exitInternal
		}
	}
	letGo()
	code := w.run()
	childless() // an init that reaps nothing would keep COMMAND as a zombie
	return code
}

// ignoreSignals keeps the watchdog from being ended by a signal that is meant
// for all: leasehold gets it too, and passes it on. The signals are caught, so
// that COMMAND has their defaults, but for those that it is to ignore.
func ignoreSignals() {
	caught := make(chan os.Signal, 1)
	heed(caught, append(userSignals, unix.SIGTSTP, unix.SIGTTIN, unix.SIGTTOU, unix.SIGPIPE)...)
	go func() {
		for range caught {
		}
	}()
}

func receiveOrders(r io.Reader) <-chan order {
	orders := make(chan order)
	go func() {
		defer close(orders)
		for d := json.NewDecoder(r); ; {
			var o order
			if d.Decode(&o) != nil {
				return
			}
			orders <- o
		}
	}()
	return orders
}

// A reporter is safe for concurrent use.
type reporter struct {
	mu      sync.Mutex
	encoder *json.Encoder
}

func (r *reporter) send(what notice) {
	r.mu.Lock()
	defer r.mu.Unlock()
	_ = r.encoder.Encode(what) // without leasehold there is nobody to tell
}

// guard looks after a COMMAND that has lost its watchdog.
func (w *watchdog) guard(first order) {
	w.tree = newTree(first.Guard, func() []int {
		// It has the orphans, unless it has ended: then this process has been
		// handed to one who has nothing to do with COMMAND, like the host's init.
		if os.Getppid() == first.Leasehold {
			return []int{first.Guard, first.Leasehold}
		}
		return []int{first.Guard}
	})
	self := os.Getpid()
	w.tree.spare = func(pid int) bool { return pid == self }
	w.reports.send(notice{Started: first.Guard})
}

// start starts COMMAND.
func (w *watchdog) start(c *command) error {
	args := make([]string, len(c.Args))
	for i, a := range c.Args {
		args[i] = string(a)
	}
	sys := &unix.SysProcAttr{Setpgid: true}
	if c.Foreground {
		// Before COMMAND's first instruction: what is typed is for it from then
		// on, and it is not stopped for touching the terminal.
		if tty, err := openTTY(); err == nil {
			defer tty.Close()
			sys.Foreground, sys.Ctty = true, int(tty.Fd())
		}
	}
	child, err := os.StartProcess(string(c.Executable), args, &os.ProcAttr{
		Files: []*os.File{os.Stdin, os.Stdout, os.Stderr},
		Sys:   sys,
	})
	if err != nil {
		return err
	}
	pid := child.Pid
	_ = child.Release() // waiting for it is ours
	w.tree = newTree(pid, func() []int { return []int{os.Getpid()} })
	w.reports.send(notice{Started: pid})
	ended := make(chan struct{})
	w.ended = ended
	go func() {
		defer close(ended)
		status := awaitChild(pid, func(by unix.Signal) { w.reports.send(notice{Stopped: by}) })
		w.reports.send(notice{Ended: true, Status: uint32(status)})
	}()
	return nil
}

// letGo closes what was inherited on COMMAND's behalf: whoever reads from it
// waits for the end of all that have it open, and the overlap lock is COMMAND's.
func letGo() {
	if null, err := os.OpenFile(os.DevNull, os.O_RDWR, 0); err == nil {
		for fd := range 3 {
			_ = duplicate(int(null.Fd()), fd)
		}
		null.Close()
	}
	open, _ := os.ReadDir("/dev/fd")
	for _, entry := range open {
		fd, err := strconv.Atoi(entry.Name())
		if err != nil || fd < 3 {
			continue
		}
		// All that Go and leasehold open themselves is closed on exec.
		if flags, err := unix.FcntlInt(uintptr(fd), unix.F_GETFD, 0); err == nil && flags&unix.FD_CLOEXEC == 0 {
			unix.Close(fd)
		}
	}
}

// run returns when the watchdog is not needed any more.
func (w *watchdog) run() (code int) {
	for {
		var over <-chan time.Time
		if !w.late {
			left := w.remaining() - w.lead()
			if left <= 0 {
				w.late = true
				if !w.stopping && !w.leaderEnded() {
					w.reports.send(notice{Late: true}) // before anything comes of it
				}
				w.tree.stop(w.patience(), w.remaining)
				continue
			}
			over = time.After(min(left, lookAgain))
		}
		select {
		case <-over:
			if w.ended == nil { // not its own child: see replace
				w.tree.look()
			}
		case o, ok := <-w.orders:
			switch {
			case !ok:
				w.tree.stop(w.killAfter, w.remaining)
				w.sweep()
				return 0
			case o.Farewell && o.Sweep && !w.sweep():
				return 1
			case o.Farewell:
				return 0
			case o.Stopping:
				w.stopping = true
			case o.Term != nil:
				w.remaining = o.Term.countdown()
			}
		}
	}
}

// leaderEnded reports whether COMMAND has, whatever it may have left behind.
func (w *watchdog) leaderEnded() bool {
	if w.ended == nil { // not its own child
		return w.tree.leader.hasEnded()
	}
	select {
	case <-w.ended:
		return true
	default:
		return false
	}
}

// lookAgain is how often a timer looks at the clock, since it stops while the
// machine is suspended.
const lookAgain = time.Second

// patience is the time between SIGTERM and SIGKILL. A quarter of --kill-after
// is for leasehold, to show that it does it itself.
func (w *watchdog) patience() time.Duration {
	if w.stopping {
		return 0
	}
	return w.killAfter * 3 / 4
}

// lead is how long before the lease is over COMMAND is to be stopped.
func (w *watchdog) lead() time.Duration { return max(w.patience(), killMargin*3/4) }

// sweep kills what is left of COMMAND and reports whether nothing is. Unlike a
// look at all processes, having no child can't miss one that was just born.
func (w *watchdog) sweep() (gone bool) {
	for begun := time.Now(); time.Since(begun) < killTime; time.Sleep(pollGroup) {
		// While somebody waits for COMMAND itself, its end is not to be taken from
		// them.
		if (w.ended == nil || w.leaderEnded()) && childless() {
			return true
		}
		w.tree.kill()
	}
	return false
}
