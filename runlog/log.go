package runlog

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
)

const (
	Version    = 1        // of the format that Marshal writes
	MaxBytes   = 16 << 10 // of a run log
	MaxRuns    = 32       // entries of a run log
	MaxText    = 512      // bytes of a reason or a schedule; a longer reason is cut
	maxHolder  = 1024     // bytes of a holder
	maxName    = 255      // bytes of a host's or a program's name
	versionKey = "leasehold_run_log"
)

// A Log is a run log. The zero Log is that of a path where nothing was logged.
// Methods that change a Log return another one and leave theirs as it is.
type Log struct {
	Head Head
	Runs []Run // the newest first
}

// A Head is what the rule reads. Its times are UTC, and zero where there is none.
type Head struct {
	Schedule string    `json:"schedule,omitempty"`
	Timezone string    `json:"timezone,omitempty"`
	Since    time.Time `json:"since,omitzero"` // when this schedule and zone were first seen

	Tick     time.Time `json:"tick,omitzero"`      // the newest tick that was begun
	Attempts int       `json:"attempts,omitempty"` // how many of its attempts were begun
	ID       string    `json:"id,omitempty"`       // of the newest of them
	Running  bool      `json:"running,omitempty"`  // its end was not reported
	Done     bool      `json:"done,omitempty"`     // one of them succeeded
	Limit    int       `json:"limit,omitempty"`    // how many may be begun, where that is more than the schedule allows
	RetryAt  time.Time `json:"retry_at,omitzero"`  // no attempt is begun before

	// Until is the end that the newest attempt has left in the record when it
	// was finished. A record with that end has nobody behind it.
	Until time.Time `json:"until,omitzero"`

	// Granted is when the grant was made that has left it, by the store's clock: a
	// later grant to the same holder can have the same end.
	Granted time.Time `json:"granted,omitzero"`

	LastSuccess    time.Time `json:"last_success,omitzero"`     // the newest tick that succeeded
	LastSuccessEnd time.Time `json:"last_success_end,omitzero"` // when its run ended

	// Kazoo is when kazoo's newest run began that no tick has counted: its record
	// may be replaced, or put back by another.
	Kazoo time.Time `json:"kazoo,omitzero"`

	Paused *Note `json:"paused,omitempty"` // nil unless ticks are refused
}

// A Note says who did something by hand, when, and why.
type Note struct {
	By     string    `json:"by"`
	Since  time.Time `json:"since"`
	Reason string    `json:"reason"`
}

// A Result says how a run ended, or what was done by hand.
type Result string

const (
	Running Result = "running" // its end was not reported
	Success Result = "success"
	Failure Result = "failure"
	Lost    Result = "lost"    // it was stopped since the lease was lost
	Unknown Result = "unknown" // its end was not reported, and another has the lease

	Paused   Result = "paused"   // by hand
	Resumed  Result = "resumed"  // by hand
	Reopened Result = "reopened" // by hand: the newest tick may be run once more
)

// A Run is an entry of the log: an attempt to run a tick, a run without a
// schedule, or, as its Result says, something that was done by hand.
type Run struct {
	ID      string    `json:"id"`
	Tick    time.Time `json:"tick,omitzero"`     // zero without a schedule
	Attempt int       `json:"attempt,omitempty"` // from 1; 0 without a schedule
	Holder  string    `json:"holder"`            // by hand: who did it
	Host    string    `json:"host,omitempty"`
	PID     int       `json:"pid,omitempty"`
	Program string    `json:"program,omitempty"` // its base name
	Started time.Time `json:"started"`           // by the clock of the host
	Ended   time.Time `json:"ended,omitzero"`    // by the clock of the host
	Result  Result    `json:"result"`
	Exit    *int      `json:"exit,omitempty"`   // exit code, where it had one
	Signal  string    `json:"signal,omitempty"` // that ended it
	Reason  string    `json:"reason,omitempty"` // by hand

	// Drained is set if its host was to take no new lease when that was last looked at
	// while the run went on.
	Drained bool `json:"drained,omitempty"`
}

// IsAttempt reports whether r is a run, and not something done by hand.
func (r Run) IsAttempt() bool {
	return r.Result != Paused && r.Result != Resumed && r.Result != Reopened
}

// IsByKazoo reports whether kazoo ran it: its result is never known.
func (r Run) IsByKazoo() bool { return strings.HasPrefix(r.ID, kazooPrefix) }

// A ForeignError means that what is stored in the place of a run log is not one:
// it must not be overwritten.
type ForeignError struct{ Reason string }

func (e *ForeignError) Error() string { return "what is there is not a run log: " + e.Reason }

// A VersionError means that a newer program wrote the run log: it must not be
// overwritten.
type VersionError struct{ Version string }

func (e *VersionError) Error() string {
	return fmt.Sprintf("a newer program wrote the run log: its version is %.20s, this program knows %d", e.Version, Version)
}

// Parse reads a run log; that of no data is empty. It returns a [*ForeignError]
// or a [*VersionError].
func Parse(data []byte) (Log, error) {
	if len(data) == 0 {
		return Log{}, nil
	}
	var s stored
	err := json.Unmarshal(data, &s)
	if err != nil { // the version may come after what can't be read
		var only struct {
			Version json.RawMessage `json:"leasehold_run_log"`
		}
		_ = json.Unmarshal(data, &only) // there is none if it fails
		s.Version = only.Version
	}
	if s.Version == nil {
		return Log{}, &ForeignError{fmt.Sprintf("want a JSON object with the key %q", versionKey)}
	}
	if v := string(s.Version); v != strconv.Itoa(Version) {
		if strings.Trim(v, "0123456789") != "" || v == "0" {
			return Log{}, &ForeignError{fmt.Sprintf("its version is %.20s", v)}
		}
		return Log{}, &VersionError{v}
	}
	if len(data) > MaxBytes {
		return Log{}, &ForeignError{fmt.Sprintf("it has %d bytes, a run log at most %d", len(data), MaxBytes)}
	}
	if err != nil {
		return Log{}, &ForeignError{err.Error()}
	}
	l := Log{Head: s.Head, Runs: s.Runs}
	l.toUTC()
	if err := l.check(); err != nil {
		return Log{}, &ForeignError{err.Error()}
	}
	return l, nil
}

// check returns an error if no edit makes a Log like l, or if it can't be stored
// again.
func (l Log) check() error {
	if l.Head.Attempts < 0 || l.Head.Limit < 0 {
		return errors.New("it has a negative number of attempts")
	}
	if len(l.Runs) > MaxRuns {
		return fmt.Errorf("it has %d entries, a run log at most %d", len(l.Runs), MaxRuns)
	}
	results := []Result{Running, Success, Failure, Lost, Unknown, Paused, Resumed, Reopened}
	for _, r := range l.Runs {
		if r.ID == "" || !slices.Contains(results, r.Result) {
			return fmt.Errorf("its entry %.40q has the result %.40q", r.ID, r.Result)
		}
		for _, t := range []time.Time{r.Tick, r.Started, r.Ended} {
			if y := t.Year(); y < 0 || y > 9999 {
				return fmt.Errorf("its entry %.40q has the year %d", r.ID, y)
			}
		}
	}
	_, err := Log{Head: l.Head}.Marshal() // entries are cut where they don't fit
	return err
}

// toUTC changes all times of l, in place, to UTC.
func (l *Log) toUTC() {
	h := &l.Head
	times := []*time.Time{&h.Since, &h.Tick, &h.RetryAt, &h.Until, &h.Granted, &h.LastSuccess, &h.LastSuccessEnd, &h.Kazoo}
	if h.Paused != nil {
		times = append(times, &h.Paused.Since)
	}
	for i := range l.Runs {
		r := &l.Runs[i]
		times = append(times, &r.Tick, &r.Started, &r.Ended)
	}
	for _, t := range times {
		*t = t.UTC()
	}
}

// Marshal returns l as it is stored. Of the entries it has the newest that fit,
// and in any case that of the head's attempt, if that fits; the head is never
// cut. It fails if the head does not fit, which takes names beyond the limits of
// a holder's and a schedule's, or if a time has a year beyond 9999. The zero Log is
// stored as no data.
func (l Log) Marshal() ([]byte, error) {
	if l.Head == (Head{}) && len(l.Runs) == 0 {
		return nil, nil
	}
	runs := l.Runs
	for {
		if len(runs) <= MaxRuns {
			data, err := json.Marshal(stored{Version: json.RawMessage(strconv.Itoa(Version)), Head: l.Head, Runs: runs})
			if err != nil || len(data) <= MaxBytes {
				return data, err
			}
			if len(runs) == 0 {
				return nil, fmt.Errorf("the head of the run log has %d bytes, it must have at most %d", len(data), MaxBytes)
			}
		}
		runs = l.withoutOldest(runs)
	}
}

// withoutOldest returns runs without the oldest that is not the head's attempt.
func (l Log) withoutOldest(runs []Run) []Run {
	last := len(runs) - 1
	if last > 0 && runs[last].ID == l.Head.ID {
		return append(slices.Clone(runs[:last-1]), runs[last])
	}
	return runs[:last]
}

// stored is a Log in JSON. Version is first, for people who look at it.
type stored struct {
	Version json.RawMessage `json:"leasehold_run_log"`
	Head    Head            `json:"head"`
	Runs    []Run           `json:"runs,omitempty"`
}
