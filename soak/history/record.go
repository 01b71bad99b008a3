package history

import (
	"cmp"
	"fmt"
	"path"
	"slices"
	"strings"
	"time"

	"leasehold.example/leasehold/internal/nodename"
	"leasehold.example/leasehold/kazoo"
	"leasehold.example/leasehold/soak/txnlog"
)

// A state is a record as one transaction left it.
type state struct {
	zxid   int64
	time   int64 // milliseconds since 1970, the leader's clock
	token  int64 // 0: there is no record
	record kazoo.Record
	data   string

	former *state // what the grant replaced; nil for nothing

	// heldUntil is set, in seconds since 1970, if the grant was made before that,
	// the end of another holder's lease: until then it counts for nobody. The name
	// of its grant node says so.
	heldUntil int64
}

// isEarly reports whether the grant counted for nobody when it was made.
func (s state) isEarly() bool { return s.heldUntil != 0 }

// A timeline is the states of the record at one lease path, in order, from a
// first one without a record.
type timeline []state

// records are the timelines of all lease paths.
type records map[string]timeline

// readRecords also returns the violations that the servers' logs alone show: a
// record that went to another holder, or went away, before its time.
func readRecords(changes []txnlog.Change, kazooSkew int64) (records, []Violation) {
	all := records{}
	var bad []Violation
	lockers := map[lockID]locker{}
	gone := map[string]state{} // what was last deleted, with nothing in its place
	for txn := range transactions(changes) {
		touched := map[string]state{}
		for _, c := range txn {
			lease, name := path.Dir(c.Path), path.Base(c.Path)
			if _, isLock := kazoo.LockSequence(name); isLock && c.Kind == txnlog.Created {
				lockers[lockID{lease, c.Session}] = locker{string(c.Data), c.Zxid}
			}
			if name != kazoo.RecordName {
				continue
			}
			if _, ok := touched[lease]; !ok {
				touched[lease] = all.last(lease)
			}
			next := state{zxid: c.Zxid, time: c.Time}
			if c.Kind != txnlog.Deleted {
				record, err := kazoo.Parse(c.Data)
				if err != nil {
					bad = append(bad, Violation{"unreadable record", fmt.Sprintf("%s at %#x: %v", c.Path, c.Zxid, err)})
					continue
				}
				next.record, next.data = record, string(c.Data)
				next.token, next.former = c.Zxid, next.formerOf(touched[lease], gone[lease])
				next.heldUntil = next.earlyUntil(txn, lease)
				if before := touched[lease]; c.Kind == txnlog.Set && before.token != 0 && !createdBefore(txn, c) {
					owner := ownerOf(txn, lease, before, next)
					next.token, next.former, next.heldUntil = owner.token, owner.former, owner.heldUntil
				}
			}
			line := all[lease]
			if n := len(line); n > 0 && line[n-1].zxid == c.Zxid { // one transaction, one state
				line[n-1] = next
			} else {
				all[lease] = append(line, next)
			}
		}
		for lease, before := range touched {
			after := all.last(lease)
			delete(gone, lease)
			if after.token == 0 {
				gone[lease] = before
			}
			by := lockers[lockID{lease, txn[0].Session}]
			free := after.time+kazooSkew/1e6 >= all[lease].end(before, by).UnixMilli()
			if what := judge(before, after, by, free); what != "" {
				bad = append(bad, Violation{"lost record", fmt.Sprintf("%s at %#x by session %#x: %s: %s became %s",
					lease, after.zxid, txn[0].Session, what, before, after)})
			}
		}
	}
	return all, bad
}

type lockID struct {
	path    string
	session int64
}

// A locker queued for kazoo's lock last, at a path and in a session.
type locker struct {
	holder string
	zxid   int64
}

// end returns the end that whoever replaces the state had to wait for. For a
// client of kazoo that is any that the grant has had since its lock node was
// made: on a server that lags it sees them late, and a renewal in between is
// one that its holder must not count.
func (line timeline) end(before state, by locker) time.Time {
	end := before.record.End
	if by.zxid == 0 {
		return end
	}
	for _, s := range slices.Backward(line) {
		if s.token == before.token && s.record.End.Before(end) {
			end = s.record.End
		}
		if s.zxid < by.zxid {
			break
		}
	}
	return end
}

// formerOf returns what a new grant has replaced: before or, where there was no
// record, the one that a client of kazoo deleted last.
func (s state) formerOf(before, gone state) *state {
	switch {
	case before.token != 0:
		return &before
	case gone.token != 0:
		return &gone
	}
	return nil
}

// earlyUntil returns the end that the name of the grant node gives, if the grant s
// was made before it; else 0.
func (s state) earlyUntil(txn []txnlog.Change, lease string) int64 {
	for _, c := range txn {
		g, ok := grantNode(c, lease)
		if ok && c.Kind == txnlog.Created && !g.FormerEnd.IsZero() && s.time < g.FormerEnd.UnixMilli() {
			return g.FormerEnd.Unix()
		}
	}
	return 0
}

// grantNode returns what the name of a grant node at that path says, if that is
// what c has changed.
func grantNode(c txnlog.Change, lease string) (nodename.Grant, bool) {
	if path.Dir(c.Path) != lease {
		return nodename.Grant{}, false
	}
	return nodename.ParseGrant(path.Base(c.Path))
}

// ownerOf returns a state of the grant that a record belongs to once txn has set it
// to next: that of before, or a former one, whose holder has it again in the
// later grant's node. A grant is undone by the former data, and without its
// grant node; the holder whose lease was taken over early takes it back with a new
// grant node.
func ownerOf(txn []txnlog.Change, lease string, before, next state) state {
	created, deleted := false, false
	for _, c := range txn {
		if _, ok := grantNode(c, lease); ok {
			created = created || c.Kind == txnlog.Created
			deleted = deleted || c.Kind == txnlog.Deleted
		}
	}
	switch former := before.former; {
	case created:
		for s := before; s.isEarly() && s.former != nil; {
			if s = *s.former; s.record.Holder == next.record.Holder {
				return s
			}
		}
	case deleted && former != nil && former.data == next.data && !next.record.IsReleased():
		return *former
	}
	return before
}

// judge says what is wrong with a transaction, "" for nothing. by is whoever
// queued for kazoo's lock in its session, if somebody did; free says that the
// time of the grant before was over.
func judge(before, after state, by locker, free bool) string {
	free = free || before.token == 0 || before.record.IsReleased()
	switch {
	case after.token == 0:
		if !free && by.holder != before.record.Holder {
			return "deleted before its end"
		}
	case after.token == after.zxid: // a new grant
		held := before.heldUntil
		if !free && before.record.Holder != after.record.Holder {
			held = max(held, before.record.End.Unix())
		}
		if after.time < held*1000 && after.heldUntil != held && !before.record.IsReleased() {
			return "taken over before its end"
		}
	case after.record.IsReleased(): // given up
	case after.token != before.token: // back to its holder
		if after.record.End.Before(after.owned(before)) {
			return "shortened"
		}
	case before.former != nil && after.data == before.former.data: // undone
	case before.record.Holder != after.record.Holder:
		return "overwritten with another holder's"
	case after.record.End.Before(before.record.End):
		return "shortened"
	}
	return ""
}

// owned returns the end that the grant s had when it was replaced by the grant
// before, or one that had replaced it.
func (s state) owned(before state) time.Time {
	for f := before.former; f != nil; f = f.former {
		if f.token == s.token {
			return f.record.End
		}
	}
	return time.Time{}
}

func firstAfter(changes []txnlog.Change, zxid int64) int {
	i, _ := slices.BinarySearchFunc(changes, zxid+1, func(c txnlog.Change, zxid int64) int {
		return cmp.Compare(c.Zxid, zxid)
	})
	return i
}

// transactions yields the changes of one transaction at a time.
func transactions(changes []txnlog.Change) func(func([]txnlog.Change) bool) {
	return func(yield func([]txnlog.Change) bool) {
		for len(changes) > 0 {
			n := firstAfter(changes, changes[0].Zxid)
			if !yield(changes[:n]) {
				return
			}
			changes = changes[n:]
		}
	}
}

// createdBefore reports whether txn created the node that its change c sets.
func createdBefore(txn []txnlog.Change, c txnlog.Change) bool {
	return slices.ContainsFunc(txn, func(other txnlog.Change) bool {
		return other.Kind == txnlog.Created && other.Path == c.Path
	})
}

func (r records) last(lease string) state {
	line := r[lease]
	if len(line) == 0 {
		return state{}
	}
	return line[len(line)-1]
}

// below returns the timelines of path and, for slots, of what is below it.
func (r records) below(lease string) []timeline {
	var lines []timeline
	for p, line := range r {
		if p == lease || strings.HasPrefix(p, lease+"/") {
			lines = append(lines, line)
		}
	}
	return lines
}

func (s state) String() string {
	if s.token == 0 {
		return "no record"
	}
	return fmt.Sprintf("%s (token %d)", s.data, s.token)
}
