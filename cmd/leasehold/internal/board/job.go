package board

import (
	"bytes"
	"compress/flate"
	"errors"
	"io"
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
func (b *Board) newJob(s leasehold.Sighting, old *Job) *Job {
	now := time.Now()
	j := &Job{Job: jobs.Job{Status: s.Status(now), Record: s.Data}}
	if s.Log == nil && s.LogErr == nil { // it has stayed the same
		if old != nil {
			j.Log, j.LogError, j.packed = old.Log, old.LogError, old.packed
		}
		return j
	}
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
	return j
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
