package leasetest_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"leasehold.example/leasehold"
	"leasehold.example/leasehold/leasetest"
)

const faultEnv = "LEASEHOLD_LEASETEST_FAULT"

// decideFunc is what Grant calls.
type decideFunc = func(leasehold.Entry) (leasehold.Proposal, error)

type grantFunc = func(context.Context, leasehold.Entry, decideFunc) (granted, replaced leasehold.Entry, err error)

// A faulty store is the one in memory but for what is set.
type faulty struct {
	*leasetest.Store
	read    func(context.Context, string) (leasehold.Entry, error)
	grant   grantFunc
	renew   func(context.Context, leasehold.Entry, []byte) (leasehold.Entry, error)
	release func(context.Context, leasehold.Entry, []byte, leasehold.LogEdit) error
	readLog func(context.Context, leasehold.Entry) (leasehold.Entry, error)
	editLog func(context.Context, string, leasehold.LogEdit) error
	watch   func(context.Context, string) (leasehold.Entry, <-chan struct{}, error)
	list    func(context.Context, string) ([]string, error)
	close   func() error
}

func (f *faulty) Read(ctx context.Context, path string) (leasehold.Entry, error) {
	if f.read != nil {
		return f.read(ctx, path)
	}
	return f.Store.Read(ctx, path)
}

func (f *faulty) Grant(ctx context.Context, known leasehold.Entry, decide decideFunc) (granted, replaced leasehold.Entry, err error) {
	if f.grant != nil {
		return f.grant(ctx, known, decide)
	}
	return f.Store.Grant(ctx, known, decide)
}

func (f *faulty) Renew(ctx context.Context, held leasehold.Entry, data []byte) (leasehold.Entry, error) {
	if f.renew != nil {
		return f.renew(ctx, held, data)
	}
	return f.Store.Renew(ctx, held, data)
}

func (f *faulty) Release(ctx context.Context, held leasehold.Entry, data []byte, edit leasehold.LogEdit) error {
	if f.release != nil {
		return f.release(ctx, held, data, edit)
	}
	return f.Store.Release(ctx, held, data, edit)
}

func (f *faulty) ReadLog(ctx context.Context, known leasehold.Entry) (leasehold.Entry, error) {
	if f.readLog != nil {
		return f.readLog(ctx, known)
	}
	return f.Store.ReadLog(ctx, known)
}

func (f *faulty) EditLog(ctx context.Context, path string, edit leasehold.LogEdit) error {
	if f.editLog != nil {
		return f.editLog(ctx, path, edit)
	}
	return f.Store.EditLog(ctx, path, edit)
}

func (f *faulty) Watch(ctx context.Context, path string) (leasehold.Entry, <-chan struct{}, error) {
	if f.watch != nil {
		return f.watch(ctx, path)
	}
	return f.Store.Watch(ctx, path)
}

func (f *faulty) List(ctx context.Context, prefix string) ([]string, error) {
	if f.list != nil {
		return f.list(ctx, prefix)
	}
	return f.Store.List(ctx, prefix)
}

func (f *faulty) Close() error {
	if f.close != nil {
		return f.close()
	}
	return nil
}

func always(data []byte) decideFunc {
	return func(leasehold.Entry) (leasehold.Proposal, error) {
		return leasehold.Proposal{Data: data, Undo: data}, nil
	}
}

// A storeFault is a store that doesn't keep what a Store promises, with the
// subtests that must find out.
type storeFault struct {
	name   string
	fails  []string
	spoilt func(*leasetest.Store) leasehold.Store
}

var faults = []storeFault{
	{"handles on different stores", []string{"grant is read back"}, func(*leasetest.Store) leasehold.Store { return leasetest.NewStore() }},
	{"decide's error is wrapped", []string{"decide's error writes nothing", "one winner"}, func(m *leasetest.Store) leasehold.Store {
		return &faulty{Store: m, grant: func(ctx context.Context, known leasehold.Entry, decide decideFunc) (granted, replaced leasehold.Entry, err error) {
			granted, replaced, err = m.Grant(ctx, known, decide)
			if err != nil {
				err = fmt.Errorf("grant: %w", err)
			}
			return granted, replaced, err
		}}
	}},
	{"a denial writes", []string{"decide's error writes nothing"}, func(m *leasetest.Store) leasehold.Store {
		return &faulty{Store: m, grant: func(ctx context.Context, known leasehold.Entry, decide decideFunc) (granted, replaced leasehold.Entry, err error) {
			var denied error
			granted, replaced, err = m.Grant(ctx, known, func(old leasehold.Entry) (p leasehold.Proposal, err error) {
				if p, denied = decide(old); denied != nil && p.Data == nil {
					return p, denied
				}
				return p, nil
			})
			return granted, replaced, errors.Join(err, denied)
		}}
	}},
	{"what was replaced is not told", []string{"grant tells what it replaced"}, func(m *leasetest.Store) leasehold.Store {
		return &faulty{Store: m, grant: func(ctx context.Context, known leasehold.Entry, decide decideFunc) (granted, replaced leasehold.Entry, err error) {
			granted, _, err = m.Grant(ctx, known, decide)
			return granted, known, err
		}}
	}},
	{"grants are not atomic", []string{"one winner", "no lost update"}, func(m *leasetest.Store) leasehold.Store {
		return &faulty{Store: m, grant: func(ctx context.Context, known leasehold.Entry, decide decideFunc) (granted, replaced leasehold.Entry, err error) {
			old, err := m.Read(ctx, known.Path)
			if err != nil {
				return granted, old, err
			}
			p, err := decide(old)
			if err != nil {
				return granted, old, err
			}
			time.Sleep(time.Millisecond)
			return m.Grant(ctx, known, always(p.Data))
		}}
	}},
	{"a renewal is not guarded", []string{"renew after a later grant", "renew after release", "release by another process"}, func(m *leasetest.Store) leasehold.Store {
		return &faulty{Store: m, renew: func(ctx context.Context, _ leasehold.Entry, data []byte) (leasehold.Entry, error) {
			return leasehold.Entry{}, nil
		}}
	}},
	{"a renewal is guarded by the data alone", []string{"renew after a later grant"}, func(m *leasetest.Store) leasehold.Store {
		return &faulty{Store: m, renew: func(ctx context.Context, held leasehold.Entry, data []byte) (leasehold.Entry, error) {
			e, err := m.Read(ctx, held.Path)
			if err != nil || string(e.Data) != string(held.Data) {
				return e, errors.Join(leasehold.ErrLost, err)
			}
			held.Token = e.Token
			return m.Renew(ctx, held, data)
		}}
	}},
	{"a renewal is a grant", []string{"renew"}, func(m *leasetest.Store) leasehold.Store {
		return &faulty{Store: m, renew: func(ctx context.Context, held leasehold.Entry, data []byte) (leasehold.Entry, error) {
			if e, err := m.Renew(ctx, held, data); err != nil {
				return e, err
			}
			e, _, err := m.Grant(ctx, held, always(data))
			return e, err
		}}
	}},
	{"a lost renewal writes", []string{"renew after a later grant"}, func(m *leasetest.Store) leasehold.Store {
		return &faulty{Store: m, renew: func(ctx context.Context, held leasehold.Entry, data []byte) (leasehold.Entry, error) {
			e, err := m.Renew(ctx, held, data)
			if errors.Is(err, leasehold.ErrLost) {
				if there, readErr := m.Read(ctx, held.Path); readErr == nil {
					_ = m.Release(ctx, there, data, nil)
				}
			}
			return e, err
		}}
	}},
	{"a release is not guarded", []string{"release after a later grant", "release by another process, too late"}, func(m *leasetest.Store) leasehold.Store {
		return &faulty{Store: m, release: func(ctx context.Context, held leasehold.Entry, data []byte, edit leasehold.LogEdit) error {
			e, err := m.Read(ctx, held.Path)
			if err != nil {
				return err
			}
			return m.Release(ctx, e, data, edit)
		}}
	}},
	{"a release is no more than a renewal", []string{"renew after release", "release twice"}, func(m *leasetest.Store) leasehold.Store {
		return &faulty{Store: m, release: func(ctx context.Context, held leasehold.Entry, data []byte, edit leasehold.LogEdit) error {
			_, err := m.Renew(ctx, held, data)
			return err
		}}
	}},
	{"only the granted may release", []string{"release by another process", "release that puts the former record back"}, func(m *leasetest.Store) leasehold.Store {
		return &faulty{Store: m, release: func(ctx context.Context, held leasehold.Entry, data []byte, edit leasehold.LogEdit) error {
			if held.Private == nil {
				return leasehold.ErrLost
			}
			return m.Release(ctx, held, data, edit)
		}}
	}},
	{"a release removes", []string{"release"}, func(m *leasetest.Store) leasehold.Store {
		return &faulty{Store: m, read: func(ctx context.Context, path string) (leasehold.Entry, error) {
			e, err := m.Read(ctx, path)
			if string(e.Data) == "released" {
				e.Data = nil
			}
			return e, err
		}}
	}},
	{"tokens start anew after release", []string{"tokens increase"}, func(m *leasetest.Store) leasehold.Store {
		released := map[string]int64{}
		var mu sync.Mutex
		return &faulty{
			Store: m,
			release: func(ctx context.Context, held leasehold.Entry, data []byte, edit leasehold.LogEdit) error {
				err := m.Release(ctx, held, data, edit)
				mu.Lock()
				defer mu.Unlock()
				released[held.Path] = held.Token
				return err
			},
			grant: func(ctx context.Context, known leasehold.Entry, decide decideFunc) (granted, replaced leasehold.Entry, err error) {
				granted, replaced, err = m.Grant(ctx, known, decide)
				mu.Lock()
				defer mu.Unlock()
				granted.Token -= released[known.Path]
				return granted, replaced, err
			},
		}
	}},
	{"watches sleep", []string{"watch", "watch until ctx ends"}, func(m *leasetest.Store) leasehold.Store {
		return &faulty{Store: m, watch: func(ctx context.Context, path string) (leasehold.Entry, <-chan struct{}, error) {
			e, err := m.Read(ctx, path)
			return e, make(chan struct{}), err
		}}
	}},
	{"watches never sleep", []string{"watch"}, func(m *leasetest.Store) leasehold.Store {
		closed := make(chan struct{})
		close(closed)
		return &faulty{Store: m, watch: func(ctx context.Context, path string) (leasehold.Entry, <-chan struct{}, error) {
			e, err := m.Read(ctx, path)
			return e, closed, err
		}}
	}},
	{"list by prefix of the string", []string{"list"}, func(m *leasetest.Store) leasehold.Store {
		return &faulty{Store: m, list: func(ctx context.Context, prefix string) ([]string, error) {
			all, err := m.List(ctx, "/")
			return slices.DeleteFunc(all, func(path string) bool { return !strings.HasPrefix(path, prefix) }), err
		}}
	}},
	{"list in the order of folders", []string{"list"}, func(m *leasetest.Store) leasehold.Store {
		return &faulty{Store: m, list: func(ctx context.Context, prefix string) ([]string, error) {
			all, err := m.List(ctx, prefix)
			slices.SortFunc(all, func(a, b string) int { return slices.Compare(strings.Split(a, "/"), strings.Split(b, "/")) })
			return all, err
		}}
	}},
	{"case does not count", []string{"odd paths"}, func(m *leasetest.Store) leasehold.Store {
		return &faulty{
			Store: m,
			grant: func(ctx context.Context, known leasehold.Entry, decide decideFunc) (granted, replaced leasehold.Entry, err error) {
				granted, replaced, err = m.Grant(ctx, leasehold.Entry{Path: strings.ToLower(known.Path)}, decide)
				granted.Path = known.Path
				return granted, replaced, err
			},
			read: func(ctx context.Context, path string) (leasehold.Entry, error) {
				e, err := m.Read(ctx, strings.ToLower(path))
				e.Path = path
				return e, err
			},
		}
	}},
	{"ctx is not looked at", []string{"ended ctx"}, func(m *leasetest.Store) leasehold.Store {
		return &faulty{Store: m, grant: func(ctx context.Context, known leasehold.Entry, decide decideFunc) (granted, replaced leasehold.Entry, err error) {
			return m.Grant(context.WithoutCancel(ctx), known, decide)
		}}
	}},
	{"no stamps", []string{"stamps"}, func(m *leasetest.Store) leasehold.Store {
		return &faulty{Store: m, grant: func(ctx context.Context, known leasehold.Entry, decide decideFunc) (granted, replaced leasehold.Entry, err error) {
			granted, replaced, err = m.Grant(ctx, known, decide)
			granted.Stamp = leasehold.Stamp{}
			return granted, replaced, err
		}}
	}},
	{"a second Close fails", []string{"close"}, func(m *leasetest.Store) leasehold.Store {
		closed := false
		return &faulty{Store: m, close: func() error {
			if closed {
				return errors.New("closed twice")
			}
			closed = true
			return nil
		}}
	}},
	{"data is cut", []string{"data up to 8 KB"}, func(m *leasetest.Store) leasehold.Store {
		return &faulty{Store: m, read: func(ctx context.Context, path string) (leasehold.Entry, error) {
			e, err := m.Read(ctx, path)
			e.Data = e.Data[:min(len(e.Data), 4<<10)]
			return e, err
		}}
	}},
}

// TestFaulty is run by TestSuiteFindsFaults, in another process, where the
// suite is to fail. By itself it runs the suite on a store with no fault.
func TestFaulty(t *testing.T) {
	t.Parallel()
	m := leasetest.NewStore()
	for _, fault := range slices.Concat(faults, logFaults) {
		if fault.name == os.Getenv(faultEnv) {
			leasetest.SetPromptly(time.Second) // no other test runs in this process
			leasetest.RunStore(t, func(*testing.T) leasehold.Store { return fault.spoilt(m) })
			return
		}
	}
	leasetest.RunStore(t, func(*testing.T) leasehold.Store { return &faulty{Store: m} })
}

func TestSuiteFindsFaults(t *testing.T) {
	t.Parallel()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	for _, fault := range slices.Concat(faults, logFaults) {
		t.Run(fault.name, func(t *testing.T) {
			t.Parallel()
			cmd := exec.Command(self, "-test.run=^TestFaulty$", "-test.timeout=60s")
			cmd.Env = append(os.Environ(), faultEnv+"="+fault.name)
			out, err := cmd.CombinedOutput()
			if err == nil {
				t.Fatal("the suite: got a pass, want it to fail")
			}
			for _, name := range fault.fails {
				if line := "--- FAIL: TestFaulty/" + strings.ReplaceAll(name, " ", "_") + " "; !bytes.Contains(out, []byte(line)) {
					t.Errorf("the suite: got no failure of %q, want one, in:\n%s", name, out)
				}
			}
		})
	}
}
