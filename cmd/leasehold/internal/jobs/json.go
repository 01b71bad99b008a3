package jobs

import (
	"bytes"
	"encoding/json"
	"fmt"
	"time"

	"leasehold.example/leasehold"
	"leasehold.example/leasehold/cmd/leasehold/internal/text"
	"leasehold.example/leasehold/runlog"
)

// A jobJSON is a job as JSON. Keys are absent where they mean nothing.
type jobJSON struct {
	Path      string   `json:"path"`
	Slot      *int     `json:"slot,omitempty"`
	State     string   `json:"state"`
	Holder    string   `json:"holder,omitempty"`
	End       string   `json:"end,omitempty"`
	Remaining *float64 `json:"remaining_seconds,omitempty"`
	EndedAgo  *float64 `json:"ended_ago_seconds,omitempty"`
	Since     string   `json:"since,omitempty"`
	Token     int64    `json:"token,omitempty"`
	Reason    string   `json:"reason,omitempty"`
	Run       RunState `json:"run,omitempty"`
	LastRun   *runJSON `json:"last_run,omitempty"`
	Tick      string   `json:"newest_tick,omitempty"` // that is due
	Outcome   Outcome  `json:"newest_tick_outcome,omitempty"`
	RetryAt   string   `json:"retry_at,omitempty"`
	Next      string   `json:"next_tick,omitempty"`
}

// JSON returns a line of JSON for each of jobs.
func JSON(jobs []Job, now time.Time) ([]byte, error) {
	return lines(func(encode func(any) error) error {
		for _, j := range jobs {
			if err := encode(j.json(now)); err != nil {
				return fmt.Errorf("write the state of %q: %w", j.Path, err)
			}
		}
		return nil
	})
}

func (j Job) json(now time.Time) jobJSON {
	line := jobJSON{Path: j.Path, State: j.State.String(), Holder: j.Holder, End: text.Time(j.End), Reason: j.Reason, Run: j.Run(now)}
	if r := j.Newest(); r != nil {
		line.LastRun = newRunJSON("", *r, j.Log.Head)
	}
	if s, ok := j.Schedule(); ok {
		for _, t := range j.Ticks(s, now, 1) {
			line.Tick, line.Outcome = text.Time(t.Due), t.Outcome
		}
		line.Next = text.Time(j.Next(now))
	}
	if line.Run == Retrying {
		line.RetryAt = text.Time(j.Log.Head.RetryAt)
	}
	if j.Slot >= 0 {
		line.Slot = &j.Slot
	}
	if j.State == leasehold.Held {
		seconds := j.Remaining.Truncate(time.Millisecond).Seconds()
		line.Remaining = &seconds
	}
	if ago, ok := j.EndedAgo(now); ok {
		seconds := ago.Truncate(time.Millisecond).Seconds()
		line.EndedAgo = &seconds
	}
	if j.State != leasehold.Free { // else they are those of a lease that was given up
		line.Since, line.Token = text.Time(j.Since), j.Token
	}
	return line
}

// A runJSON is a run as JSON. Keys are absent where they mean nothing.
type runJSON struct {
	Path     string   `json:"path,omitempty"`
	Tick     string   `json:"tick,omitempty"`
	Attempt  int      `json:"attempt,omitempty"`
	Holder   string   `json:"holder"`
	Host     string   `json:"host,omitempty"`
	Program  string   `json:"program,omitempty"`
	Started  string   `json:"started"`
	Ended    string   `json:"ended,omitempty"`
	Took     *float64 `json:"took_seconds,omitempty"`
	Result   string   `json:"result"`
	Exit     *int     `json:"exit,omitempty"`
	Signal   string   `json:"signal,omitempty"`
	Schedule string   `json:"schedule,omitempty"`
	Timezone string   `json:"timezone,omitempty"`
	Drained  bool     `json:"drained,omitempty"` // its host
}

func newRunJSON(path string, r runlog.Run, h runlog.Head) *runJSON {
	line := &runJSON{
		Path: path, Tick: text.Time(r.Tick), Attempt: r.Attempt, Holder: r.Holder, Host: r.Host, Program: r.Program,
		Started: text.Time(r.Started), Ended: text.Time(r.Ended), Result: string(r.Result), Exit: r.Exit, Signal: r.Signal, Drained: r.Drained,
	}
	if !r.Ended.IsZero() {
		seconds := r.Ended.Sub(r.Started).Seconds()
		line.Took = &seconds
	}
	if !r.Tick.IsZero() {
		line.Schedule, line.Timezone = h.Schedule, h.Timezone
	}
	return line
}

// RunsJSON returns a line of JSON for each attempt in the log of path, the newest
// first.
func RunsJSON(path string, log runlog.Log) ([]byte, error) {
	return lines(func(encode func(any) error) error {
		for _, r := range log.Runs {
			if r.IsAttempt() {
				if err := encode(newRunJSON(path, r, log.Head)); err != nil {
					return err
				}
			}
		}
		return nil
	})
}

func lines(write func(encode func(any) error) error) ([]byte, error) {
	var b bytes.Buffer
	encoder := json.NewEncoder(&b)
	encoder.SetEscapeHTML(false)
	err := write(encoder.Encode)
	return text.JSON(b.Bytes()), err
}
