package main

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"leasehold.example/leasehold"
	"leasehold.example/leasehold/cmd/leasehold/internal/jobs"
	"leasehold.example/leasehold/cmd/leasehold/internal/text"
)

const checkName = "check"

const checkHelp = `Say whether jobs ran, for a monitoring system, as the Monitoring Plugins
Development Guidelines want it: one line, and an exit code.

Exit codes:
  0   OK: the newest tick that has been due for longer than --grace has succeeded, or
      is running
  1   WARNING: it failed before it succeeded, or before the attempt that goes on; a
      run takes longer than --max-runtime; or the job is paused
  2   CRITICAL: nobody has run it, or it has not succeeded; without a schedule: the
      last success is older than --max-age, or there is none
  3   UNKNOWN: that can't be told: the store can't be reached or read, nothing was
      logged, kazoo has run it, there is neither a schedule nor --max-age, or a flag
      is wrong

What is asked is the run log (see leasehold history). The schedule is the one that
the job was last run with, unless --schedule is given: a job that is run without one
can be judged by that, too. Of several jobs the worst decides: CRITICAL, then
UNKNOWN, WARNING and OK.

Behind the "|" is, for each job with a success, the time since the last one ended,
and, for each that runs, for how long.`

const checkExamples = `  leasehold check --store zk://zk1,zk2,zk3/apps /db/nightly /db/hourly_cleanup

  # crontab: mail in the morning, if the night's job has not succeeded
  0 7 * * *  out=$(leasehold check -q /db/nightly) || echo "$out"`

// checkFlags are those of the subcommand check.
type checkFlags struct {
	store    storeFlags
	schedule scheduleFlags
	policy   jobs.Policy
}

func (p *program) checkCommand() *cobra.Command {
	f := checkFlags{store: storeFlags{program: p, mustExist: true}}
	cmd := &cobra.Command{
		Use:     checkName + " [flags] PATH...",
		Short:   "Say whether jobs ran, for a monitoring system",
		Long:    checkHelp,
		Example: checkExamples,
		Args:    wantPaths(1, -1, "PATH"),
	}
	flags := cmd.Flags()
	f.store.register(flags, "print each job as a line of JSON")
	f.schedule.register(flags)
	f.policy.Grace = jobs.DefaultGrace
	flags.Var((*duration)(&f.policy.Grace), "grace", "for how long a tick may be due before it is judged")
	flags.Var((*duration)(&f.policy.MaxRuntime), "max-runtime", "for how long a run may go on; default any time")
	flags.Var((*duration)(&f.policy.MaxAge), "max-age", "of the last success, for jobs without a schedule")
	conflict := exitConflict
	cmd.RunE = f.store.runE(&conflict, f.run)
	return cmd
}

// validate refuses what is wrong with the flags.
func (f *checkFlags) validate(paths []string) error {
	for _, path := range paths {
		if err := leasehold.CheckPath(path); err != nil {
			return err
		}
	}
	for name, d := range map[string]time.Duration{"max-runtime": f.policy.MaxRuntime, "max-age": f.policy.MaxAge} {
		if f.store.given.Changed(name) && d <= 0 {
			return usage("--%s is %s, must be positive", name, d)
		}
	}
	if f.policy.Grace < 0 {
		return usage("--grace is %s, must not be negative", f.policy.Grace)
	}
	if f.store.given.Changed("schedule") {
		s, err := f.schedule.parse()
		if err != nil {
			return err
		}
		if _, ok := s.Next(time.Now()); !ok {
			return usage("--schedule %q is never due", f.schedule.expression)
		}
		f.policy.Schedule = &s
	}
	return nil
}

// A checked is a job and what is thought of it.
type checked struct {
	jobs.Job
	jobs.Judgement
}

func (f *checkFlags) run(ctx context.Context, paths []string) error {
	if err := f.validate(paths); err != nil {
		return err
	}
	now := time.Now()
	var all []checked
	err := f.store.withClient(ctx, func(ctx context.Context, c *leasehold.Client) error {
		all = f.check(ctx, c, paths, now)
		return nil
	})
	if err := interrupted(ctx); err != nil {
		return err
	}
	if err != nil { // nothing could be asked
		why := f.unknown(err)
		for _, path := range paths {
			all = append(all, checked{jobs.Job{Status: leasehold.Status{Path: path}}, why})
		}
	}
	slices.SortStableFunc(all, func(a, b checked) int { return cmp.Compare(badness(b.Level), badness(a.Level)) })
	print := f.line
	if f.store.json {
		print = f.jsonLines
	}
	b, err := print(all, now)
	if err := errors.Join(err, writeAll(f.store.stdout, b)); err != nil {
		return err
	}
	if worst := all[0].Level; worst != jobs.OK {
		return &failure{code: int(worst)} // without a message: all is said
	}
	return nil
}

// check reads the jobs at paths.
func (f *checkFlags) check(ctx context.Context, c *leasehold.Client, paths []string, now time.Time) []checked {
	all := make([]checked, 0, len(paths))
	for _, path := range paths {
		s, err := c.Status(ctx, path)
		read := []jobs.Job{{Status: leasehold.Status{Path: path}}}
		if err == nil {
			read, err = jobs.Read(ctx, c, []leasehold.Status{s})
		}
		judgement := read[0].Judge(f.policy, now)
		if judgement.Problem == jobs.HasNoLog && s.State == leasehold.Free {
			err = f.store.checkChroot(ctx, c.Store)
		}
		switch {
		case err != nil:
			judgement = f.unknown(err)
		case judgement.Problem == jobs.HasNoLog && len(read[0].Log.Runs) > 0 && !f.canJudge(read[0]):
			judgement.Text += "; give --schedule or --max-age"
		}
		all = append(all, checked{read[0], judgement})
	}
	return all
}

// canJudge reports whether it is known how often the job is to run.
func (f *checkFlags) canJudge(j jobs.Job) bool {
	_, ok := j.Schedule()
	return ok || f.policy.Schedule != nil || f.policy.MaxAge > 0
}

// unknown says why a job can't be judged.
func (f *checkFlags) unknown(err error) jobs.Judgement {
	why := explain(f.store.wrap(err), exitConflict)
	if why.hint != "" {
		why.message += " (" + why.hint + ")"
	}
	return jobs.Judgement{Level: jobs.NotKnown, Problem: jobs.IsUnreadable, Text: oneLine(why.message)}
}

// badness orders levels. That nothing is known may hide what is critical.
func badness(l jobs.Level) int {
	return slices.Index([]jobs.Level{jobs.OK, jobs.Warning, jobs.NotKnown, jobs.Critical}, l)
}

// line makes the one line for a monitoring system. A "|" in a name must not begin
// the performance data.
func (f *checkFlags) line(all []checked, now time.Time) ([]byte, error) {
	var said, data []string
	for _, c := range all {
		said = append(said, strings.ReplaceAll(text.Escape(c.Path)+": "+text.Printable(c.Text), "|", `\x7c`))
		label := strings.NewReplacer("'", "_", "=", "_", "|", "_").Replace(text.Escape(c.Path))
		if last := c.LastSuccess(); !last.IsZero() {
			data = append(data, fmt.Sprintf("'%s_age'=%ds;;;0", label, int64(now.Sub(last).Seconds())))
		}
		if r := c.Newest(); r != nil && c.Run(now) == jobs.Running {
			data = append(data, fmt.Sprintf("'%s_runtime'=%ds;;;0", label, int64(now.Sub(r.Started).Seconds())))
		}
	}
	line := all[0].Level.String() + " - " + strings.Join(said, "; ")
	if len(data) > 0 {
		line += "|" + strings.Join(data, " ")
	}
	return []byte(line + "\n"), nil
}

// checkedJSON is what --json prints for a job. Keys are absent where they mean
// nothing.
type checkedJSON struct {
	Path        string       `json:"path"`
	Level       string       `json:"level"`
	Problem     jobs.Problem `json:"problem,omitempty"`
	Text        string       `json:"text"`
	LastSuccess string       `json:"last_success,omitempty"`
}

func (f *checkFlags) jsonLines(all []checked, _ time.Time) ([]byte, error) {
	var b bytes.Buffer
	encoder := json.NewEncoder(&b)
	encoder.SetEscapeHTML(false)
	for _, c := range all {
		line := checkedJSON{c.Path, strings.ToLower(c.Level.String()), c.Problem, c.Text, text.Time(c.LastSuccess())}
		if err := encoder.Encode(line); err != nil {
			return nil, err
		}
	}
	return text.JSON(b.Bytes()), nil
}
