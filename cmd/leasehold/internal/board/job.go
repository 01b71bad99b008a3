package board

import (
	"bytes"
	"compress/flate"
	"errors"
	"io"
	"reflect"
	"time"
	"unique"

	"leasehold.example/leasehold"
	"leasehold.example/leasehold/cmd/leasehold/internal/jobs"
	"leasehold.example/leasehold/runlog"
)

// A Job is a job of which only a part of the log is at hand, see [jobs.Job.Recent]:
// what is needed to judge it. Whole returns it with all.
type Job struct {
	jobs.Job
	packed []byte // the log; nil if all of it is at hand
}

// Whole returns j with all of its log.
func (j *Job) Whole() jobs.Job {
	whole := j.Job
	if j.packed == nil {
		return whole
	}
	data, err := io.ReadAll(flate.NewReader(bytes.NewReader(j.packed)))
	if err == nil {
		whole.Log, err = runlog.Parse(data)
	}
	if err != nil {
		panic(err) // it was parsed before
	}
	return whole
}

// newJob returns the job that s shows. old is what was known of it, nil for nothing.
// It returns old itself if nothing has changed: when a connection was lost everything is
// read again.
func (b *Board) newJob(s leasehold.Sighting, old *Job) *Job {
	now := time.Now()
	j := &Job{Job: jobs.Job{Status: s.Status(now), Record: s.Data}}
	switch {
	case s.Log != nil || s.LogErr != nil:
		b.addLog(j, s, now)
	case old != nil: // it has stayed the same
		j.Log, j.LogError, j.packed = old.Log, old.LogError, old.packed
	}
	if old != nil && reflect.DeepEqual(j.Job, old.At(now)) && bytes.Equal(j.packed, old.packed) {
		return old
	}
	return j
}

// addLog adds the run log that s shows.
func (b *Board) addLog(j *Job, s leasehold.Sighting, now time.Time) {
	log, err := s.Runs()
	if err != nil && !errors.As(err, &j.LogError) {
		j.LogError = &leasehold.LogError{Path: s.Path, Err: err}
	}
	j.Log = log
	j.Job = j.Recent(b.grace, now)
	if len(j.Log.Runs) < len(log.Runs) {
		j.packed = b.pack(s.Log.Data)
	}
	share(j.Log.Runs)
}

// share makes runs share what many have in common.
func share(runs []runlog.Run) {
	for i := range runs {
		r := &runs[i]
		for _, s := range []*string{&r.Holder, &r.Host, &r.Program, (*string)(&r.Result)} {
			*s = unique.Make(*s).Value()
		}
	}
}

// pack returns data compressed: run logs say much the same again and again.
func (b *Board) pack(data []byte) []byte {
	var packed bytes.Buffer
	b.packer.Reset(&packed)
	if _, err := b.packer.Write(data); err != nil {
		panic(err) // a Buffer takes everything
	}
	b.packer.Close()
	return bytes.Clone(packed.Bytes())
}
