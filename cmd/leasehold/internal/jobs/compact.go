package jobs

import (
	"bytes"
	"compress/flate"
	"io"
	"slices"
	"sync"
	"time"
	"unique"

	"leasehold.example/leasehold/runlog"
)

// Compact returns j with a part of its log at hand, so that many take little memory;
// Whole returns it with all. At hand is what JSON, Run, LastSuccess, and Judge by the
// log's schedule with at most that grace look at from now on: the newest entry, the
// newest two attempts, the newest one that has ended and that has succeeded, the
// attempts of the ticks that are or will be judged, and the oldest tick. Of others
// Ticks would say that they were missed. stored is the log as it is stored.
func (j Job) Compact(grace time.Duration, now time.Time, stored []byte) Job {
	runs := j.recent(grace, now)
	if len(runs) < len(j.Log.Runs) {
		j.packed = pack(stored)
	}
	j.Log.Runs = runs
	for i := range runs { // logs say the same again and again
		r := &runs[i]
		for _, s := range []*string{&r.Holder, &r.Host, &r.Program, (*string)(&r.Result)} {
			*s = unique.Make(*s).Value()
		}
	}
	return j
}

func (j Job) recent(grace time.Duration, now time.Time) []runlog.Run {
	since := now // of the ticks
	if s, ok := j.Schedule(); ok {
		since, _ = s.Previous(now.Add(-grace))
	}
	success, oldest := j.LastSuccess(), j.oldest()
	attempts, ended := 0, 0
	var recent []runlog.Run
	for i, r := range j.Log.Runs {
		keep := i == 0 || r.Result == runlog.Success && r.Ended.Equal(success) ||
			!r.Tick.IsZero() && (!r.Tick.Before(since) || r.Tick.Equal(oldest))
		if r.IsAttempt() {
			attempts++
			if !r.Ended.IsZero() {
				ended++
			}
			keep = keep || attempts <= 2 || ended == 1
		}
		if keep {
			recent = append(recent, r)
		}
	}
	return slices.Clip(recent)
}

// Whole returns j with all of its log.
func (j Job) Whole() Job {
	if j.packed == nil {
		return j
	}
	stored, err := io.ReadAll(flate.NewReader(bytes.NewReader(j.packed)))
	if err == nil {
		j.Log, err = runlog.Parse(stored)
	}
	if err != nil {
		panic(err) // it was parsed before it was packed
	}
	j.packed = nil
	return j
}

// packers have a megabyte each.
var packers = sync.Pool{New: func() any {
	w, err := flate.NewWriter(nil, flate.BestSpeed)
	if err != nil {
		panic(err) // there is that level
	}
	return w
}}

func pack(data []byte) []byte {
	w := packers.Get().(*flate.Writer)
	defer packers.Put(w)
	var packed bytes.Buffer
	w.Reset(&packed)
	if _, err := w.Write(data); err != nil {
		panic(err) // a Buffer takes everything
	}
	w.Close()
	return bytes.Clone(packed.Bytes())
}
