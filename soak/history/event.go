// Package history holds what processes that compete for leases log, and proves
// from it that no two of them could act at once.
//
// A history has two sources that know nothing of each other: what each process
// was told and did, on the one clock of one machine, and what the ZooKeeper
// servers committed, from their transaction logs.
package history

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"time"

	"leasehold.example/leasehold/internal/clock"
)

// A Kind says what an Event is.
type Kind string

const (
	Started Kind = "started" // a process began
	Call    Kind = "call"    // a call of the library began
	Result  Kind = "result"  // it returned
	Sample  Kind = "sample"  // the process read for how long it may act
	Stop    Kind = "stop"    // it acts no more on a lease, whatever it was allowed
	Session Kind = "session" // its connection has a session, a new one perhaps
	Ended   Kind = "ended"   // the process was killed, or left
	Fault   Kind = "fault"   // something was broken
	Healed  Kind = "healed"  // and is whole again
	Quiet   Kind = "quiet"   // there are no more faults from here on
)

// StoodStill is the Fault in which the clocks of a process, which does not run
// meanwhile, stand still: as those of a virtual machine that its host pauses.
const StoodStill = "the clocks stood still"

// An Outcome is what a call came to.
type Outcome string

const (
	Granted     Outcome = "granted"
	Denied      Outcome = "denied"
	Renewed     Outcome = "renewed"
	Released    Outcome = "released"
	Finished    Outcome = "finished"
	Lost        Outcome = "lost"
	Kept        Outcome = "kept" // Hold's function returned, the lease was not lost
	Unknown     Outcome = "unknown"
	Queued      Outcome = "queued" // still behind kazoo's lock when the time was over
	Unreachable Outcome = "unreachable"
	Skewed      Outcome = "skewed" // a ClockSkewError
	Failed      Outcome = "failed" // anything else; Reason says what
)

// An Event is one line of a history. Which fields are set depends on its Kind.
type Event struct {
	At   int64 `json:"at"`   // CLOCK_BOOTTIME in nanoseconds; of a Call, a Sample and a Stop: from before it
	Wall int64 `json:"wall"` // the wall clock in nanoseconds

	Run    string `json:"run"`              // the process; a restarted one is another
	Holder string `json:"holder,omitempty"` // the holder name of its calls

	Kind    Kind    `json:"kind"`
	Op      string  `json:"op,omitempty"`
	Outcome Outcome `json:"outcome,omitempty"`
	Reason  string  `json:"reason,omitempty"`

	Call     int64  `json:"call,omitempty"`     // ties a Result to its Call, within the Run
	Lease    int64  `json:"lease,omitempty"`    // the Call that granted it
	Path     string `json:"path,omitempty"`     // of the slot, once there is one
	Duration int64  `json:"duration,omitempty"` // of the lease, nanoseconds
	Token    int64  `json:"token,omitempty"`    // 0 from kazoo, which has none
	End      int64  `json:"end,omitempty"`      // seconds since 1970
	Left     int64  `json:"left,omitempty"`     // of a Sample: nanoseconds for which the process may act
	By       string `json:"by,omitempty"`       // of a denial: who has the lease

	Tick    int64 `json:"tick,omitempty"`    // seconds since 1970, of a lease for a tick
	Attempt int   `json:"attempt,omitempty"` // its number
	Success bool  `json:"success,omitempty"` // what Finish was called with

	Fault string `json:"fault,omitempty"` // its name
	On    string `json:"on,omitempty"`    // what was broken
}

// Stamp returns e with both clocks set to the present.
func Stamp(e Event) Event {
	e.At, e.Wall = int64(clock.Shared()), time.Now().UnixNano()
	return e
}

// Read reads Events, one JSON object a line. A last line that is cut off, by
// the end of the process that wrote it, is left out.
func Read(r io.Reader, each func(Event)) error {
	lines := bufio.NewReader(r)
	for {
		line, err := lines.ReadBytes('\n')
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
		var e Event
		if err := json.Unmarshal(line, &e); err != nil {
			return fmt.Errorf("line %.200q of a history: %w", line, err)
		}
		each(e)
	}
}

func (e Event) String() string {
	line, err := json.Marshal(e)
	if err != nil {
		return err.Error()
	}
	return string(line)
}
