package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"time"
	_ "time/tzdata" // zones are known on hosts that have no database of them

	"github.com/spf13/cobra"

	"leasehold.example/leasehold/cmd/leasehold/internal/text"
)

const planExamples = `  leasehold plan --schedule '0 2 * * *' --timezone Europe/Berlin --attempts 3 --fired 5m

  # is it all right? (in a test of the crontabs)
  leasehold plan --schedule '*/5 * * * *' --timezone UTC -d 1m --json | jq -e '.findings | all(.level == "ok")'`

// exitCannotWork is the exit code of a plan that can't work.
const exitCannotWork = 1

// planFlags are those of the subcommand plan.
type planFlags struct {
	*program
	schedule scheduleFlags
	duration time.Duration
	attempts int
	fired    time.Duration
	count    int
	from     string
	json     bool
}

func (p *program) planCommand() *cobra.Command {
	f := planFlags{program: p}
	cmd := &cobra.Command{
		Use:   "plan [flags]",
		Short: "Say when a schedule is due, and what will happen then",
		Long: `Print the next ticks of a schedule (the times at which it is due, in UTC and in its
zone), and say what happens when a host dies, when one is late and when the clocks
change. It asks no store.

Exit codes:
  1  something can't work`,
		Example: planExamples,
		Args:    wantPaths(0, 0, ""),
		RunE: func(cmd *cobra.Command, _ []string) error {
			return finish(cmd.Context(), f.run(cmd), exitConflict)
		},
	}
	flags := cmd.Flags()
	flags.SortFlags = false
	f.schedule.register(flags)
	flags.VarP((*duration)(&f.duration), "duration", "d", "of the lease while COMMAND runs; default a third of the shortest time between ticks, at most 1m")
	flags.IntVar(&f.attempts, "attempts", 1, "how many attempts of each tick may be begun, on all hosts together")
	flags.Var((*duration)(&f.fired), "fired", "how often cron or a timer starts leasehold on each host; default at the ticks alone")
	flags.IntVar(&f.count, "count", 5, "how many ticks to print")
	flags.StringVar(&f.from, "from", "", "print the ticks after this time, as 2026-11-25T02:00:00Z; default now")
	flags.BoolVar(&f.json, "json", false, "print one object of JSON")
	return cmd
}

// A planReport is what plan prints, and its JSON.
type planReport struct {
	Ticks    []string  `json:"ticks"`
	Findings []finding `json:"findings"`
}

func (f *planFlags) run(cmd *cobra.Command) error {
	given := cmd.Flags().Changed
	switch {
	case !given("schedule"):
		return usage("missing --schedule")
	case given("duration") && f.duration < time.Second:
		return usage("--duration is %s, must be at least 1s", f.duration)
	case f.attempts < 1:
		return usage("--attempts is %d, must be at least 1", f.attempts)
	case given("fired") && f.fired <= 0:
		return usage("--fired is %s, must be positive", f.fired)
	case f.count < 1 || f.count > maxTicks:
		return usage("--count is %d, must be from 1 to %d", f.count, maxTicks)
	}
	from := time.Now()
	if given("from") {
		var err error
		if from, err = time.Parse(time.RFC3339, f.from); err != nil {
			return usage("--from is %q, want a time like 2026-11-25T02:00:00Z", f.from)
		}
	}
	s, err := f.schedule.parse()
	if err != nil {
		return err
	}
	zone, err := time.LoadLocation(s.Zone())
	if err != nil {
		return err
	}
	report := planReport{Ticks: []string{}, Findings: findings(s, plan{zone: zone, from: from, duration: f.duration, attempts: f.attempts, fired: f.fired})}
	local := ""
	for tick, ok := s.Next(from); ok && len(report.Ticks) < f.count; tick, ok = s.Next(tick) {
		report.Ticks = append(report.Ticks, text.Time(tick))
		local += fmt.Sprintf("%s  %s\n", text.Time(tick), tick.In(zone).Format("Mon 2006-01-02 15:04 MST"))
	}
	if err := f.print(report, local); err != nil {
		return err
	}
	for _, found := range report.Findings {
		if found.Level == levelError {
			return exitWith(exitCannotWork)
		}
	}
	return nil
}

const maxTicks = 10_000

func (f *planFlags) print(report planReport, local string) error {
	var b bytes.Buffer
	if f.json {
		encoder := json.NewEncoder(&b)
		encoder.SetEscapeHTML(false)
		if err := encoder.Encode(report); err != nil {
			return fmt.Errorf("write the plan: %w", err)
		}
		return writeAll(f.stdout, text.JSON(b.Bytes()))
	}
	b.WriteString(local)
	for _, found := range report.Findings {
		fmt.Fprintf(&b, "%s: %s\n", found.Level, found.Text)
	}
	return writeAll(f.stdout, b.Bytes())
}
