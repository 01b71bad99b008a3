package supervise

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"sync"
	"syscall"

	"golang.org/x/sys/unix"
)

// signals takes the signals that leasehold gets: until COMMAND runs they end
// the context, from then on they are COMMAND's. None is lost in between.
type signals struct {
	received chan os.Signal
	caught   chan struct{} // closed once they are, which takes as long as a request

	mu      sync.Mutex // guards what is below
	cancel  context.CancelCauseFunc
	pending error                 // the interruption, if there was one
	deliver func(sig unix.Signal) // nil until COMMAND runs
}

// An interruption is why the context ended.
type interruption struct{ signal unix.Signal }

func (e *interruption) Error() string {
	return fmt.Sprintf("interrupted by %s", unix.SignalName(e.signal))
}

// catchSignals returns a context that ends with an *interruption. Until caught
// is closed a signal may end the process instead, so nothing may be written to
// a store before.
func catchSignals(ctx context.Context) (context.Context, *signals) {
	s := &signals{received: make(chan os.Signal, 64), caught: make(chan struct{})}
	ctx, s.cancel = context.WithCancelCause(ctx)
	go func() {
		heed(s.received, userSignals...)
		close(s.caught)
		s.receive()
	}()
	return ctx, s
}

// userSignals are those that are passed on to COMMAND.
var userSignals = []os.Signal{
	unix.SIGHUP, unix.SIGINT, unix.SIGQUIT, unix.SIGTERM,
	unix.SIGUSR1, unix.SIGUSR2, unix.SIGCONT, unix.SIGWINCH,
}

// heed is signal.Notify, except for signals that were ignored when leasehold
// started, as nohup has it. These stay ignored, also in COMMAND: Go leaves it
// so unless Notify is called. It tells so of SIGHUP and SIGINT only, but a
// shell without job control ignores SIGINT and SIGQUIT together.
func heed(caught chan<- os.Signal, all ...os.Signal) {
	if signal.Ignored(unix.SIGINT) {
		signal.Ignore(unix.SIGQUIT)
	}
	for _, sig := range all {
		if !signal.Ignored(sig) {
			signal.Notify(caught, sig)
		}
	}
}

func (s *signals) receive() {
	for sig := range s.received {
		if sig, ok := sig.(syscall.Signal); ok && sig != unix.SIGPIPE {
			s.take(sig)
		}
	}
}

func (s *signals) take(sig unix.Signal) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.deliver != nil:
		s.deliver(sig)
	case sig == unix.SIGCONT || sig == unix.SIGWINCH || sig == unix.SIGTSTP: // of no concern to one who has no job
	case s.pending == nil:
		s.pending = &interruption{sig}
		s.cancel(s.pending)
	}
}

// handOver calls start, and from then on gives every signal to what start
// returns. If there was an interruption it returns that instead.
func (s *signals) handOver(start func() (deliver func(unix.Signal), err error)) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.pending != nil {
		return s.pending
	}
	// SIGTSTP stopped leasehold until now. SIGPIPE would end it for a message
	// that nobody reads, and leave the job without renewals. Both go back to
	// their defaults in COMMAND.
	signal.Notify(s.received, unix.SIGTSTP, unix.SIGPIPE)
	deliver, err := start()
	if err != nil {
		return err
	}
	s.deliver = deliver
	return nil
}

// interrupted returns the *interruption that ended ctx, or nil.
func interrupted(ctx context.Context) error {
	if cause, ok := context.Cause(ctx).(*interruption); ok {
		return cause
	}
	return nil
}
