package main

import (
	"cmp"
	"fmt"
	"os"
	"time"

	"golang.org/x/sys/unix"

	"leasehold.example/leasehold/cmd/leasehold/internal/text"
)

// A waitProgress says what is waited for: on a terminal in one line that counts,
// else in a line whenever that changes.
type waitProgress struct {
	out   *os.File
	quiet bool
	begun time.Time
	limit waitTime
	last  string
	shown bool // a line on the terminal
}

func (w *waitProgress) show(runs []localRun) {
	if w.quiet {
		return
	}
	line := fmt.Sprintf("waiting for %s: %s", countRuns(len(runs)), listRuns(runs))
	size, err := unix.IoctlGetWinsize(int(w.out.Fd()), unix.TIOCGWINSZ)
	onTerminal := err == nil
	if onTerminal {
		line = fmt.Sprintf("%s of %s, %s", time.Since(w.begun).Truncate(time.Second), w.limit.String(), line)
	}
	if line == w.last {
		return
	}
	w.last = line
	if !onTerminal {
		fmt.Fprintln(w.out, "leasehold: "+oneLine(line))
		return
	}
	w.shown = true
	width := cmp.Or(int(size.Col), 80)
	fmt.Fprint(w.out, "\r"+eraseLine+text.Cut("leasehold: "+oneLine(line), max(20, width-1)))
}

// eraseLine erases from the cursor to the end of the line on a terminal.
const eraseLine = "\x1b[K"

// end takes the line off the terminal.
func (w *waitProgress) end() {
	if w.shown {
		fmt.Fprint(w.out, "\r"+eraseLine)
	}
}
