package supervise

import (
	"encoding/json"
	"io"
	"os"
	"slices"
	"strconv"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// WatchdogName is argv[0] of a watchdog. The program's own name is not part of
// it, so that pkill with that name does not end both.
const WatchdogName = "lease-watchdog"

// A watchdog stops the command before its deadline, whatever becomes of the
// supervisor. It is the program executed again, in a process group of its own,
// and the command is its child:
//
//	leasehold run … (moves the deadline)
//	└── lease-watchdog (knows the deadline)
//	    └── the command
//
// If the supervisor ends without an instruction to quit, nobody moves the
// deadline any more, and the watchdog stops the command at once. If the
// supervisor is stopped, or held up, the watchdog stops the command before the
// last deadline that it knows.
//
// On Linux both are subreapers: a process that the command left behind, in
// whatever group or session, becomes the watchdog's child, and the supervisor's
// if the watchdog was killed. So one of the two always has all of them below it.
type watchdog struct {
	instructions <-chan instruction // closed when the supervisor has ended
	reports      *reporter
	tree         *processTree
	ended        <-chan struct{} // closed when the command has ended and that is reported; nil if it is not the watchdog's child

	killAfter time.Duration
	remaining func() time.Duration
	stopping  bool // the supervisor has sent SIGTERM
	late      bool // the command was stopped for the deadline
}

// The watchdog's exit codes.
const (
	watchdogDone   = 0  // told to quit, and nothing is left of the command if that was asked for
	watchdogLeft   = 1  // some of the command's processes can't be killed
	watchdogFailed = 70 // it could not begin
)

// Watch is the program of a watchdog; args are the arguments after its name. It
// returns the exit code.
func Watch(args []string) int {
	nameSelf(WatchdogName)
	signals := surviveSignals()
	if len(args) != 2 {
		return watchdogFailed
	}
	in, err := inherited(args[0])
	if err != nil {
		return watchdogFailed
	}
	out, err := inherited(args[1])
	if err != nil {
		return watchdogFailed
	}
	instructions := receiveInstructions(in)
	first, ok := <-instructions
	switch {
	case ok && first.Quit:
		return watchdogDone
	case !ok || first.Deadline == nil:
		return watchdogFailed
	}
	w := &watchdog{
		instructions: instructions,
		reports:      &reporter{encoder: json.NewEncoder(out)},
		killAfter:    first.KillAfter,
		remaining:    first.Deadline.countdown(),
	}
	go w.reportSignals(signals)
	adoptOrphans()
	switch {
	case first.Start == nil:
		w.adopt(first)
	case w.remaining() <= w.lead(): // the supervisor, or this process, was held up
		w.reports.send(report{Late: true})
		return watchdogFailed
	default:
		if err := w.start(first.Start); err != nil {
			w.reports.send(failureReport(err))
			return watchdogFailed
		}
	}
	closeInherited(first.Keep)
	code := w.run()
	childless() // reaps the command, which would stay a zombie below an init that reaps nothing
	return code
}

// surviveSignals keeps a signal that is sent to all processes of a service from
// ending the watchdog: the supervisor gets it too, and forwards it. The signals
// are caught, not ignored, so that the command has their defaults, but for those
// that it is to ignore.
func surviveSignals() <-chan os.Signal {
	caught := make(chan os.Signal, 16)
	catch(caught, append(interrupting, unix.SIGCONT, unix.SIGWINCH, unix.SIGTSTP, unix.SIGTTIN, unix.SIGTTOU, unix.SIGPIPE)...)
	return caught
}

// reportSignals reports those signals that somebody has sent to all processes of
// a service, or to the watchdog alone: only the supervisor can tell which.
func (w *watchdog) reportSignals(signals <-chan os.Signal) {
	for sig := range signals {
		if sig, ok := sig.(unix.Signal); ok && slices.Contains(interrupting, os.Signal(sig)) {
			w.reports.send(report{Signal: sig})
		}
	}
}

func receiveInstructions(r io.Reader) <-chan instruction {
	instructions := make(chan instruction)
	go func() {
		defer close(instructions)
		for d := json.NewDecoder(r); ; {
			var i instruction
			if d.Decode(&i) != nil {
				return
			}
			instructions <- i
		}
	}()
	return instructions
}

// A reporter is safe for concurrent use.
type reporter struct {
	mu      sync.Mutex
	encoder *json.Encoder
}

func (r *reporter) send(what report) {
	r.mu.Lock()
	defer r.mu.Unlock()
	_ = r.encoder.Encode(what) // fails if the supervisor has ended, which shows elsewhere
}

// adopt takes over a command that has lost its watchdog.
func (w *watchdog) adopt(first instruction) {
	w.tree = newProcessTree(first.Adopt, func() []int {
		// The supervisor has the orphans. If it has ended, this process has a new
		// parent, like the host's init, whose other children are not the command's.
		if os.Getppid() == first.Parent {
			return []int{first.Adopt, first.Parent}
		}
		return []int{first.Adopt}
	})
	self := os.Getpid()
	w.tree.ignore = func(pid int) bool { return pid == self }
	w.reports.send(report{Started: first.Adopt})
}

// start starts the command.
func (w *watchdog) start(s *startInstruction) error {
	args := make([]string, len(s.Args))
	for i, a := range s.Args {
		args[i] = string(a)
	}
	sys := &unix.SysProcAttr{Setpgid: true}
	if s.Foreground {
		// Before the command's first instruction: from then on it gets what is
		// typed, and is not stopped for using the terminal.
		if tty, err := openTTY(); err == nil {
			defer tty.Close()
			sys.Foreground, sys.Ctty = true, int(tty.Fd())
		}
	}
	child, err := os.StartProcess(string(s.Path), args, &os.ProcAttr{
		Files: []*os.File{os.Stdin, os.Stdout, os.Stderr},
		Sys:   sys,
	})
	if err != nil {
		return err
	}
	pid := child.Pid
	_ = child.Release() // awaitChild waits for it
	w.tree = newProcessTree(pid, func() []int { return []int{os.Getpid()} })
	w.reports.send(report{Started: pid})
	ended := make(chan struct{})
	w.ended = ended
	go func() {
		defer close(ended)
		status := awaitChild(pid, func(by unix.Signal) { w.reports.send(report{Stopped: by}) })
		w.reports.send(report{Ended: true, Status: uint32(status)})
	}()
	return nil
}

// closeInherited closes what only the command needs: whoever reads from a pipe
// waits until all that have it open have ended.
func closeInherited(keep []int) {
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
		if slices.Contains(keep, fd) { // nothing that is started from here on gets it
			_, _ = unix.FcntlInt(uintptr(fd), unix.F_SETFD, unix.FD_CLOEXEC)
			continue
		}
		// All that this process has opened itself is closed on exec.
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
					w.reports.send(report{Late: true}) // before the supervisor can see the effect
				}
				w.tree.stop(w.termTime(), w.remaining)
				continue
			}
			over = time.After(min(left, checkInterval))
		}
		select {
		case <-over:
			if w.ended == nil { // not its own child: see watchdogs.replace
				w.tree.scan()
			}
		case i, ok := <-w.instructions:
			switch {
			case !ok:
				w.tree.stop(w.killAfter, w.remaining)
				w.killRest()
				return watchdogDone
			case i.Quit && i.KillRest && !w.killRest():
				return watchdogLeft
			case i.Quit:
				return watchdogDone
			case i.Stopping:
				w.stopping = true
			case i.Deadline != nil:
				w.remaining = i.Deadline.countdown()
			}
		}
	}
}

// leaderEnded reports whether the command has ended, whatever it left behind.
func (w *watchdog) leaderEnded() bool {
	if w.ended == nil {
		return w.tree.leader.hasEnded()
	}
	return isClosed(w.ended)
}

func isClosed(c <-chan struct{}) bool {
	select {
	case <-c:
		return true
	default:
		return false
	}
}

// checkInterval is how often the watchdog reads the clock: timers stop while the
// machine is suspended.
const checkInterval = time.Second

// termTime is the time between the watchdog's SIGTERM and SIGKILL. It leaves the
// supervisor the first quarter of KillAfter to stop the command itself.
func (w *watchdog) termTime() time.Duration {
	if w.stopping {
		return 0
	}
	return w.killAfter * 3 / 4
}

// lead is how long before the deadline the watchdog begins to stop the command.
func (w *watchdog) lead() time.Duration { return max(w.termTime(), KillMargin*3/4) }

// killRest kills what is left of the command and reports whether nothing is
// left. It does not go by a scan, which can miss a process that was just born,
// but by having no child.
func (w *watchdog) killRest() (gone bool) {
	for begun := time.Now(); time.Since(begun) < killTime; time.Sleep(pollInterval) {
		// childless would take the command's status from awaitChild.
		if (w.ended == nil || w.leaderEnded()) && childless() {
			return true
		}
		w.tree.kill()
	}
	return false
}
