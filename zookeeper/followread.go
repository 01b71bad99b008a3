package zookeeper

import (
	"cmp"
	"context"
	"errors"
	"slices"

	"leasehold.example/leasehold"
	"leasehold.example/leasehold/kazoo"
	"leasehold.example/leasehold/zookeeper/internal/zk"
)

// readWidth is how many questions of a reader are sent together.
const readWidth = 64

// tellWidth is how many leases a reader tells of at once, more or less.
const tellWidth = 256

// A question is what is to be read about a path.
type question struct {
	about subject
	path  string // of a lease
}

type subject int

const (
	aNode         subject = iota // which leases there are at and below path
	aRecord                      // who has the lease
	aHiddenRecord                // whether there is a lease at a node that can't be listed
	aLog                         // the run log
)

// A reader reads leases and tells of them. It knows what it has told, so that a run
// log is read only when it has changed.
type reader struct {
	store   *Store
	session *session
	tell    func(leasehold.News)
	leases  map[string]*followed // by path
	untold  map[string]*touch    // by path: what was read since it was told
}

// A followed is a lease as it was read last.
type followed struct {
	entry  leasehold.Entry // without Log; without Path if it is to be read
	err    error           // why the record can't be read
	logErr error           // why the run log can't be read

	// toldLog is the transaction that wrote the run log which was told, 0 if none was,
	// and unreadable if it could not be read.
	toldLog int64
}

const unreadable = -1

// A touch is what has been read of a lease.
type touch struct {
	gone  bool  // it is none
	asked bool  // for the log
	done  bool  // that was answered
	log   *node // nil if it was not read
}

// readAll reads and tells all leases at and below prefix. Run logs that were told and
// have stayed the same are left out.
func (r *reader) readAll(ctx context.Context, prefix string) error {
	for _, l := range r.leases {
		l.entry, l.err = leasehold.Entry{}, nil
		if l.toldLog == unreadable {
			l.toldLog = 0
		}
	}
	if err := r.read(ctx, []question{{aNode, prefix}}); err != nil {
		return err
	}
	for path, l := range r.leases {
		if l.entry.Path == "" {
			r.forget(path)
		}
	}
	r.tellAll()
	return nil
}

// unread returns the questions that had no answer.
func (r *reader) unread() (all []question) {
	for path, l := range r.leases {
		switch {
		case l.err != nil:
			all = append(all, question{aNode, path})
		case l.logErr != nil:
			all = append(all, question{aLog, path})
		}
	}
	return all
}

// read asks questions, and what their answers lead to, and tells what it has read.
// After an error everything is to be read again.
func (r *reader) read(ctx context.Context, questions []question) error {
	r.untold = map[string]*touch{}
	type pending struct {
		question
		*zk.Pending
	}
	var sent []pending
	for len(questions)+len(sent) > 0 {
		for len(questions) > 0 && len(sent) < readWidth {
			next := questions[len(questions)-1]
			questions = questions[:len(questions)-1]
			sent = append(sent, pending{next, r.session.Send(r.request(next))})
		}
		first := sent[0]
		sent = sent[1:]
		reply, err := first.Wait(ctx)
		if err != nil && (!zk.IsRejected(err) || errors.Is(err, zk.ErrAuthRequired)) {
			return fromClient(err)
		}
		questions = append(questions, r.handle(first.question, reply, err)...)
		if len(r.untold) >= tellWidth { // memory is not to have all logs at once
			r.tellAll()
		}
	}
	r.tellAll()
	return nil
}

// tellAll tells what was read, but for what is still asked about.
func (r *reader) tellAll() {
	var news []leasehold.Sighting
	for path, t := range r.untold {
		l := r.leases[path]
		switch {
		case t.gone:
			news = append(news, leasehold.Sighting{Entry: leasehold.Entry{Path: cmp.Or(path, "/")}})
			delete(r.leases, path)
		case l.entry.Path == "" || t.asked && !t.done:
			continue
		default:
			news = append(news, l.sighting(t))
		}
		delete(r.untold, path)
	}
	if len(news) > 0 {
		r.tell(leasehold.News{Leases: news})
	}
}

// sighting returns what is to be told.
func (l *followed) sighting(t *touch) leasehold.Sighting {
	s := leasehold.Sighting{Entry: l.entry, Err: l.err, LogErr: l.logErr}
	switch {
	case l.logErr != nil:
		l.toldLog = unreadable
	case t.log != nil:
		s.Log, l.toldLog = t.log.asLog(), t.log.stat.Mzxid
	}
	return s
}

func (r *reader) request(q question) zk.Request {
	full := r.store.nodePath(q.path)
	switch q.about {
	case aNode:
		return zk.GetChildren(cmp.Or(full, "/"))
	case aLog:
		return zk.GetData(full)
	default:
		return zk.GetData(recordPath(full))
	}
}

// handle takes the answer to q, and returns what is to be asked next. err is nil or
// why the server refuses.
func (r *reader) handle(q question, reply zk.Reply, err error) []question {
	switch q.about {
	case aNode:
		return r.handleNode(q.path, reply, err)
	case aLog:
		r.handleLog(q.path, reply, err)
		return nil
	default:
		return r.handleRecord(q, reply, err)
	}
}

func (r *reader) handleNode(path string, reply zk.Reply, err error) (next []question) {
	switch {
	case errors.Is(err, zk.ErrNoNode):
		r.forget(path)
		return nil
	case err != nil: // there may be leases at and below it: it stands for them
		l, _ := r.touch(path)
		l.err = r.store.storeError(err, "list", cmp.Or(r.store.nodePath(path), "/"))
		l.entry = leasehold.Entry{Path: cmp.Or(path, "/")}
		if path == "" {
			return nil
		}
		return []question{{aHiddenRecord, path}}
	}
	for _, name := range reply.Children {
		if below := path + "/" + name; leasehold.CheckPath(below) == nil {
			next = append(next, question{aNode, below})
		}
	}
	if path == "" || !slices.Contains(reply.Children, kazoo.RecordName) {
		r.forget(path)
		return next
	}
	l, t := r.touch(path)
	switch {
	case reply.Stat.Mzxid == l.toldLog || t.asked:
	case reply.Stat.DataLength == 0:
		t.asked, t.done, t.log, l.logErr = true, true, &node{[]byte{}, *reply.Stat}, nil
	default:
		t.asked = true
		next = append(next, question{aLog, path})
	}
	return append(next, question{aRecord, path})
}

func (r *reader) handleRecord(q question, reply zk.Reply, err error) []question {
	if errors.Is(err, zk.ErrNoNode) {
		if q.about == aRecord {
			r.forget(q.path)
		}
		return nil
	}
	l, t := r.touch(q.path)
	if err != nil {
		l.err = r.store.storeError(err, "read", recordPath(r.store.nodePath(q.path)))
		l.entry = leasehold.Entry{Path: q.path}
	} else {
		l.err = nil
		l.entry = entry(q.path, newNode(reply.Data, reply.Stat))
	}
	if l.toldLog != 0 || t.asked {
		return nil
	}
	t.asked = true
	return []question{{aLog, q.path}}
}

func (r *reader) handleLog(path string, reply zk.Reply, err error) {
	if t := r.untold[path]; r.leases[path] == nil || t != nil && t.gone {
		return
	}
	l, t := r.touch(path)
	t.asked, t.done = true, true
	if t.log, err = newLog(reply, err); err != nil {
		err = r.store.logError(err, "read", path)
	}
	l.logErr = err
}

// touch returns what is known of the lease at path, which is now to be told.
func (r *reader) touch(path string) (*followed, *touch) {
	if r.leases[path] == nil {
		r.leases[path] = &followed{}
	}
	if t := r.untold[path]; t == nil || t.gone {
		r.untold[path] = &touch{}
	}
	return r.leases[path], r.untold[path]
}

// forget notes that there is no lease at path. It is one of leases until that is told.
func (r *reader) forget(path string) {
	if r.leases[path] != nil {
		r.leases[path], r.untold[path] = &followed{}, &touch{gone: true}
	}
}
