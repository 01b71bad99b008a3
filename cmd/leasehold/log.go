package main

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"strings"

	"leasehold.example/leasehold"
	"leasehold.example/leasehold/cmd/leasehold/internal/text"
)

// A logFormat says how leasehold's own lines on stderr are written; "" is text.
type logFormat string

const (
	formatText logFormat = "text"
	formatJSON logFormat = "json"

	logFormatVariable = "LEASEHOLD_LOG_FORMAT"
)

func (f *logFormat) String() string { return string(*f) }
func (f *logFormat) Type() string   { return "format" }

func (f *logFormat) words() []string { return []string{string(formatText), string(formatJSON)} }

func (f *logFormat) Set(s string) error { return setWord(f, s, f.words()) }

// setFromVariable sets it before the flags are read: what is wrong with them is
// written in this format, too.
func (f *logFormat) setFromVariable() error {
	value := os.Getenv(logFormatVariable)
	if value == "" {
		return nil
	}
	if err := f.Set(value); err != nil {
		return usage("%s is %q, %v", logFormatVariable, value, err)
	}
	return nil
}

// messages writes leasehold's own lines to stderr.
type messages struct{ *program }

func (m messages) Write(lines []byte) (int, error) {
	m.progress.mu.Lock()
	defer m.progress.mu.Unlock()
	m.progress.erase(m.stderr)
	shown := lines
	if m.format == formatJSON {
		shown = text.JSON(lines)
	}
	if _, err := m.stderr.Write(shown); err != nil {
		return 0, err
	}
	return len(lines), nil
}

func (p *program) handler() slog.Handler {
	options := &slog.HandlerOptions{Level: slog.LevelDebug}
	if p.format == formatJSON {
		return slog.NewJSONHandler(messages{p}, options)
	}
	return slog.NewTextHandler(messages{p}, options)
}

// say writes one line for people.
func (p *program) say(format string, args ...any) {
	words := oneLine(fmt.Sprintf(format, args...))
	if p.format == formatJSON {
		slog.New(p.handler()).Info("note", "text", words)
		return
	}
	fmt.Fprintln(messages{p}, "leasehold: "+words)
}

func (p *program) warn(format string, args ...any) {
	if p.format == formatJSON {
		slog.New(p.handler()).Warn("warning", "text", oneLine(fmt.Sprintf(format, args...)))
		return
	}
	p.say("warning: "+format, args...)
}

// sayWhy says why leasehold ends with an exit code of its own.
func (p *program) sayWhy(f *failure) {
	if p.format != formatJSON {
		p.say("%s", f.message)
		if f.hint != "" {
			fmt.Fprintln(messages{p}, "hint: "+oneLine(f.hint))
		}
		return
	}
	level := slog.LevelError
	if f.denial {
		level = slog.LevelInfo
	}
	attrs := []any{"exit", f.code, "text", oneLine(f.message)}
	if f.hint != "" {
		attrs = append(attrs, "hint", oneLine(f.hint))
	}
	slog.New(p.handler()).Log(context.Background(), level, "exit", attrs...)
}

// logger returns where the library logs to.
func (p *program) logger() *slog.Logger { return slog.New(logHandler{p, p.handler()}) }

// A logHandler writes what is logged if -v is given. Else it writes those warnings
// that end in no error and that people should know all the same: that a holder's
// name is in use on another machine, that a run is not in the run log, that the
// schedule is another one, and, unless -q is given, that a store that is waited for
// does not answer. Who waits sees denials as progress.
type logHandler struct {
	*program
	verbosely slog.Handler
}

func (h logHandler) Enabled(_ context.Context, level slog.Level) bool {
	return h.verbose || level >= slog.LevelWarn || h.progress.shown.Load()
}

func (h logHandler) WithAttrs(attrs []slog.Attr) slog.Handler {
	return logHandler{h.program, h.verbosely.WithAttrs(attrs)}
}

func (h logHandler) WithGroup(name string) slog.Handler {
	return logHandler{h.program, h.verbosely.WithGroup(name)}
}

func (h logHandler) Handle(ctx context.Context, record slog.Record) error {
	if h.verbose {
		if err := h.verbosely.Handle(ctx, record); err != nil {
			return err
		}
	}
	if record.Message == leasehold.SilentStore && !h.verbose && !h.quiet {
		h.say("%s", record.Message)
	}
	var details []string
	record.Attrs(func(a slog.Attr) bool {
		details = append(details, a.String())
		if err, ok := a.Value.Any().(error); ok {
			h.handleError(err)
		}
		return true
	})
	if record.Message == leasehold.NewSchedule && !h.verbose {
		h.warn("%s (%s)", record.Message, strings.Join(details, ", "))
	}
	return nil
}

func (h logHandler) handleError(err error) {
	h.seeDenial(err)
	if h.verbose {
		return
	}
	switch e := err.(type) {
	case *leasehold.LogError:
		h.warn("the run is not in the run log: %v (--log=false asks for none)", e)
	case *leasehold.SameNameError:
		h.warn("%q has lease %q until %s on another machine (%s; this is %s), and is granted it here too",
			e.Holder, e.Path, text.Time(e.End), e.Other, e.Machine)
	}
}
