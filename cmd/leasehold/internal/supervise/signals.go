package supervise

import (
	"context"
	"os"
	"os/signal"
	"slices"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// Signals are the signals that this process gets. Until a command runs they end
// a context, from then on they are forwarded to the command. None is lost in
// between.
type Signals struct {
	received chan os.Signal

	mu      sync.Mutex // guards what is below
	cancel  context.CancelCauseFunc
	pending *Interruption // nil if there was none
	child   *Child        // nil until the command runs
}

// CatchSignals returns a context that ends with an *Interruption as its cause.
func CatchSignals(ctx context.Context) (context.Context, *Signals) {
	s := &Signals{received: make(chan os.Signal, 64)}
	ctx, s.cancel = context.WithCancelCause(ctx)
	catch(s.received, interrupting...)
	// SIGPIPE would end this process for a message that nobody reads: with a lease that
	// nobody knows of, or so that nobody moves the deadline of the command.
	signal.Notify(s.received, unix.SIGPIPE)
	go s.receive()
	return ctx, s
}

// interrupting are the signals that end a process. The command gets them.
var interrupting = []os.Signal{unix.SIGHUP, unix.SIGINT, unix.SIGQUIT, unix.SIGTERM, unix.SIGUSR1, unix.SIGUSR2}

// catch is signal.Notify, except for signals that were ignored when the program
// started, as under nohup. These stay ignored, also in the command: Go leaves it
// so unless Notify is called. Go reports that of SIGHUP and SIGINT only, but a
// shell without job control ignores SIGINT and SIGQUIT together.
func catch(caught chan<- os.Signal, all ...os.Signal) {
	if signal.Ignored(unix.SIGINT) {
		signal.Ignore(unix.SIGQUIT)
	}
	for _, sig := range all {
		if !signal.Ignored(sig) {
			signal.Notify(caught, sig)
		}
	}
}

// EndCommand returns a context that ends with the next signal, as there is no command
// any more that would get it.
func (s *Signals) EndCommand(ctx context.Context) context.Context {
	s.mu.Lock()
	defer s.mu.Unlock()
	ctx, s.cancel = context.WithCancelCause(ctx)
	s.pending, s.child = nil, nil
	return ctx
}

func (s *Signals) receive() {
	for sig := range s.received {
		if sig, ok := sig.(syscall.Signal); ok && sig != unix.SIGPIPE {
			s.handle(sig)
		}
	}
}

func (s *Signals) handle(sig unix.Signal) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.child != nil:
		s.child.Signal(sig)
	case s.pending == nil && slices.Contains(interrupting, os.Signal(sig)):
		s.pending = &Interruption{sig}
		s.cancel(s.pending)
	}
}

// twice notes which signals this process and its watchdog got. The watchdog is in
// a process group of its own, so a signal that reaches both was sent to all
// processes of a service, and the command has got it before it is forwarded.
type twice struct {
	mu                sync.Mutex // guards what is below
	ours, theWatchdog map[unix.Signal]time.Time
	said              bool
}

// atOnce is the most that lies between the two.
const atOnce = 3 * time.Second

func (c *Child) noteSignal(sig unix.Signal, byWatchdog bool) {
	c.twice.mu.Lock()
	defer c.twice.mu.Unlock()
	mine, other := &c.twice.ours, c.twice.theWatchdog
	if byWatchdog {
		mine, other = &c.twice.theWatchdog, c.twice.ours
	}
	if *mine == nil {
		*mine = map[unix.Signal]time.Time{}
	}
	(*mine)[sig] = time.Now()
	if at, ok := other[sig]; ok && time.Since(at) < atOnce && !c.twice.said {
		c.twice.said = true
		c.command.Warn("%s was sent to all processes, and forwarded as well, so COMMAND got it twice: let the service send it to leasehold alone (KillMode=mixed)", unix.SignalName(sig))
	}
}

// Start is [Start], and forwards every signal to the command from then on. If
// there was an interruption, it returns that, and starts nothing.
func (s *Signals) Start(command Command) (*Child, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.pending != nil {
		return nil, s.pending
	}
	// The command gets these, too. SIGTSTP has stopped this process until now. All have
	// their defaults in the command, and so has SIGPIPE.
	signal.Notify(s.received, unix.SIGCONT, unix.SIGWINCH, unix.SIGTSTP)
	c, err := Start(command)
	if err != nil {
		return nil, err
	}
	s.child = c
	return c, nil
}
