package leasehold_test

import (
	"errors"
	"fmt"
	"os"
	"testing"
	"time"

	"pgregory.net/rapid"

	"leasehold.example/leasehold"
	"leasehold.example/leasehold/internal/zktest"
	"leasehold.example/leasehold/leasetest"
	"leasehold.example/leasehold/localdir"
	"leasehold.example/leasehold/zookeeper"
)

// A model is the rule of the lease, as short as it can be said.
type model struct {
	holder string // "" where there has been none
	end    time.Time
	token  int64 // of the newest grant
	done   bool  // that grant was released
}

// grant returns whether holder may have the lease at now, and takes note of it.
func (m *model) grant(holder string, now time.Time, d time.Duration) bool {
	own := m.holder == holder && !m.done
	if m.holder != "" && !m.done && !own && now.Before(m.end) {
		return false
	}
	end := now.Add(d).Truncate(time.Second)
	if own && m.end.After(end) {
		end = m.end
	}
	*m = model{holder: holder, end: end, token: m.token}
	return true
}

func (m *model) renew(now time.Time, d time.Duration) {
	if end := now.Add(d).Truncate(time.Second); end.After(m.end) {
		m.end = end
	}
}

// A granted lease, as the model has it.
type granted struct {
	lease    *leasehold.Lease
	duration time.Duration
	end      time.Time
	over     bool // it is known to its owner that it is lost
	released bool
	newest   bool // of its holder's; a later one ends it
}

func TestRandomSequencesInMemory(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) { randomSequence(t, leasetest.NewStore()) })
}

func TestRandomSequencesInADirectory(t *testing.T) {
	t.Parallel()
	parent := t.TempDir()
	rapid.Check(t, func(rt *rapid.T) {
		dir, err := os.MkdirTemp(parent, "")
		if err != nil {
			rt.Fatal(err)
		}
		s, err := localdir.Open(dir, nil)
		if err != nil {
			rt.Fatal(err)
		}
		defer s.Close()
		randomSequence(rt, s)
	})
}

func TestRandomSequencesOnZooKeeper(t *testing.T) {
	t.Parallel()
	server := zktest.Start(t)
	runs := 0
	rapid.Check(t, func(rt *rapid.T) {
		runs++ // each run has a chroot of its own
		s, err := zookeeper.Open(t.Context(), fmt.Sprintf("zk://%s/%d", server.Addr(), runs), nil)
		if err != nil {
			rt.Fatal(err)
		}
		defer s.Close()
		randomSequence(rt, s)
	})
}

// randomSequence lets three holders do what they can with one lease, while time
// passes, and compares each step with the model.
func randomSequence(t *rapid.T, s leasehold.Store) {
	ctx := t.Context()
	now := time.Date(2026, 11, 22, 18, 0, 0, 0, time.UTC)
	holders := []string{"host-a", "host-b", "host-c"}
	clients := map[string]*leasehold.Client{}
	for _, h := range holders {
		clients[h] = &leasehold.Client{Store: s, Holder: h, Now: func() time.Time { return now }}
	}
	var m model
	var leases []*granted
	someHolder := rapid.SampledFrom(holders)
	seconds := rapid.IntRange(1, 20)

	pick := func(t *rapid.T) *granted {
		return rapid.SampledFrom(leases).Draw(t, "lease")
	}
	wantLost := func(t *rapid.T, what string, g *granted, err error) {
		if !errors.Is(err, leasehold.ErrLost) {
			t.Fatalf("%s of token %d: got error %v, want ErrLost", what, g.lease.Token(), err)
		}
		g.over = true
	}
	acquire := func(t *rapid.T) {
		h, d := someHolder.Draw(t, "holder"), time.Duration(seconds.Draw(t, "seconds"))*time.Second
		before := m
		l, err := clients[h].TryAcquire(ctx, path, d)
		if !m.grant(h, now, d) {
			var held *leasehold.HeldError
			if !errors.As(err, &held) || held.Holder != m.holder || !held.End.Equal(m.end) || held.Token != m.token {
				t.Fatalf("got error %v, want a denial because of %q, until %s, token %d", err, m.holder, m.end, m.token)
			}
			return
		}
		if err != nil {
			t.Fatalf("got error %v, want a grant to %q; before it %+v", err, h, before)
		}
		if l.Token() <= before.token || !l.End().Equal(m.end) {
			t.Fatalf("got token %d, end %s, want more than %d, %s", l.Token(), l.End(), before.token, m.end)
		}
		m.token = l.Token()
		for _, g := range leases {
			g.newest = g.newest && g.lease.Holder() != h
		}
		leases = append(leases, &granted{lease: l, duration: d, end: m.end, newest: true})
	}
	acquire(t) // so that there is one to renew and to release
	t.Repeat(map[string]func(*rapid.T){
		"pass": func(t *rapid.T) {
			now = now.Add(time.Duration(rapid.IntRange(1, 12_000).Draw(t, "ms")) * time.Millisecond)
		},
		"acquire": acquire,
		"renew": func(t *rapid.T) {
			g := pick(t)
			err := g.lease.Renew(ctx)
			if g.over || g.released || !now.Before(g.end) || g.lease.Token() != m.token || m.done {
				wantLost(t, "Renew", g, err)
				return
			}
			m.renew(now, g.duration)
			g.end = m.end
			if err != nil || !g.lease.End().Equal(m.end) || g.lease.Token() != m.token {
				t.Fatalf("Renew: got error %v, end %s, token %d, want nil, %s, %d", err, g.lease.End(), g.lease.Token(), m.end, m.token)
			}
		},
		"release": func(t *rapid.T) {
			g := pick(t)
			err := g.lease.Release(ctx)
			switch {
			case g.released:
			case g.lease.Token() != m.token || m.done:
				wantLost(t, "Release", g, err)
				return
			default:
				g.released, m.done = true, true
			}
			if err != nil {
				t.Fatalf("Release: got error %v, want nil", err)
			}
		},
		"": func(t *rapid.T) {
			usable := ""
			for _, g := range leases {
				want := g.end.Sub(now)
				if g.over || g.released || want < 0 {
					want = 0
				}
				if got := g.lease.Remaining(); got != want {
					t.Fatalf("Remaining of token %d: got %s, want %s", g.lease.Token(), got, want)
				}
				if want == 0 || !g.newest {
					continue
				}
				if usable != "" {
					t.Fatalf("%q and %q both have the lease", usable, g.lease.Holder())
				}
				usable = g.lease.Holder()
			}
			st, err := clients["host-a"].Status(ctx, path)
			want := leasehold.Free
			switch {
			case m.holder == "" || m.done:
			case now.Before(m.end):
				want = leasehold.Held
			default:
				want = leasehold.Expired
			}
			if err != nil || st.State != want || want != leasehold.Free && (st.Holder != m.holder || st.Token != m.token) {
				t.Fatalf("got status %+v, error %v, want %v, %+v", st, err, want, m)
			}
		},
	})
}
