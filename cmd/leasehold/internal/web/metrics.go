package web

import (
	"net/http"
	"runtime"
	"slices"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	dto "github.com/prometheus/client_model/go"
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
		if r := lastEnded(j); r != nil {
			return seconds(r.Ended), true
		}
		return 0, hasLog(j)
	}},
	{"leasehold_run_last_duration_seconds", "How long the newest run took that reported its end.", func(j jobs.Job, _ time.Time) (float64, bool) {
		if r := lastEnded(j); r != nil {
			return r.Ended.Sub(r.Started).Seconds(), true
		}
		return 0, false
	}},
	{"leasehold_run_last_exit_code", "Exit code of the newest run that reported its end; 128 and the signal's number if one ended it.", func(j jobs.Job, _ time.Time) (float64, bool) {
		return exitCode(lastEnded(j))
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

// lastEnded returns the newest run that has reported its end, nil for none.
func lastEnded(j jobs.Job) *runlog.Run {
	for i, r := range j.Log.Runs {
		if r.IsAttempt() && !r.Ended.IsZero() {
			return &j.Log.Runs[i]
		}
	}
	return nil
}

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

// metrics answers for Prometheus. A registry would check 100,000 series each time,
// for what can't go wrong: each path is there once.
func (s *Server) metrics() http.Handler {
	return promhttp.HandlerFor(prometheus.GathererFunc(s.gather), promhttp.HandlerOpts{MaxRequestsInFlight: 4})
}

func (s *Server) gather() ([]*dto.MetricFamily, error) {
	snapshot, since := s.picture()
	now := judgedAt(since)
	info := gauge("leasehold_lease_info", "Who has the lease.")
	problems := gauge("leasehold_job_problem", "What \"leasehold check\" finds wrong with a job: 1 warning, 2 critical, 3 unknown.")
	families := make([]*dto.MetricFamily, len(metrics))
	for i, m := range metrics {
		families[i] = gauge(m.name, m.help)
	}
	for _, job := range snapshot.Jobs {
		j := job.At(now)
		labels := labelsOf(j)
		for i, m := range metrics {
			if v, ok := m.value(j, now); ok {
				add(families[i], v, labels)
			}
		}
		if j.State == leasehold.Held {
			holder := label("holder", text.Cut(text.Escape(j.Holder), text.Message))
			add(info, 1, append(labels, holder))
		}
		if judgement := j.Judge(judged, now); judgement.Problem != "" && judgement.Problem != jobs.HasNoLog {
			add(problems, float64(judgement.Level), append(labels, label("problem", string(judgement.Problem))))
		}
	}
	up := gauge("leasehold_store_up", "Whether the state of the store is known now; if not, all else is as it was known last.")
	add(up, 0, nil)
	if snapshot.Known {
		up.Metric[0].Gauge.Value = new(1.0)
	}
	build := gauge("leasehold_build_info", "The version of the program that answers.")
	add(build, 1, []*dto.LabelPair{label("goversion", runtime.Version()), label("version", s.Version)})
	isEmpty := func(f *dto.MetricFamily) bool { return len(f.Metric) == 0 }
	return slices.DeleteFunc(append(families, info, problems, up, build), isEmpty), nil
}

// labelsOf returns the labels of all series of j. Nothing tells a slot from a lease of
// its own but its name, which is a number.
func labelsOf(j jobs.Job) []*dto.LabelPair {
	labels := []*dto.LabelPair{label("path", text.Escape(j.Path))}
	if name := j.Path[strings.LastIndexByte(j.Path, '/')+1:]; strings.Trim(name, "0123456789") == "" {
		labels = append(labels, label("slot", name))
	}
	return slices.Clip(labels) // each series may append its own
}

func label(name, value string) *dto.LabelPair {
	return &dto.LabelPair{Name: new(name), Value: new(value)}
}

func gauge(name, help string) *dto.MetricFamily {
	return &dto.MetricFamily{Name: new(name), Help: new(help), Type: dto.MetricType_GAUGE.Enum()}
}

func add(f *dto.MetricFamily, value float64, labels []*dto.LabelPair) {
	f.Metric = append(f.Metric, &dto.Metric{Label: labels, Gauge: &dto.Gauge{Value: new(value)}})
}
