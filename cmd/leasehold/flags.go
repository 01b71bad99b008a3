package main

import (
	"context"
	"fmt"
	"os"
	"strconv"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"leasehold.example/leasehold"
)

// asking are the flags of every subcommand that asks the store.
type asking struct {
	*program
	flags   *pflag.FlagSet
	store   string
	timeout time.Duration
	json    bool

	security securing

	existing bool // a directory that is missing is not made
}

func (a *asking) add(cmd *cobra.Command, jsonMeans string) {
	a.flags = cmd.Flags()
	a.flags.SortFlags = false
	a.flags.StringVar(&a.store, "store", "", storeForms+" (zks:// for TLS; dir:/absolute/path?mode=0660 for users of one group); default $"+storeVariable)
	a.flags.DurationVar(&a.timeout, "timeout", 10*time.Second, "how long the store may take to answer")
	a.flags.BoolVar(&a.json, "json", false, jsonMeans)
	a.security.add(a.flags)
}

func (a *asking) check() (storeURL, error) {
	if a.timeout <= 0 {
		return storeURL{}, usage("--timeout is %s, must be positive", a.timeout)
	}
	u, err := findStore(a.store, a.flags.Changed("store"))
	if err != nil {
		return u, err
	}
	err = a.secure(&u)
	return u, err
}

// with opens the store, calls f, and waits until the store has cleaned up, for
// no longer than ctx and timeout, and the store itself, allow. What it returns
// is an *askedError.
func (a *asking) with(ctx context.Context, u storeURL, limit time.Time, f func(leasehold.Store) error) (err error) {
	asked := &askedError{store: u, since: time.Now(), limits: "--timeout"}
	if a.flags.Changed("wait") {
		asked.limits = "--wait and --timeout"
	}
	defer func() {
		if err != nil {
			asked.error, asked.took = err, time.Since(asked.since)
			err = asked
		}
	}()
	opening, cancel := until(ctx, limit)
	defer cancel()
	if a.existing {
		if err := u.checkExists(); err != nil {
			return err
		}
	}
	s, err := u.open(opening, a.logger())
	if err != nil {
		return err
	}
	<-a.signals.caught
	defer func() {
		if err := s.Close(); err != nil {
			a.say("warning: close the store: %v", err)
		}
	}()
	return f(s)
}

// until returns a context that ends at the time limit, or with ctx alone if
// that is zero.
func until(ctx context.Context, limit time.Time) (context.Context, context.CancelFunc) {
	if limit.IsZero() {
		return context.WithCancel(ctx)
	}
	return context.WithDeadline(ctx, limit)
}

// holding are the flags of every subcommand that acts for a holder.
type holding struct {
	asking
	holder   string
	slots    int
	conflict int
}

const holderVariable = "LEASEHOLD_HOLDER"

func (h *holding) add(cmd *cobra.Command, jsonMeans, slotsMean string) {
	h.asking.add(cmd, jsonMeans)
	h.flags.StringVar(&h.holder, "holder", "", "whose lease it is; default $"+holderVariable+", else the host name")
	h.flags.IntVar(&h.slots, "slots", 0, slotsMean)
	h.flags.IntVarP(&h.conflict, "conflict-exit-code", "E", exitConflict, "exit code when another has it")
}

// check also returns the name of the holder, which may be "" if named is false.
func (h *holding) check(path string, named bool) (storeURL, string, error) {
	if err := leasehold.CheckPath(path); err != nil {
		return storeURL{}, "", err
	}
	if err := checkSlots(h.flags, h.slots); err != nil {
		return storeURL{}, "", err
	}
	if h.conflict < 0 || h.conflict > 255 {
		return storeURL{}, "", usage("--conflict-exit-code is %d, must be from 0 to 255", h.conflict)
	}
	holder := ""
	if named || h.flags.Changed("holder") {
		var err error
		if holder, err = h.name(); err != nil {
			return storeURL{}, "", err
		}
	}
	u, err := h.asking.check()
	return u, holder, err
}

// name returns the holder that --holder names, else LEASEHOLD_HOLDER, else the
// host name.
func (h *holding) name() (string, error) {
	if h.flags.Changed("holder") {
		return h.holder, leasehold.CheckHolder(h.holder)
	}
	if holder, ok := os.LookupEnv(holderVariable); ok {
		if err := leasehold.CheckHolder(holder); err != nil {
			return "", usage("%s: %v", holderVariable, err)
		}
		return holder, nil
	}
	holder, err := leasehold.DefaultHolder()
	if err != nil {
		return "", config("hosts of one name would all be one holder, and all run: give each its own host name, or --holder NAME or $"+holderVariable, "%v", err)
	}
	return holder, nil
}

const (
	maxSlots   = 10_000
	slotsUsage = "at most `N` holders: the lease is one of PATH/0 to PATH/N-1"
)

func checkSlots(flags *pflag.FlagSet, n int) error {
	if flags.Changed("slots") && (n < 1 || n > maxSlots) {
		return usage("--slots is %d, must be from 1 to %d", n, maxSlots)
	}
	return nil
}

// acquiring are the flags of every subcommand that acquires a lease.
type acquiring struct {
	holding
	duration time.Duration
	maxSkew  time.Duration
	wait     waitTime
}

func (a *acquiring) add(cmd *cobra.Command, jsonMeans string) {
	notWaitedFor := ""
	if cmd.Name() == "run" {
		notWaitedFor = ". An earlier run on this host is not waited for"
	}
	a.holding.add(cmd, jsonMeans, slotsUsage)
	a.flags.DurationVarP(&a.duration, "duration", "d", 0, "the lease's duration, at least 1s, like 70m (required)")
	a.flags.VarP(&a.wait, "wait", "w", "wait up to `D` for it, or \"forever\"; those who wait are served in no particular order"+notWaitedFor)
	a.flags.DurationVar(&a.maxSkew, "max-skew", 0, "by how much clocks may disagree; default a tenth of the duration, at most 10s")
	a.flags.Lookup("timeout").Usage = "how long the store may take to answer, beyond --wait"
}

// check also settles what a client needs.
func (a *acquiring) check(path string) (storeURL, *leasehold.Client, error) {
	switch {
	case !a.flags.Changed("duration"):
		return storeURL{}, nil, usage("missing -d, --duration D: for how long the lease is to last")
	case a.duration < time.Second:
		return storeURL{}, nil, usage("--duration is %s, must be at least 1s", a.duration)
	case a.flags.Changed("max-skew") && a.maxSkew <= 0:
		return storeURL{}, nil, usage("--max-skew is %s, must be positive", a.maxSkew)
	case !a.flags.Changed("max-skew"):
		a.maxSkew = min(a.duration/10, maxShare)
	}
	u, holder, err := a.holding.check(path, true)
	if err != nil {
		return u, nil, err
	}
	return u, &leasehold.Client{Holder: holder, MaxClockSkew: a.maxSkew, Logger: a.logger()}, nil
}

// maxShare is the most that --max-skew and --kill-after take of a long lease
// by default.
const maxShare = 10 * time.Second

// checkTime refuses a duration of which nothing would be left.
func (a *acquiring) checkTime(killAfter time.Duration) error {
	const cutOff = time.Second // records have whole seconds
	if taken := a.maxSkew + killAfter + cutOff; taken >= a.duration {
		what := fmt.Sprintf("%s for clock skew", a.maxSkew)
		if killAfter > 0 {
			what += fmt.Sprintf(", %s to stop COMMAND", killAfter)
		}
		return usage("--duration is %s, which leaves no time: %s and 1s for whole-second records make %s", a.duration, what, taken)
	}
	return nil
}

// limits returns until when to wait for a holder and until when to ask the
// store. Zero times mean for ever.
func (a *acquiring) limits(start time.Time) (waiting, asking time.Time) {
	if a.wait.forever {
		return time.Time{}, time.Time{}
	}
	waiting = start.Add(a.wait.d)
	return waiting, waiting.Add(a.timeout)
}

// A waitTime is a duration or "forever".
type waitTime struct {
	d       time.Duration
	forever bool
}

func (w *waitTime) String() string {
	if w.forever {
		return "forever"
	}
	return w.d.String()
}

func (w *waitTime) Type() string { return "duration" }

func (w *waitTime) Set(s string) error {
	if s == "forever" {
		*w = waitTime{forever: true}
		return nil
	}
	d, err := time.ParseDuration(s)
	switch {
	case err != nil:
		return fmt.Errorf(`want a duration like 5s, or "forever"`)
	case d < 0:
		return fmt.Errorf("must not be negative")
	}
	*w = waitTime{d: d}
	return nil
}

// A releaseMode says when run releases the lease at COMMAND's end.
type releaseMode string

const (
	releaseNever     releaseMode = "never"
	releaseAlways    releaseMode = "always"
	releaseOnSuccess releaseMode = "on-success"
	releaseOnFailure releaseMode = "on-failure"
)

func (m *releaseMode) String() string { return string(*m) }
func (m *releaseMode) Type() string   { return "mode" }

func (m *releaseMode) Set(s string) error {
	switch mode := releaseMode(s); mode {
	case releaseNever, releaseAlways, releaseOnSuccess, releaseOnFailure:
		*m = mode
		return nil
	}
	return fmt.Errorf("want never, always, on-success or on-failure")
}

// applies reports whether to release after a COMMAND that ended with code.
func (m releaseMode) applies(code int) bool {
	switch m {
	case releaseAlways:
		return true
	case releaseOnSuccess:
		return code == 0
	case releaseOnFailure:
		return code != 0
	default:
		return false
	}
}

// A tokenNumber is a fencing token.
type tokenNumber int64

func (t *tokenNumber) String() string { return strconv.FormatInt(int64(*t), 10) }
func (t *tokenNumber) Type() string   { return "N" }

func (t *tokenNumber) Set(s string) error {
	n, err := strconv.ParseInt(s, 10, 64)
	if err != nil || n < 1 {
		return fmt.Errorf("want a positive number, as status shows it")
	}
	*t = tokenNumber(n)
	return nil
}
