package main

import (
	"context"
	"fmt"
	"os"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"leasehold.example/leasehold"
	"leasehold.example/leasehold/cmd/leasehold/internal/supervise"
)

// storeFlags are the flags of every subcommand that asks a store.
type storeFlags struct {
	*program
	given   *pflag.FlagSet // all flags of the subcommand
	url     string
	timeout time.Duration
	json    bool

	mustExist bool // a directory that is missing is not made

	store  storeURL  // set by validate
	opened time.Time // when open was called
}

func (f *storeFlags) register(flags *pflag.FlagSet, jsonMeans string) {
	f.given = flags
	flags.SortFlags = false
	flags.StringVar(&f.url, "store", "", storeForms+" (zks:// for TLS; dir:/absolute/path?mode=0660 for users of one group); default $"+storeVariable)
	f.timeout = 10 * time.Second
	flags.Var((*duration)(&f.timeout), "timeout", "how long the store may take to answer")
	if jsonMeans != "" {
		flags.BoolVar(&f.json, "json", false, jsonMeans)
	}
	f.security.register(flags)
}

func (f *storeFlags) validate() (err error) {
	if f.timeout <= 0 {
		return usage("--timeout is %s, must be positive", f.timeout)
	}
	if f.store, err = findStore(f.url, f.given.Changed("store")); err != nil {
		return err
	}
	return f.secure(&f.store)
}

// open opens the store by the time limit. Close it with closeStore.
func (f *storeFlags) open(ctx context.Context, limit time.Time) (leasehold.Store, error) {
	f.opened = time.Now()
	ctx, cancel := until(ctx, limit)
	defer cancel()
	if f.mustExist {
		if err := f.store.checkExists(); err != nil {
			return nil, err
		}
	}
	if limit.IsZero() || time.Until(limit) > f.timeout { // it waits
		defer time.AfterFunc(silentTime, func() { f.logger().Warn(leasehold.SilentStore) }).Stop()
	}
	s, err := f.store.open(ctx, f.logger())
	if cause := interrupted(ctx); err != nil && cause != nil {
		return nil, cause
	}
	return s, err
}

// silentTime is how long a store that is waited for is silent until that is said.
const silentTime = 10 * time.Second

// withClient calls use with a client of the store, within --timeout.
func (f *storeFlags) withClient(ctx context.Context, use func(context.Context, *leasehold.Client) error) error {
	if err := f.validate(); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, f.timeout)
	defer cancel()
	s, err := f.open(ctx, time.Time{})
	if err != nil {
		return err
	}
	defer f.closeStore(s)
	return use(ctx, &leasehold.Client{Store: s, Logger: f.logger()})
}

// closeStore waits until the store has cleaned up.
func (f *storeFlags) closeStore(s leasehold.Store) {
	if err := s.Close(); err != nil {
		f.warn("close the store: %v", err)
	}
}

// runE makes a cobra function of run, and gives it a context that ends with a
// signal. The signals are caught before anything that can take long. conflict is
// the exit code of a denial.
func (f *storeFlags) runE(conflict *int, run func(ctx context.Context, args []string) error) func(*cobra.Command, []string) error {
	return func(cmd *cobra.Command, args []string) error {
		ctx, signals := supervise.CatchSignals(cmd.Context())
		f.signals = signals
		return finish(ctx, f.wrap(run(ctx, args)), *conflict)
	}
}

// wrap makes a *storeError of err if the store was asked.
func (f *storeFlags) wrap(err error) error {
	if err == nil || f.opened.IsZero() {
		return err
	}
	limits := "--timeout"
	if f.given.Changed("wait") {
		limits = "--wait and --timeout"
	}
	return &storeError{error: err, store: f.store, took: time.Since(f.opened), limits: limits}
}

// until returns a context that ends at the time limit, or with ctx alone if
// that is zero.
func until(ctx context.Context, limit time.Time) (context.Context, context.CancelFunc) {
	if limit.IsZero() {
		return context.WithCancel(ctx)
	}
	return context.WithDeadline(ctx, limit)
}

// holderFlags are the flags of every subcommand that acts for a holder.
type holderFlags struct {
	given    *pflag.FlagSet // all flags of the subcommand
	name     string         // set by find
	suffix   holderSuffix
	slots    int
	conflict int
}

const holderVariable = "LEASEHOLD_HOLDER"

func (f *holderFlags) register(flags *pflag.FlagSet, slotsMean string) {
	f.given = flags
	flags.StringVar(&f.name, "holder", "", "whose lease it is; default $"+holderVariable+", else the host name")
	flags.IntVar(&f.slots, "slots", 0, slotsMean)
	flags.IntVarP(&f.conflict, "conflict-exit-code", "E", exitConflict, "exit code when another has it")
}

func (f *holderFlags) validate(path string) error {
	if err := leasehold.CheckPath(path); err != nil {
		return err
	}
	if err := checkSlots(f.given, f.slots); err != nil {
		return err
	}
	if f.conflict < 0 || f.conflict > 255 {
		return usage("--conflict-exit-code is %d, must be from 0 to 255", f.conflict)
	}
	return nil
}

// find finds the holder's name: --holder, else LEASEHOLD_HOLDER, else the host
// name, and what --holder-suffix adds. It returns what goes into Client.Holder, which is "" for the host name:
// the library then refuses another machine of that name.
func (f *holderFlags) find() (clientHolder string, err error) {
	clientHolder, err = f.findName()
	if err != nil || f.suffix == "" {
		return clientHolder, err
	}
	f.name += "-" + f.suffix.unique()
	return f.name, leasehold.CheckHolder(f.name)
}

func (f *holderFlags) findName() (clientHolder string, err error) {
	if f.given.Changed("holder") {
		return f.name, leasehold.CheckHolder(f.name)
	}
	if holder, ok := os.LookupEnv(holderVariable); ok {
		if err := leasehold.CheckHolder(holder); err != nil {
			return "", usage("%s: %v", holderVariable, err)
		}
		f.name = holder
		return holder, nil
	}
	if f.name, err = leasehold.DefaultHolder(); err != nil {
		return "", config(nameHint, "%v", err)
	}
	return "", nil
}

const nameHint = "hosts of one name would all be one holder, and all run: give each a host name of its own, or --holder NAME or $" + holderVariable

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

// leaseFlags are the flags of every subcommand that acquires a lease.
type leaseFlags struct {
	store    storeFlags
	holder   holderFlags
	duration time.Duration
	maxSkew  time.Duration
	wait     waitTime
	once     bool

	schedule *leasehold.Schedule // nil without one
}

func (f *leaseFlags) register(cmd *cobra.Command, jsonMeans, waitIsNot string) {
	flags := cmd.Flags()
	f.store.register(flags, jsonMeans)
	f.holder.register(flags, slotsUsage)
	flags.VarP((*duration)(&f.duration), "duration", "d", "the lease's duration, like 70m or 1d (required)")
	flags.VarP(&f.wait, "wait", "w", "wait up to `D` for it, or \"forever\"; those who wait are served in no particular order"+waitIsNot)
	flags.BoolVar(&f.once, "once", false, "don't grant it to this holder either while it lasts: without --once, a holder is granted its own lease again")
	flags.Var((*duration)(&f.maxSkew), "max-skew", "by how much clocks may disagree; default a tenth of the duration, at most 10s")
	flags.Lookup("timeout").Usage = "how long the store may take to answer, beyond --wait"
}

// validate also returns the client that is to acquire the lease; it has no
// Store yet.
func (f *leaseFlags) validate(path string) (*leasehold.Client, error) {
	given := f.store.given
	switch {
	case f.duration == 0 && !given.Changed("duration"):
		return nil, usage("missing -d, --duration D: for how long the lease is to last")
	case f.duration <= 0:
		return nil, usage("--duration is %s, must be positive", f.duration)
	case given.Changed("max-skew") && f.maxSkew <= 0:
		return nil, usage("--max-skew is %s, must be positive", f.maxSkew)
	case !given.Changed("max-skew"):
		f.maxSkew = min(f.duration/10, maxShare)
	}
	if err := f.holder.validate(path); err != nil {
		return nil, err
	}
	holder, err := f.holder.find()
	if err != nil {
		return nil, err
	}
	if err := f.store.validate(); err != nil {
		return nil, err
	}
	return &leasehold.Client{Holder: holder, MaxClockSkew: f.maxSkew, Once: f.once, Logger: f.store.logger()}, nil
}

// maxShare is the most that --max-skew and --kill-after take of a long lease
// by default.
const maxShare = 10 * time.Second

// checkTime refuses a duration that leaves no time for the work.
func (f *leaseFlags) checkTime(killAfter time.Duration) error {
	const cutOff = time.Second // records have whole seconds
	if taken := f.maxSkew + killAfter + cutOff; taken >= f.duration {
		what := fmt.Sprintf("%s for clock skew", f.maxSkew)
		if killAfter > 0 {
			what += fmt.Sprintf(", %s to stop COMMAND", killAfter)
		}
		return usage("--duration is %s, which leaves no time: %s and 1s for whole-second records make %s", f.duration, what, taken)
	}
	return nil
}

// limits returns until when to wait for a holder, and until when the store may
// take to answer. Zero times mean forever.
func (f *leaseFlags) limits(start time.Time) (waiting, answer time.Time) {
	if f.wait.forever {
		return time.Time{}, time.Time{}
	}
	waiting = start.Add(f.wait.d)
	return waiting, waiting.Add(f.store.timeout)
}
