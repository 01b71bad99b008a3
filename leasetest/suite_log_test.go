package leasetest_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"leasehold.example/leasehold"
	"leasehold.example/leasehold/leasetest"
)

// become returns what makes a log to be data.
func become(data []byte) leasehold.LogEdit {
	return func([]byte) ([]byte, error) { return data, nil }
}

// proposal changes what decide proposes.
func proposal(decide decideFunc, change func(old leasehold.Entry, p *leasehold.Proposal)) decideFunc {
	return func(old leasehold.Entry) (leasehold.Proposal, error) {
		p, err := decide(old)
		if err == nil {
			change(old, &p)
		}
		return p, err
	}
}

// logFaults are faults with run logs.
var logFaults = []storeFault{
	{"no log where nothing was logged", []string{"log of nothing", "edit of a log"}, func(m *leasetest.Store) leasehold.Store {
		return &faulty{Store: m, readLog: func(ctx context.Context, known leasehold.Entry) (leasehold.Entry, error) {
			e, err := m.ReadLog(ctx, known)
			if err == nil && len(e.Log.Data) == 0 {
				e.Log = nil
			}
			return e, err
		}}
	}},
	{"a list without run logs", []string{"edit of a log"}, func(m *leasetest.Store) leasehold.Store {
		return &faulty{Store: m, list: func(ctx context.Context, prefix string) ([]string, error) {
			all, err := m.List(ctx, prefix)
			return slices.DeleteFunc(all, func(path string) bool {
				e, err := m.Read(ctx, path)
				return err == nil && e.Data == nil
			}), err
		}}
	}},
	{"reading a log forgets what was known", []string{"log of nothing"}, func(m *leasetest.Store) leasehold.Store {
		return &faulty{Store: m, readLog: func(ctx context.Context, known leasehold.Entry) (leasehold.Entry, error) {
			return m.ReadLog(ctx, leasehold.Entry{Path: known.Path})
		}}
	}},
	{"a grant forgets its log", []string{"log with a grant", "long log", "no lost change of a log"}, func(m *leasetest.Store) leasehold.Store {
		return &faulty{Store: m, grant: func(ctx context.Context, known leasehold.Entry, decide decideFunc) (granted, replaced leasehold.Entry, err error) {
			return m.Grant(ctx, known, proposal(decide, func(_ leasehold.Entry, p *leasehold.Proposal) { p.Log = nil }))
		}}
	}},
	{"a grant without a log clears it", []string{"log with a grant"}, func(m *leasetest.Store) leasehold.Store {
		return &faulty{Store: m, grant: func(ctx context.Context, known leasehold.Entry, decide decideFunc) (granted, replaced leasehold.Entry, err error) {
			return m.Grant(ctx, known, proposal(decide, func(_ leasehold.Entry, p *leasehold.Proposal) { p.Log = append([]byte{}, p.Log...) }))
		}}
	}},
	{"a grant does not tell of its log", []string{"log with a grant"}, func(m *leasetest.Store) leasehold.Store {
		return &faulty{Store: m, grant: func(ctx context.Context, known leasehold.Entry, decide decideFunc) (granted, replaced leasehold.Entry, err error) {
			granted, replaced, err = m.Grant(ctx, known, decide)
			granted.Log = replaced.Log
			return granted, replaced, err
		}}
	}},
	{"a grant's log is written after it", []string{"no lost change of a log"}, func(m *leasetest.Store) leasehold.Store {
		return &faulty{Store: m, grant: func(ctx context.Context, known leasehold.Entry, decide decideFunc) (granted, replaced leasehold.Entry, err error) {
			var log []byte
			granted, replaced, err = m.Grant(ctx, known, proposal(decide, func(_ leasehold.Entry, p *leasehold.Proposal) { log, p.Log = p.Log, nil }))
			if err == nil && log != nil {
				time.Sleep(time.Millisecond)
				err = m.EditLog(ctx, known.Path, become(log))
			}
			return granted, replaced, err
		}}
	}},
	{"decide gets the log that the caller knew", []string{"log that changes before a grant"}, func(m *leasetest.Store) leasehold.Store {
		return &faulty{Store: m, grant: func(ctx context.Context, known leasehold.Entry, decide decideFunc) (granted, replaced leasehold.Entry, err error) {
			return m.Grant(ctx, known, func(old leasehold.Entry) (leasehold.Proposal, error) {
				if known.Log != nil {
					old.Log = known.Log
				}
				return decide(old)
			})
		}}
	}},
	{"decide never gets the log", []string{"log for decide", "log with a grant"}, func(m *leasetest.Store) leasehold.Store {
		return &faulty{Store: m, grant: func(ctx context.Context, known leasehold.Entry, decide decideFunc) (granted, replaced leasehold.Entry, err error) {
			return m.Grant(ctx, known, func(old leasehold.Entry) (leasehold.Proposal, error) {
				old.Log = nil
				return decide(old)
			})
		}}
	}},
	{"a denial writes the log", []string{"log for decide"}, func(m *leasetest.Store) leasehold.Store {
		return &faulty{Store: m, grant: func(ctx context.Context, known leasehold.Entry, decide decideFunc) (granted, replaced leasehold.Entry, err error) {
			var log []byte
			granted, replaced, err = m.Grant(ctx, known, func(old leasehold.Entry) (leasehold.Proposal, error) {
				p, err := decide(old)
				log = p.Log
				return p, err
			})
			if err != nil && log != nil {
				_ = m.EditLog(ctx, known.Path, become(log))
			}
			return granted, replaced, err
		}}
	}},
	{"a grant that nobody can use keeps its log", []string{"log of an abandoned grant"}, func(m *leasetest.Store) leasehold.Store {
		return &faulty{Store: m, grant: func(ctx context.Context, known leasehold.Entry, decide decideFunc) (granted, replaced leasehold.Entry, err error) {
			withLog := false
			granted, replaced, err = m.Grant(ctx, known, proposal(decide, func(_ leasehold.Entry, p *leasehold.Proposal) { withLog = p.Log != nil }))
			if withLog {
				time.Sleep(5 * time.Millisecond)
			}
			if err == nil && ctx.Err() != nil {
				err = errors.Join(leasehold.ErrOutcomeUnknown, ctx.Err())
			}
			return granted, replaced, err
		}}
	}},
	{"a release forgets the log", []string{"log with a release", "long log"}, func(m *leasetest.Store) leasehold.Store {
		return &faulty{Store: m, release: func(ctx context.Context, held leasehold.Entry, data []byte, _ leasehold.LogEdit) error {
			return m.Release(ctx, held, data, nil)
		}}
	}},
	{"a release that may not change the log releases", []string{"log with a release"}, func(m *leasetest.Store) leasehold.Store {
		return &faulty{Store: m, release: func(ctx context.Context, held leasehold.Entry, data []byte, edit leasehold.LogEdit) error {
			if err := m.Release(ctx, held, data, nil); err != nil || edit == nil {
				return err
			}
			return m.EditLog(ctx, held.Path, edit)
		}}
	}},
	{"a release that is lost changes the log", []string{"log with a release"}, func(m *leasetest.Store) leasehold.Store {
		return &faulty{Store: m, release: func(ctx context.Context, held leasehold.Entry, data []byte, edit leasehold.LogEdit) error {
			if edit != nil {
				if err := m.EditLog(ctx, held.Path, edit); err != nil {
					return err
				}
			}
			return m.Release(ctx, held, data, nil)
		}}
	}},
	{"edit's error is wrapped", []string{"edit of a log"}, func(m *leasetest.Store) leasehold.Store {
		return &faulty{Store: m, editLog: func(ctx context.Context, path string, edit leasehold.LogEdit) error {
			if err := m.EditLog(ctx, path, edit); err != nil {
				return fmt.Errorf("edit: %w", err)
			}
			return nil
		}}
	}},
	{"an edit that fails writes", []string{"edit of a log"}, func(m *leasetest.Store) leasehold.Store {
		return &faulty{Store: m, editLog: func(ctx context.Context, path string, edit leasehold.LogEdit) error {
			var refused error
			err := m.EditLog(ctx, path, func(data []byte) (log []byte, _ error) {
				log, refused = edit(data)
				return log, nil
			})
			if refused != nil {
				return refused
			}
			return err
		}}
	}},
	{"an edit is a grant", []string{"edit of a log"}, func(m *leasetest.Store) leasehold.Store {
		return &faulty{Store: m, editLog: func(ctx context.Context, path string, edit leasehold.LogEdit) error {
			_, _, err := m.Grant(ctx, leasehold.Entry{Path: path}, func(old leasehold.Entry) (leasehold.Proposal, error) {
				if old.Log == nil {
					return leasehold.Proposal{}, leasehold.ErrNeedsLog
				}
				log, err := edit(old.Log.Data)
				return leasehold.Proposal{Data: old.Data, Undo: old.Data, Log: log}, err
			})
			return err
		}}
	}},
	{"edits are not atomic", []string{"no lost change of a log"}, func(m *leasetest.Store) leasehold.Store {
		return &faulty{Store: m, editLog: func(ctx context.Context, path string, edit leasehold.LogEdit) error {
			e, err := m.ReadLog(ctx, leasehold.Entry{Path: path})
			if err != nil {
				return err
			}
			log, err := edit(e.Log.Data)
			if err != nil {
				return err
			}
			time.Sleep(time.Millisecond)
			return m.EditLog(ctx, path, become(log))
		}}
	}},
	{"the same log is written again", []string{"when a log was written"}, func(m *leasetest.Store) leasehold.Store {
		return &faulty{Store: m, editLog: func(ctx context.Context, path string, edit leasehold.LogEdit) error {
			var log []byte
			if err := m.EditLog(ctx, path, func(data []byte) (_ []byte, err error) {
				log, err = edit(data)
				return append([]byte("not "), log...), err
			}); err != nil {
				return err
			}
			return m.EditLog(ctx, path, become(log))
		}}
	}},
	{"nobody knows when a log was written", []string{"when a log was written"}, func(m *leasetest.Store) leasehold.Store {
		return &faulty{Store: m, readLog: func(ctx context.Context, known leasehold.Entry) (leasehold.Entry, error) {
			e, err := m.ReadLog(ctx, known)
			if err == nil {
				e.Log.Written = time.Time{}
			}
			return e, err
		}}
	}},
	{"only the first time that a log was written counts", []string{"when a log was written"}, func(m *leasetest.Store) leasehold.Store {
		var first sync.Map // of paths
		return &faulty{Store: m, readLog: func(ctx context.Context, known leasehold.Entry) (leasehold.Entry, error) {
			e, err := m.ReadLog(ctx, known)
			if err == nil && !e.Log.Written.IsZero() {
				written, _ := first.LoadOrStore(known.Path, e.Log.Written)
				e.Log.Written = written.(time.Time)
			}
			return e, err
		}}
	}},
	{"logs are cut", []string{"long log"}, func(m *leasetest.Store) leasehold.Store {
		return &faulty{Store: m, readLog: func(ctx context.Context, known leasehold.Entry) (leasehold.Entry, error) {
			e, err := m.ReadLog(ctx, known)
			if err == nil {
				e.Log.Data = e.Log.Data[:min(len(e.Log.Data), 16<<10-1)]
			}
			return e, err
		}}
	}},
	{"ctx is not looked at by an edit", []string{"ended ctx"}, func(m *leasetest.Store) leasehold.Store {
		return &faulty{Store: m, editLog: func(ctx context.Context, path string, edit leasehold.LogEdit) error {
			return m.EditLog(context.WithoutCancel(ctx), path, edit)
		}}
	}},
}
