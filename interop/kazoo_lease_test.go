package interop_test

import (
	"bytes"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"leasehold.example/leasehold"
	"leasehold.example/leasehold/kazoo"
)

// A behaviour is one of kazoo's own tests in kazoo/tests/test_lease.py.
type behaviour struct {
	name     string // of kazoo's test, without "test_"
	slots    int    // 0: NonBlockingLease
	duration time.Duration
	steps    []step
}

// A step is one attempt.
type step struct {
	forward time.Duration // by which the clock moves before
	holder  string
	version int64 // of the program; 0: the present one
	want    bool  // whether the lease is obtained
	slot    int   // in which slot the record then is
}

const (
	first   = "first.host"
	foreign = "some.other.host"
	host2   = "host2"
	host3   = "host3"
)

var behaviours = []behaviour{
	{name: "renew", duration: 3 * time.Second, steps: []step{
		{holder: first, want: true},
		{forward: 2 * time.Second, holder: first, want: true},
	}},
	{name: "busy", duration: 3 * time.Second, steps: []step{
		{holder: first, want: true},
		{forward: 2 * time.Second, holder: foreign, want: false},
	}},
	{name: "overtake", duration: 3 * time.Second, steps: []step{
		{holder: first, want: true},
		{forward: 4 * time.Second, holder: foreign, want: true},
	}},
	{name: "renew_no_overtake", duration: 3 * time.Second, steps: []step{
		{holder: first, want: true},
		{forward: 2 * time.Second, holder: first, want: true},
		{forward: 2 * time.Second, holder: foreign, want: false},
	}},
	{name: "overtaker_renews", duration: 3 * time.Second, steps: []step{
		{holder: first, want: true},
		{forward: 4 * time.Second, holder: foreign, want: true},
		{forward: 2 * time.Second, holder: foreign, want: true},
	}},
	{name: "overtake_refuse_first", duration: 3 * time.Second, steps: []step{
		{holder: first, want: true},
		{forward: 4 * time.Second, holder: foreign, want: true},
		{forward: 2 * time.Second, holder: first, want: false},
	}},
	{name: "old_version", duration: 3 * time.Second, steps: []step{
		{holder: first, version: kazoo.Version + 1, want: true},
		{forward: 4 * time.Second, holder: foreign, want: false},
	}},
	{name: "1_renew", slots: 1, duration: 4 * time.Second, steps: []step{
		{holder: first, want: true},
		{forward: 2 * time.Second, holder: first, want: true},
	}},
	{name: "1_reject", slots: 1, duration: 4 * time.Second, steps: []step{
		{holder: first, want: true},
		{forward: 2 * time.Second, holder: foreign, want: false},
	}},
	{name: "2_renew", slots: 2, duration: 7 * time.Second, steps: []step{
		{holder: first, want: true, slot: 0},
		{forward: 2 * time.Second, holder: host2, want: true, slot: 1},
		{forward: 2 * time.Second, holder: first, want: true, slot: 0},
		{forward: 2 * time.Second, holder: host2, want: true, slot: 1},
	}},
	{name: "2_reject", slots: 2, duration: 7 * time.Second, steps: []step{
		{holder: first, want: true, slot: 0},
		{forward: 2 * time.Second, holder: host2, want: true, slot: 1},
		{forward: 2 * time.Second, holder: host3, want: false},
	}},
	{name: "2_handover", slots: 2, duration: 4 * time.Second, steps: []step{
		{holder: first, want: true, slot: 0},
		{forward: 2 * time.Second, holder: host2, want: true, slot: 1},
		{forward: 3 * time.Second, holder: host3, want: true, slot: 0},
		{forward: 2 * time.Second, holder: first, want: true, slot: 1},
	}},
}

// A pairing says which sides make the attempt of a step: both make it at the
// same time, by the same holder's name, so that the rule grants or denies both.
type pairing struct {
	name  string
	sides func(i int) []string
}

const (
	goSide    = "Go"
	kazooSide = "kazoo"
)

var pairings = []pairing{
	{"Go_then_Go", func(int) []string { return []string{goSide} }},
	{"kazoo_then_Go", func(i int) []string { return []string{firstElse(i, kazooSide, goSide)} }},
	{"Go_then_kazoo", func(i int) []string { return []string{firstElse(i, goSide, kazooSide)} }},
	{"in_turns", func(i int) []string { return []string{[]string{kazooSide, goSide}[i%2]} }},
	{"mixed_at_once", func(int) []string { return []string{goSide, kazooSide} }},
}

func firstElse(i int, first, rest string) string {
	if i == 0 {
		return first
	}
	return rest
}

// TestKazooLease runs kazoo's own tests with either side in either role. After
// every step the record has the bytes that each side writes in that case.
func TestKazooLease(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	for _, b := range behaviours {
		for _, p := range pairings {
			t.Run(b.name+"/"+p.name, func(t *testing.T) {
				t.Parallel()
				newStage(t, l, b).play(p)
			})
		}
	}
}

// A stage is where one behaviour is played by one pairing.
type stage struct {
	*testing.T
	*lab
	behaviour
	clock   *clock
	path    string
	hosts   map[string]*leasehold.Client
	records map[int][]byte // by slot, as they should be
}

func newStage(t *testing.T, l *lab, b behaviour) *stage {
	s := &stage{
		T: t, lab: l, behaviour: b, path: freshPath(t),
		clock:   &clock{now: time.Unix(10, 0)}, // when kazoo's tests begin
		hosts:   map[string]*leasehold.Client{},
		records: map[int][]byte{},
	}
	for _, step := range b.steps {
		if s.hosts[step.holder] == nil {
			s.hosts[step.holder] = goHost(t, step.holder, s.clock.Now, "")
		}
	}
	return s
}

func (s *stage) play(p pairing) {
	for i, step := range s.steps {
		s.clock.set(s.clock.Now().Add(step.forward))
		sides := p.sides(i)
		got := make([]bool, len(sides))
		var asked sync.WaitGroup
		for n, side := range sides {
			asked.Go(func() { got[n] = s.attempt(side, step, s.path, s.slots) })
		}
		asked.Wait()
		for n, side := range sides {
			if got[n] != step.want {
				s.Errorf("step %d, %s for %s: obtained: got %v, want %v", i, side, step.holder, got[n], step.want)
			}
		}
		if step.want {
			s.records[step.slot] = s.writtenByBoth(i, step)
		}
		for slot := range max(1, s.slots) {
			path := s.path
			if s.slots > 0 {
				path = slotPath(s.path, slot)
			}
			s.wantRecord(s.T, path, s.records[slot])
			if s.records[slot] != nil {
				s.wantNoDebris(s.T, path)
			}
		}
		if s.Failed() {
			s.FailNow() // the later steps build on this one
		}
	}
}

// attempt reports whether a side obtained the lease for the step's holder.
func (s *stage) attempt(side string, step step, path string, slots int) bool {
	s.Helper()
	now := s.clock.Now()
	var ok bool
	var err error
	switch {
	case side == kazooSide && step.version != 0:
		ok, err = s.peer.LeaseVersion(int(step.version), path, step.holder, s.duration, now)
	case side == kazooSide && slots > 0:
		ok, err = s.peer.MultiLease(slots, path, step.holder, s.duration, now)
	case side == kazooSide:
		ok, err = s.peer.Lease(path, step.holder, s.duration, now)
	case step.version != 0:
		return s.futureGo(step, path)
	case slots > 0:
		_, err = s.hosts[step.holder].TryAcquireSlot(s.Context(), path, slots, s.duration)
		return s.granted(err)
	default:
		_, err = s.hosts[step.holder].TryAcquire(s.Context(), path, s.duration)
		return s.granted(err)
	}
	if err != nil {
		s.Errorf("kazoo for %s: %v", step.holder, err)
	}
	return ok
}

// granted is obtained, but a newer record is a refusal too.
func (s *stage) granted(err error) bool {
	s.Helper()
	if bad, ok := errors.AsType[*leasehold.RecordError](err); ok && bad.Newer {
		return false
	}
	return obtained(s.T, err)
}

// futureGo writes the record of a Leasehold that does not exist yet.
func (s *stage) futureGo(step step, path string) bool {
	s.Helper()
	record := kazoo.NewRecord(step.holder, s.clock.Now(), s.duration)
	data, err := record.Marshal()
	if err != nil {
		s.Error(err)
		return false
	}
	data = bytes.Replace(data, []byte(`"version": 1`), fmt.Appendf(nil, `"version": %d`, step.version), 1)
	s.put(s.T, path, data)
	return true
}

// writtenByBoth returns what a grant of step writes, after both sides have
// written it at paths of their own.
func (s *stage) writtenByBoth(i int, step step) []byte {
	s.Helper()
	written := map[string]string{}
	for _, side := range []string{goSide, kazooSide} {
		path := fmt.Sprintf("/alone%s/%d/%s", s.path, i, side)
		if !s.attempt(side, step, path, 0) {
			s.Errorf("step %d: %s was denied on a free path", i, side)
		}
		written[side] = string(s.record(s.T, path))
	}
	if written[goSide] != written[kazooSide] {
		s.Errorf("step %d: Go writes %s, kazoo %s; want the same", i, written[goSide], written[kazooSide])
	}
	return []byte(written[kazooSide])
}
