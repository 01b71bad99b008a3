package history_test

import (
	"fmt"
	"strings"
	"time"

	"leasehold.example/leasehold/internal/nodename"
	"leasehold.example/leasehold/kazoo"
	"leasehold.example/leasehold/soak/history"
	"leasehold.example/leasehold/soak/txnlog"
)

// A builder is a history made by hand. All its times are in seconds since it
// began; both its clocks are the same.
type builder struct {
	history.History
	calls int64
	zxid  int64
}

const (
	path  = "/x"
	start = 1_800_000_000 // seconds since 1970
)

func at(seconds float64) int64 { return int64(seconds * 1e9) }

func (b *builder) event(seconds float64, holder string, e history.Event) {
	e.At, e.Wall = at(seconds), start*1e9+at(seconds)
	e.Run, e.Holder = holder, holder
	b.Events = append(b.Events, e)
}

// call logs a call and its result, a tenth of a second later.
func (b *builder) call(seconds float64, holder string, e history.Event) {
	b.calls++
	e.Call = b.calls
	if e.Path == "" {
		e.Path = path
	}
	begun := e
	begun.Kind, begun.Outcome, begun.Token = history.Call, "", 0
	b.event(seconds, holder, begun)
	e.Kind = history.Result
	b.event(seconds+0.1, holder, e)
}

func (b *builder) change(seconds float64, session int64, kind txnlog.Kind, node, data string) int64 {
	b.zxid++
	b.Changes = append(b.Changes, txnlog.Change{
		Zxid: b.zxid, Time: start*1000 + int64(seconds*1000),
		Session: session, Kind: kind, Path: node, Data: []byte(data),
	})
	return b.zxid
}

func record(holder string, end float64) string {
	r := kazoo.Record{Holder: holder, End: time.Unix(start+int64(end), 0)}
	if end < 0 {
		r = r.Released()
	}
	data, err := r.Marshal()
	if err != nil {
		panic(err)
	}
	return string(data)
}

// commit replaces the record, in one transaction.
func (b *builder) commit(seconds float64, holder string, end float64) int64 {
	token := b.change(seconds, 1, txnlog.Deleted, path+"/lease_holder", "")
	b.zxid--
	b.change(seconds, 1, txnlog.Created, path+"/lease_holder", record(holder, end))
	b.zxid--
	b.change(seconds, 1, txnlog.Set, path+"/lease_holder", record(holder, end))
	return token
}

// grantNode is the name of a grant node.
func grantNode(unique int64, formerEnd float64) string {
	g := nodename.Grant{Unique: fmt.Sprintf("%016x", unique)}
	if formerEnd > 0 {
		g.FormerEnd = time.Unix(start+int64(formerEnd), 0)
	}
	return path + "/" + g.Prefix() + "0000000001"
}

// takeEarly is commit by a host whose clock runs ahead: the grant counts for
// nobody until formerEnd.
func (b *builder) takeEarly(seconds float64, holder string, end, formerEnd float64) int64 {
	b.change(seconds, 1, txnlog.Created, grantNode(b.zxid+1, formerEnd), "")
	b.zxid--
	return b.commit(seconds, holder, end)
}

// setWith is set in a transaction that also creates or deletes a grant node.
func (b *builder) setWith(kind txnlog.Kind, seconds float64, holder string, end float64) {
	b.change(seconds, 1, kind, grantNode(b.zxid+1, 0), "")
	b.zxid--
	b.set(seconds, holder, end)
}

func (b *builder) set(seconds float64, holder string, end float64) {
	b.change(seconds, 1, txnlog.Set, path+"/lease_holder", record(holder, end))
}

// grant is all that belongs to a grant at a time, up to an end.
func (b *builder) grant(seconds float64, holder string, end float64) (lease, token int64) {
	token = b.commit(seconds+0.05, holder, end)
	b.told(seconds, holder, token, end)
	return b.calls, token
}

func (b *builder) told(seconds float64, holder string, token int64, end float64) {
	b.call(seconds, holder, history.Event{
		Op: "try", Outcome: history.Granted, Duration: at(5),
		Lease: b.calls + 1, Token: token, End: start + int64(end),
	})
}

func (b *builder) about(lease, token int64, e history.Event) history.Event {
	e.Lease, e.Token, e.Path, e.Duration = lease, token, path, at(5)
	return e
}

func (b *builder) sample(seconds float64, holder string, lease, token int64, left float64) {
	b.event(seconds, holder, b.about(lease, token, history.Event{Kind: history.Sample, Left: at(left)}))
}

// good has most of what may happen: grants, a renewal, a denial, a takeover
// after the end, a release, a process that dies, and kazoo.
func good() *builder {
	b := &builder{}
	lease, token := b.grant(1, "a", 6)
	b.sample(1.2, "a", lease, token, 4)
	b.call(2, "b", history.Event{Op: "try", Outcome: history.Denied, By: "a", End: start + 6})
	b.set(3, "a", 8)
	b.call(3, "a", b.about(lease, token, history.Event{Op: "renew", Outcome: history.Renewed, End: start + 8}))
	b.sample(3.2, "a", lease, token, 4)
	b.sample(7.9, "a", lease, token, 0)
	b.call(7.9, "a", b.about(lease, token, history.Event{Op: "renew", Outcome: history.Lost}))
	lease, token = b.grant(8, "b", 13)
	b.sample(8.3, "b", lease, token, 4)
	b.event(9, "b", b.about(lease, token, history.Event{Kind: history.Stop}))
	b.set(9.1, "b", -1)
	b.call(9, "b", b.about(lease, token, history.Event{Op: "release", Outcome: history.Released}))
	lease, token = b.grant(9.5, "c", 14)
	b.sample(9.7, "c", lease, token, 4)
	b.event(10, "c", history.Event{Kind: history.Ended})
	b.change(14, 7, txnlog.Created, path+"/"+strings.Repeat("0", 32)+"__lock__0000000001", "k")
	b.change(14.02, 7, txnlog.Deleted, path+"/lease_holder", "")
	b.change(14.05, 7, txnlog.Created, path+"/lease_holder", record("k", 19))
	b.call(14, "k", history.Event{Op: "try", Outcome: history.Granted, Lease: b.calls + 1, End: start + 19})
	b.sample(14.5, "k", b.calls, 0, 4)
	b.Progress = 10 * time.Second
	b.event(15, "test", history.Event{Kind: history.Quiet})
	lease, token = b.grant(19.1, "a", 24)
	b.sample(19.3, "a", lease, token, 4)
	b.event(26, "test", history.Event{Kind: history.Ended})
	return b
}
