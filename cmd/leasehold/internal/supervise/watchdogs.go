package supervise

import (
	"encoding/json"
	"errors"
	"os"
	"strconv"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// A watchdogProcess is a watchdog, as the supervisor sees it.
type watchdogProcess struct {
	pid         int
	sent        deadline      // the last one that was sent to it
	reportsDone chan struct{} // closed when no more reports come
	exited      chan struct{} // closed when it has exited
	status      unix.WaitStatus

	mu           sync.Mutex // guards what is below
	instructions *os.File
}

// send sends i to the watchdog. If it has exited, reap notices that.
func (w *watchdogProcess) send(i instruction) {
	w.mu.Lock()
	defer w.mu.Unlock()
	_ = json.NewEncoder(w.instructions).Encode(i)
}

func (w *watchdogProcess) hasExited() bool { return isClosed(w.exited) }

// watchdogs are the one that has started the command and, if that was killed,
// those that replaced it.
type watchdogs struct {
	command Command
	handle  func(report) // called with what they report
	warn    func(format string, args ...any)

	mu   sync.Mutex // guards what is below
	all  []*watchdogProcess
	quit bool
}

// start starts a watchdog with its first instruction. It returns the command's
// pid.
func (ws *watchdogs) start(first instruction) (pid int, err error) {
	d := readDeadline(ws.command.Remaining)
	first.Deadline, first.KillAfter, first.Keep = &d, ws.command.KillAfter, ws.command.Keep
	before := children() // not the command's: as PID 1, say, or after a shell's exec
	w, reports, err := ws.execute(d)
	if err != nil {
		return 0, errors.New("start the watchdog: " + err.Error())
	}
	decoder := json.NewDecoder(reports)
	r, err := w.begin(first, decoder, reports)
	if err != nil {
		// Kill it before its pipe is closed: without instructions it would stop the
		// command that it has adopted.
		if !w.hasExited() {
			_ = unix.Kill(w.pid, unix.SIGKILL)
		}
		close(w.reportsDone)
		reports.Close()
		w.instructions.Close()
		if first.Start != nil { // reap does not run yet
			_, _ = unix.Wait4(w.pid, nil, 0, nil)
			if err == errNoAnswer {
				killNewChildren(before) // it may have started the command
			}
		}
		return 0, err
	}
	go func() {
		defer close(w.reportsDone)
		defer reports.Close()
		for {
			var r report
			if decoder.Decode(&r) != nil {
				return
			}
			ws.handle(r)
		}
	}()
	return r.Started, nil
}

// begin sends the watchdog its first instruction, and returns its first report.
// It waits until the deadline for a watchdog that is stopped, or hangs in exec.
func (w *watchdogProcess) begin(first instruction, from *json.Decoder, reports *os.File) (r report, err error) {
	over := time.Now().Add(first.Deadline.Remaining + killTime) // it may have to report that it is too late
	_ = w.instructions.SetWriteDeadline(over)
	_ = reports.SetReadDeadline(over)
	w.send(first)
	switch {
	case from.Decode(&r) != nil:
		return r, errNoAnswer
	case r.Late:
		return r, ErrLate
	}
	_ = w.instructions.SetWriteDeadline(time.Time{})
	_ = reports.SetReadDeadline(time.Time{})
	return r, r.failure()
}

// execute executes this program again, as a watchdog. The watchdog inherits all
// that the command inherits under the same numbers, so its own pipes need
// numbers that are free.
func (ws *watchdogs) execute(d deadline) (w *watchdogProcess, reports *os.File, err error) {
	self, err := executable()
	if err != nil {
		return nil, nil, err
	}
	itsInstructions, instructions, err := os.Pipe()
	if err != nil {
		return nil, nil, err
	}
	defer itsInstructions.Close()
	reports, itsReports, err := os.Pipe()
	if err != nil {
		instructions.Close()
		return nil, nil, err
	}
	defer itsReports.Close()
	w = &watchdogProcess{sent: d, instructions: instructions, reportsDone: make(chan struct{}), exited: make(chan struct{})}
	args := []string{WatchdogName}
	for _, f := range []*os.File{itsInstructions, itsReports} {
		fd := f.Fd()
		args = append(args, strconv.Itoa(int(fd)))
		if _, err = unix.FcntlInt(fd, unix.F_SETFD, 0); err != nil {
			break
		}
	}
	if err == nil {
		err = ws.fork(w, self, args)
	}
	if err != nil {
		instructions.Close()
		reports.Close()
		return nil, nil, err
	}
	return w, reports, nil
}

// fork holds the lock until the watchdog is listed, so that reap finds it there.
func (ws *watchdogs) fork(w *watchdogProcess, self string, args []string) error {
	ws.mu.Lock()
	defer ws.mu.Unlock()
	if ws.quit {
		return errors.New("not needed any more")
	}
	child, err := os.StartProcess(self, args, &os.ProcAttr{
		Env:   ws.command.Env,
		Files: []*os.File{ws.command.Stdin, ws.command.Stdout, ws.command.Stderr},
		Sys:   &unix.SysProcAttr{Setpgid: true}, // what is typed at a terminal does not reach it
	})
	if err != nil {
		return err
	}
	w.pid = child.Pid
	_ = child.Release() // reap waits for it
	ws.all = append(ws.all, w)
	return nil
}

// replace starts a watchdog for a command that has lost its own, and became the
// supervisor's child. The new one scans once in checkInterval for orphans: it
// misses those of the last interval if the supervisor is killed then.
func (ws *watchdogs) replace(pid int) {
	time.Sleep(replaceDelay)
	ws.mu.Lock()
	quit := ws.quit
	ws.mu.Unlock()
	if quit {
		return
	}
	what := "another takes its place"
	if _, err := ws.start(instruction{Adopt: pid, Parent: os.Getpid()}); err != nil {
		what = "COMMAND goes on without one: " + err.Error()
	}
	ws.warn("the watchdog has ended; %s", what)
}

// replaceDelay limits how fast watchdogs are started if somebody kills each.
const replaceDelay = 100 * time.Millisecond

func (ws *watchdogs) current() *watchdogProcess {
	ws.mu.Lock()
	defer ws.mu.Unlock()
	return ws.all[len(ws.all)-1]
}

// find returns the watchdog with that pid, nil if there is none.
func (ws *watchdogs) find(pid int) *watchdogProcess {
	ws.mu.Lock()
	defer ws.mu.Unlock()
	for _, w := range ws.all {
		if w.pid == pid && !w.hasExited() {
			return w
		}
	}
	return nil
}

func (ws *watchdogs) has(pid int) bool { return ws.find(pid) != nil }

// roots are the parents of the command, or of its orphans.
func (ws *watchdogs) roots() []int {
	ws.mu.Lock()
	defer ws.mu.Unlock()
	if first := ws.all[0]; !first.hasExited() {
		return []int{first.pid}
	}
	return []int{os.Getpid()}
}

// noteExit notes the exit of a watchdog.
func (ws *watchdogs) noteExit(w *watchdogProcess, status unix.WaitStatus) {
	ws.mu.Lock()
	defer ws.mu.Unlock()
	w.status = status
	close(w.exited)
}

// sendDeadlines sends the watchdog every move of the deadline, until stop is
// called. It reads the deadline at an interval.
func (ws *watchdogs) sendDeadlines(interval time.Duration) (stop func()) {
	done := make(chan struct{})
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		tick := time.NewTicker(interval)
		defer tick.Stop()
		for {
			select {
			case <-done:
				return
			case <-tick.C:
			}
			w, d := ws.current(), readDeadline(ws.command.Remaining)
			// With no time left there is no deadline to send: the supervisor stops the
			// command itself, and knows why.
			if d.Remaining > 0 && (d.at()-w.sent.at()).Abs() > time.Millisecond {
				w.sent = d
				w.send(instruction{Deadline: &d})
			}
		}
	}()
	return func() {
		close(done)
		<-ended
	}
}

// stopping tells the watchdog that the supervisor sends SIGTERM.
func (ws *watchdogs) stopping() { ws.current().send(instruction{Stopping: true}) }

// dismiss ends the watchdog; with killRest, it first kills all that is left of
// the command. gone reports whether nothing is left, as far as the watchdog knows.
func (ws *watchdogs) dismiss(killRest bool) (gone bool) {
	ws.mu.Lock()
	ws.quit = true
	ws.mu.Unlock()
	w := ws.current()
	w.send(instruction{Quit: true, KillRest: killRest})
	select {
	case <-w.exited:
	case <-time.After(killTime + time.Second):
		_ = unix.Kill(w.pid, unix.SIGKILL)
		<-w.exited
	}
	select {
	case <-w.reportsDone:
	case <-time.After(time.Second):
	}
	return w.status.ExitStatus() == watchdogDone || w.status.Signaled()
}
