// Package fleet judges hosts that run a schedule as cron does: by what their
// loops, their jobs and clients of kazoo have written to a file, it says whether
// each tick was begun as often as it should be, by those that should, and never
// two at once.
package fleet

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"time"

	"leasehold.example/leasehold/internal/clock"
)

// A Kind says what an Event is.
type Kind string

const (
	Fired  Kind = "fired"  // a host starts leasehold
	Exited Kind = "exited" // that leasehold has ended
	Begun  Kind = "begun"  // a job begins
	Ended  Kind = "ended"  // it ends by itself
	Died   Kind = "died"   // nothing of a host runs any more
	Asked  Kind = "asked"  // a client of kazoo has asked for the lease
)

// An Event is one line of the file. Which fields are set depends on its Kind.
type Event struct {
	At   time.Duration `json:"at"`   // on the machine's steady clock
	Wall time.Time     `json:"wall"` // by the machine's clock
	Kind Kind          `json:"kind"`
	Host string        `json:"host"` // or the holder that kazoo has asked for

	Fire    int           `json:"fire,omitempty"`    // the number of the host's firing; a job has that of its leasehold
	Planned time.Time     `json:"planned,omitzero"`  // Fired: when the loop meant to
	Exit    int           `json:"exit,omitempty"`    // Exited: the exit code
	Stderr  string        `json:"stderr,omitempty"`  // Exited: what leasehold has said
	Tick    time.Time     `json:"tick,omitzero"`     // Begun
	Attempt int           `json:"attempt,omitempty"` // Begun
	Got     bool          `json:"got,omitempty"`     // Asked: kazoo has it
	Since   time.Duration `json:"since,omitempty"`   // Asked: from before it, on the steady clock
}

// Now returns e with both clocks set to the present.
func Now(e Event) Event {
	e.At, e.Wall = clock.Shared(), time.Now().UTC()
	return e
}

// Append adds e to the file, which many processes write to.
func Append(file string, e Event) error {
	line, err := json.Marshal(e)
	if err != nil {
		return err
	}
	f, err := os.OpenFile(file, os.O_WRONLY|os.O_APPEND|os.O_CREATE, 0o600)
	if err != nil {
		return err
	}
	defer f.Close()
	_, err = f.Write(append(line, '\n')) // in one piece
	return err
}

// Read returns the events of the file.
func Read(file string) ([]Event, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	var events []Event
	for line := range bytes.Lines(text) {
		var e Event
		if err := json.Unmarshal(line, &e); err != nil {
			return nil, fmt.Errorf("line %q: %w", line, err)
		}
		events = append(events, e)
	}
	return events, nil
}
