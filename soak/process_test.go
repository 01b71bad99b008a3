package soak_test

import (
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"leasehold.example/leasehold/internal/clock"
	"leasehold.example/leasehold/internal/testpair"
	"leasehold.example/leasehold/internal/zktest/child"
	"leasehold.example/leasehold/soak/history"
	"leasehold.example/leasehold/soak/points"
)

// An eventLog gathers what all processes of a run log. It is safe for
// concurrent use.
type eventLog struct {
	mu      sync.Mutex
	changed *sync.Cond
	events  []history.Event
}

func newEventLog() *eventLog {
	l := &eventLog{}
	l.changed = sync.NewCond(&l.mu)
	return l
}

func (l *eventLog) add(e history.Event) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.events = append(l.events, e)
	l.changed.Broadcast()
}

// addNow adds an Event of the test itself.
func (l *eventLog) addNow(e history.Event) { l.add(history.Stamp(e)) }

// all returns the Events so far.
func (l *eventLog) all() []history.Event {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Clone(l.events)
}

// from returns the Events from number i on, and moves i behind them.
func (l *eventLog) from(i *int) []history.Event {
	l.mu.Lock()
	defer l.mu.Unlock()
	events := l.events[*i:]
	*i = len(l.events)
	return events
}

// waitLimit bounds every wait for a process.
const waitLimit = 30 * time.Second

// await waits for an Event that matches, and returns the first one.
func (l *eventLog) await(t *testing.T, what string, match func(history.Event) bool) history.Event {
	t.Helper()
	late := false
	defer time.AfterFunc(waitLimit, func() {
		l.mu.Lock()
		defer l.mu.Unlock()
		late = true
		l.changed.Broadcast()
	}).Stop()
	l.mu.Lock()
	defer l.mu.Unlock()
	for i := 0; ; {
		for ; i < len(l.events); i++ {
			if match(l.events[i]) {
				return l.events[i]
			}
		}
		if late {
			for _, e := range l.events[max(0, len(l.events)-20):] {
				t.Log(e)
			}
			t.Fatalf("no %s in %s", what, waitLimit)
		}
		l.changed.Wait()
	}
}

// A process is a holder that runs.
type process struct {
	run    string
	log    *eventLog
	proc   *child.Process
	stdin  io.WriteCloser
	stderr *os.File
	read   chan struct{} // closed when all that it logged is in the log
}

// start starts cmd as the holder of that run.
func (l *eventLog) start(t *testing.T, run string, cmd *exec.Cmd) *process {
	t.Helper()
	p := &process{run: run, log: l, read: make(chan struct{})}
	out, stdout, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer stdout.Close() // the child has its own
	if p.stdin, err = cmd.StdinPipe(); err != nil {
		t.Fatal(err)
	}
	if p.stderr, err = os.CreateTemp(t.TempDir(), "stderr"); err != nil {
		t.Fatal(err)
	}
	cmd.Stdout, cmd.Stderr = stdout, p.stderr
	if p.proc, err = child.Start(cmd); err != nil {
		t.Fatalf("start %s: %v", run, err)
	}
	go func() {
		defer close(p.read)
		defer out.Close()
		if err := history.Read(out, l.add); err != nil {
			t.Errorf("read what %s logs: %v", run, err)
		}
	}()
	t.Cleanup(func() {
		p.kill()
		p.stderr.Close()
		if text, err := os.ReadFile(p.stderr.Name()); t.Failed() && (len(text) > 0 || err != nil) {
			t.Logf("standard error of %s: %s", run, text)
		}
	})
	return p
}

// kill ends the process as kill -9 does, and returns when all that it logged
// has been read.
func (p *process) kill() {
	select {
	case <-p.proc.Done():
	default:
		p.log.addNow(history.Event{Kind: history.Ended, Run: p.run})
		p.proc.Kill()
	}
	<-p.read
}

// standStill stops a process and its clocks, which are c by then, until resume is
// called. Its wall clock is behind from then on.
func standStill(p *process, file string, c points.Clocks) (resume func() (points.Clocks, error)) {
	p.proc.Pause()
	from := clock.Shared()
	return func() (points.Clocks, error) {
		missing := clock.Shared() - from
		c.Missing += missing
		c.Ahead -= missing
		err := c.Write(file)
		p.proc.Resume()
		return c, err
	}
}

// result returns what the n-th call of that kind came to, from 1.
func (p *process) result(t *testing.T, op string, n int) history.Event {
	t.Helper()
	return p.log.await(t, "result of "+p.run+"'s "+op, func(e history.Event) bool {
		if e.Run != p.run || e.Kind != history.Result || e.Op != op {
			return false
		}
		n--
		return n == 0
	})
}

// kazooScript returns the path of the kazoo holder.
func kazooScript(t *testing.T) string {
	t.Helper()
	script, err := filepath.Abs("kazoo_holder.py")
	if err != nil {
		t.Fatal(err)
	}
	return script
}

// python returns the interpreter that has kazoo.
func python(t *testing.T) string {
	t.Helper()
	path, err := testpair.Python()
	if err != nil {
		t.Fatal(err)
	}
	return path
}
