package web

import (
	"compress/gzip"
	"fmt"
	"io"
	"net/http"
	"runtime"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"leasehold.example/leasehold"
	"leasehold.example/leasehold/cmd/leasehold/internal/jobs"
	"leasehold.example/leasehold/cmd/leasehold/internal/text"
	"leasehold.example/leasehold/runlog"
)

// A metric is a gauge of each job that has a value. Times are in seconds since 1970,
// and 0 for what has not happened yet, so that a rule sees that too.
type metric struct {
	name, help string
	value      func(j jobs.Job, now time.Time) (value float64, ok bool)
}

var metrics = []metric{
	{"leasehold_run_last_success_timestamp_seconds", "When the last run ended that succeeded; 0 if none has.", func(j jobs.Job, _ time.Time) (float64, bool) {
		return seconds(j.LastSuccess()), hasLog(j)
	}},
	{"leasehold_run_last_start_timestamp_seconds", "When the newest run began; 0 if there was none.", func(j jobs.Job, _ time.Time) (float64, bool) {
		if r := j.Newest(); r != nil {
			return seconds(r.Started), true
		}
		return 0, hasLog(j)
	}},
	{"leasehold_run_last_end_timestamp_seconds", "When the newest run ended that reported its end; 0 if none has.", func(j jobs.Job, _ time.Time) (float64, bool) {
		if r := j.LastEnded(); r != nil {
			return seconds(r.Ended), true
		}
		return 0, hasLog(j)
	}},
	{"leasehold_run_last_duration_seconds", "How long the newest run took that reported its end.", func(j jobs.Job, _ time.Time) (float64, bool) {
		if r := j.LastEnded(); r != nil {
			return r.Ended.Sub(r.Started).Seconds(), true
		}
		return 0, false
	}},
	{"leasehold_run_last_exit_code", "Exit code of the newest run that reported its end; 128 and the signal's number if one ended it.", func(j jobs.Job, _ time.Time) (float64, bool) {
		return exitCode(j.LastEnded())
	}},
	{"leasehold_run_active", "Whether a run goes on.", func(j jobs.Job, now time.Time) (float64, bool) {
		if j.Run(now) == jobs.Running {
			return 1, true
		}
		return 0, hasLog(j)
	}},
	{"leasehold_next_tick_timestamp_seconds", "When the job is due next.", func(j jobs.Job, now time.Time) (float64, bool) {
		next := j.Next(now)
		return seconds(next), !next.IsZero()
	}},
	{"leasehold_lease_end_timestamp_seconds", "When the lease ends, or has ended if it has expired.", func(j jobs.Job, _ time.Time) (float64, bool) {
		return seconds(j.End), j.State == leasehold.Held || j.State == leasehold.Expired
	}},
}

func seconds(t time.Time) float64 {
	if t.IsZero() {
		return 0
	}
	return float64(t.UnixMilli()) / 1000
}

func hasLog(j jobs.Job) bool { return len(j.Log.Runs) > 0 || j.Log.Head.Schedule != "" }

func exitCode(r *runlog.Run) (float64, bool) {
	switch {
	case r == nil:
	case r.Exit != nil:
		return float64(*r.Exit), true
	case r.Signal != "":
		const signaled = 128
		n := unix.SignalNum(r.Signal)
		return float64(signaled + n), n > 0
	}
	return 0, false
}

// A family has all series of one metric, in Prometheus' text format, version 0.0.4.
type family struct {
	name string
	text []byte
}

func newFamily(name, help string) *family {
	return &family{name, fmt.Appendf(nil, "# HELP %s %s\n# TYPE %s gauge\n", name, help, name)}
}

// add adds a series; labels are "" or like `path="/x",slot="0"`.
func (f *family) add(value float64, labels string) {
	f.text = append(f.text, f.name...)
	if labels != "" {
		f.text = append(append(append(f.text, '{'), labels...), '}')
	}
	f.text = append(strconv.AppendFloat(append(f.text, ' '), value, 'g', -1, 64), '\n')
}

var escapeLabel = strings.NewReplacer(`\`, `\\`, `"`, `\"`, "\n", `\n`)

func label(name, value string) string { return name + `="` + escapeLabel.Replace(value) + `"` }

// labelsOf returns the labels of all series of j. Nothing tells a slot from a lease of
// its own but its name, which is a number.
func labelsOf(j jobs.Job) string {
	labels := label("path", text.Escape(j.Path))
	if name := j.Path[strings.LastIndexByte(j.Path, '/')+1:]; strings.Trim(name, "0123456789") == "" {
		labels += "," + label("slot", name)
	}
	return labels
}

func (s *Server) gather() []*family {
	snapshot, since := s.picture()
	now := judgedAt(since)
	info := newFamily("leasehold_lease_info", "Who has the lease.")
	problems := newFamily("leasehold_job_problem", `What "leasehold check" finds wrong with a job: 1 warning, 2 critical, 3 unknown.`)
	var families []*family
	for _, m := range metrics {
		families = append(families, newFamily(m.name, m.help))
	}
	for _, job := range snapshot.Jobs {
		j := job.At(now)
		labels := labelsOf(j)
		for i, m := range metrics {
			if v, ok := m.value(j, now); ok {
				families[i].add(v, labels)
			}
		}
		if j.State == leasehold.Held {
			info.add(1, labels+","+label("holder", text.Cut(text.Escape(j.Holder), text.Message)))
		}
		if judgement := j.Judge(s.Policy, now); judgement.Problem != "" && judgement.Problem != jobs.HasNoLog {
			problems.add(float64(judgement.Level), labels+","+label("problem", string(judgement.Problem)))
		}
	}
	up := newFamily("leasehold_store_up", "Whether the state of the store is known now; if not, all else is as it was known last.")
	if snapshot.Known {
		up.add(1, "")
	} else {
		up.add(0, "")
	}
	build := newFamily("leasehold_build_info", "The version of the program that answers.")
	build.add(1, label("version", s.Version)+","+label("goversion", runtime.Version()))
	return append(families, info, problems, up, build)
}

// serveMetrics answers for Prometheus. It asks for it compressed.
func (s *Server) serveMetrics(w http.ResponseWriter, r *http.Request) {
	select {
	case s.scrapes <- struct{}{}:
		defer func() { <-s.scrapes }()
	default: // a large fleet has megabytes of them
		http.Error(w, "too many clients ask for metrics", http.StatusServiceUnavailable)
		return
	}
	w.Header().Set("Content-Type", "text/plain; version=0.0.4; charset=utf-8")
	to := io.Writer(w)
	if strings.Contains(r.Header.Get("Accept-Encoding"), "gzip") {
		w.Header().Set("Content-Encoding", "gzip")
		packed := gzip.NewWriter(w)
		defer packed.Close()
		to = packed
	}
	for _, f := range s.gather() {
		if _, err := to.Write(f.text); err != nil { // whoever asked has gone
			return
		}
	}
}
