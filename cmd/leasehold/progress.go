package main

import (
	"errors"
	"fmt"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"

	"leasehold.example/leasehold"
	"leasehold.example/leasehold/runlog"
)

// A progress is the line on a terminal that tells who waits what for, and counts down
// until its end. Whatever else is written takes its place.
type progress struct {
	shown atomic.Bool // somebody waits, and stderr is a terminal

	mu    sync.Mutex // guards what is below, and the writing to stderr, which may be held up
	drawn bool       // it is there, and has no newline
	words string     // what is waited for; "" until that is known
	until time.Time
}

const (
	eraseLine    = "\r\x1b[K"
	defaultWidth = 80
)

// showProgress shows the progress of a wait on a terminal, until stop is called.
func (p *program) showProgress() (stop func()) {
	_, err := unix.IoctlGetWinsize(int(p.stderr.Fd()), unix.TIOCGWINSZ)
	if err != nil || p.quiet || p.format == formatJSON || os.Getenv("TERM") == "dumb" {
		return func() {}
	}
	line := &p.progress
	line.shown.Store(true)
	ended := make(chan struct{})
	var drawing sync.WaitGroup
	drawing.Go(func() {
		everySecond := time.NewTicker(time.Second)
		defer everySecond.Stop()
		for {
			select {
			case <-everySecond.C:
				line.mu.Lock()
				line.draw(p.stderr)
				line.mu.Unlock()
			case <-ended:
				return
			}
		}
	})
	return func() {
		close(ended)
		drawing.Wait()
		line.shown.Store(false)
		line.mu.Lock()
		defer line.mu.Unlock()
		line.erase(p.stderr)
		line.words = ""
	}
}

// seeDenial shows err, if it says why the lease can't be had yet.
func (p *program) seeDenial(err error) {
	var held *leasehold.HeldError
	var tick *leasehold.TickError
	switch {
	case errors.As(err, &held):
		p.setProgress(heldBy(held), held.End)
	case errors.As(err, &tick) && tick.Verdict == runlog.IsRunning && tick.Run != nil:
		p.setProgress(heldBy(&leasehold.HeldError{Path: tick.Path, Holder: tick.Run.Holder, End: tick.At}), tick.At)
	case errors.As(err, &tick):
		p.setProgress(oneLine(tick.Error()), tick.At)
	case errors.Is(err, leasehold.ErrQueued):
		p.setProgress(oneLine(err.Error()), time.Time{})
	}
}

// setProgress shows what is waited for, and until when; zero if that is not known.
func (p *program) setProgress(words string, until time.Time) {
	line := &p.progress
	if !line.shown.Load() {
		return
	}
	line.mu.Lock()
	defer line.mu.Unlock()
	line.words, line.until = words, until
	line.draw(p.stderr)
}

func (line *progress) draw(terminal *os.File) {
	if line.words == "" || !isInForeground(terminal) {
		return
	}
	left := ""
	if !line.until.IsZero() {
		left = fmt.Sprintf(" (%s)", max(0, time.Until(line.until)).Truncate(time.Second))
	}
	width := defaultWidth
	if size, err := unix.IoctlGetWinsize(int(terminal.Fd()), unix.TIOCGWINSZ); err == nil && size.Col > 0 {
		width = int(size.Col)
	}
	fmt.Fprint(terminal, eraseLine+fit(fmt.Sprintf("leasehold: waiting%s: %s", left, line.words), width-1))
	line.drawn = true
}

func (line *progress) erase(terminal *os.File) {
	if line.drawn && isInForeground(terminal) {
		fmt.Fprint(terminal, eraseLine)
	}
	line.drawn = false
}

// isInForeground reports whether the terminal is this process's: a job in the
// background does not write over what is typed to the shell.
func isInForeground(terminal *os.File) bool {
	group, err := unix.IoctlGetInt(int(terminal.Fd()), unix.TIOCGPGRP)
	return err == nil && group == unix.Getpgrp()
}

// fit cuts s to what is sure to fit into so many cells of a terminal: a longer line
// would be wrapped, and could not be erased.
func fit(s string, cells int) string {
	const firstWide = 0x1100 // no character before takes two cells
	for i, c := range s {
		if cells--; c >= firstWide {
			cells--
		}
		if cells < 0 {
			return s[:i]
		}
	}
	return s
}
