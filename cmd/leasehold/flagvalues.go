package main

import (
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"
)

// A duration is one as Go writes it, or with days before that, like 1d12h.
type duration time.Duration

func (d *duration) String() string {
	if *d == 0 {
		return "0" // which --help does not show as a default
	}
	return time.Duration(*d).String()
}

func (d *duration) Type() string { return "duration" }

func (d *duration) Set(s string) error {
	parsed, err := parseDuration(s)
	*d = duration(parsed)
	return err
}

// parseDuration reads a duration. A day is 24 hours.
func parseDuration(s string) (time.Duration, error) {
	days, rest, ok := strings.Cut(s, "d")
	if !ok {
		return time.ParseDuration(s)
	}
	const day = 24 * time.Hour
	n, err := strconv.ParseUint(days, 10, 32)
	if err != nil || n > uint64(math.MaxInt64/day) {
		return 0, fmt.Errorf("not a number of days")
	}
	total := time.Duration(n) * day
	if rest == "" {
		return total, nil
	}
	more, err := time.ParseDuration(rest)
	if err != nil || strings.ContainsAny(rest[:1], "+-") || more > math.MaxInt64-total {
		return 0, fmt.Errorf("not a duration after the days")
	}
	return total + more, nil
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
	d, err := parseDuration(s)
	switch {
	case err != nil:
		return fmt.Errorf(`want a duration like 5s, or "forever"`)
	case d < 0:
		return fmt.Errorf("must not be negative")
	}
	*w = waitTime{d: d}
	return nil
}

// A wordValue is the value of a flag that takes one of a few words.
type wordValue interface{ words() []string }

// setWord sets value to s, if that is one of words.
func setWord[T ~string](value *T, s string, words []string) error {
	if !slices.Contains(words, s) {
		last := len(words) - 1
		want := words[last]
		if last > 0 {
			want = strings.Join(words[:last], ", ") + " or " + want
		}
		return fmt.Errorf("want %s", want)
	}
	*value = T(s)
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

func (m *releaseMode) words() []string {
	return []string{string(releaseNever), string(releaseAlways), string(releaseOnSuccess), string(releaseOnFailure)}
}

func (m *releaseMode) Set(s string) error { return setWord(m, s, m.words()) }

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

// A holderSuffix makes each run a holder of its own.
type holderSuffix string

const suffixPid holderSuffix = "pid"

func (s *holderSuffix) String() string { return string(*s) }
func (s *holderSuffix) Type() string   { return "pid" }

func (s *holderSuffix) words() []string { return []string{string(suffixPid)} }

func (s *holderSuffix) Set(value string) error { return setWord(s, value, s.words()) }

// unique returns the pid and a random number: in each container a pid may be 1,
// and it is another's after this process.
func (holderSuffix) unique() string {
	return fmt.Sprintf("%d-%08x", os.Getpid(), rand.Uint32())
}

// A leftBehindMode says what to do with processes that COMMAND has left behind.
type leftBehindMode string

const (
	leftGoOn leftBehindMode = "go-on"
	leftWait leftBehindMode = "wait"
	leftStop leftBehindMode = "stop"
)

func (m *leftBehindMode) String() string { return string(*m) }
func (m *leftBehindMode) Type() string   { return "mode" }

func (m *leftBehindMode) words() []string {
	return []string{string(leftGoOn), string(leftWait), string(leftStop)}
}

func (m *leftBehindMode) Set(s string) error { return setWord(m, s, m.words()) }

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
