package zookeeper

import (
	"cmp"
	"context"
	"errors"
	"maps"
	"slices"

	"leasehold.example/leasehold"
	"leasehold.example/leasehold/kazoo"
	"leasehold.example/leasehold/zookeeper/internal/zk"
)

const (
	readWidth = 64     // questions of a reader that are sent together
	tellWidth = 256    // leases that it tells of at once, more or less
	maxOthers = 10_000 // paths that it remembers as another program's
)

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
	untold  map[string]*touch    // by path: what is being read
	others  map[string]bool      // paths with another program's data: whether it has changed since
}

// A followed is a lease, or a path with only a run log, as it was read last.
type followed struct {
	entry  leasehold.Entry // without Path and Log
	err    error           // why the record can't be read
	logErr error           // why the run log can't be read
	isSeen bool            // since readAll has begun
	isTold bool

	// toldLog is the transaction that wrote the run log which was told, 0 if none was,
	// and unreadable if it could not be read.
	toldLog int64
}

const unreadable = -1

// A touch is what is being read of a path.
type touch struct {
	open     int // questions that have no answer yet
	askedLog bool
	log      *node // nil if it was not read
}

// readAll reads and tells everything at and below prefix. Run logs that were told and
// have stayed the same are left out.
func (r *reader) readAll(ctx context.Context, prefix string) error {
	r.others = map[string]bool{}
	for _, l := range r.leases {
		l.isSeen = false
		if l.toldLog == unreadable {
			l.toldLog = 0
		}
	}
	if err := r.read(ctx, []question{{aNode, prefix}}); err != nil {
		return err
	}
	for path, l := range r.leases {
		if !l.isSeen {
			r.forget(path)
		}
	}
	r.tellAll()
	return nil
}

// unread returns the questions that had no answer, or were not asked.
func (r *reader) unread() (all []question) {
	for path, l := range r.leases {
		if l.err != nil || l.logErr != nil { // then what is below it may not be known either
			all = append(all, question{aNode, path})
		}
	}
	for path, hasChanged := range r.others { // into a run log, maybe
		if hasChanged {
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
	ahead := r.open(questions)
	for len(ahead)+len(sent) > 0 {
		for len(ahead) > 0 && len(sent) < readWidth {
			next := ahead[len(ahead)-1]
			ahead = ahead[:len(ahead)-1]
			sent = append(sent, pending{next, r.session.Send(r.request(next))})
		}
		first := sent[0]
		sent = sent[1:]
		reply, err := first.Wait(ctx)
		if err != nil && (!zk.IsRejected(err) || errors.Is(err, zk.ErrAuthRequired)) {
			return fromClient(err)
		}
		ahead = append(ahead, r.open(r.handle(first.question, reply, err))...)
		if len(r.untold) >= tellWidth { // memory is not to have all logs at once
			r.tellAll()
		}
	}
	r.tellAll()
	return nil
}

// open notes that questions will be asked.
func (r *reader) open(questions []question) []question {
	for _, q := range questions {
		if q.about != aNode {
			_, t := r.touch(q.path)
			t.open++
			t.askedLog = t.askedLog || q.about == aLog
		}
	}
	return questions
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
	if q.about == aNode {
		return r.handleNode(q.path, reply, err)
	}
	r.untold[q.path].open--
	if q.about == aLog {
		r.handleLog(q.path, reply, err)
		return nil
	}
	return r.handleRecord(q, reply, err)
}

func (r *reader) handleNode(path string, reply zk.Reply, err error) (next []question) {
	switch {
	case errors.Is(err, zk.ErrNoNode):
		r.forget(path)
		return nil
	case err != nil: // there may be leases at and below it: it stands for them
		l, _ := r.touch(path)
		l.entry, l.err = leasehold.Entry{}, r.store.storeError(err, "list", cmp.Or(r.store.nodePath(path), "/"))
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
	hasRecord := path != "" && slices.Contains(reply.Children, kazoo.RecordName)
	mayHaveLog := path != "" && reply.Stat.DataLength > 0 && reply.Stat.DataLength < longLog
	if !hasRecord && !mayHaveLog {
		r.forget(path)
		return next
	}
	l, t := r.touch(path)
	switch {
	case t.askedLog, hasRecord && reply.Stat.Mzxid == l.toldLog:
	case reply.Stat.DataLength > 0: // beside a record, whatever it is
		next = append(next, question{aLog, path})
	default:
		t.askedLog, t.log, l.logErr = true, &node{[]byte{}, *reply.Stat}, nil
	}
	if hasRecord {
		return append(next, question{aRecord, path})
	}
	l.entry, l.err = leasehold.Entry{}, nil
	return next
}

func (r *reader) handleRecord(q question, reply zk.Reply, err error) []question {
	l, t := r.touch(q.path)
	switch {
	case err == nil:
		l.entry, l.err = entry(q.path, newNode(reply.Data, reply.Stat)), nil
	case !errors.Is(err, zk.ErrNoNode):
		l.entry, l.err = leasehold.Entry{}, r.store.storeError(err, "read", recordPath(r.store.nodePath(q.path)))
	case q.about == aHiddenRecord:
		return nil
	default: // without a record it is the run log that counts
		l.entry, l.err, l.toldLog = leasehold.Entry{}, nil, 0
	}
	if l.toldLog != 0 || t.askedLog {
		return nil
	}
	return []question{{aLog, q.path}}
}

func (r *reader) handleLog(path string, reply zk.Reply, err error) {
	l, t := r.touch(path)
	if t.log, err = newLog(reply, err); err != nil {
		err = r.store.logError(err, "read", path)
	}
	l.logErr = err
}

// touch returns what is known of path, and is now to be told.
func (r *reader) touch(path string) (*followed, *touch) {
	if r.leases[path] == nil {
		r.leases[path] = &followed{}
	}
	if r.untold[path] == nil {
		r.untold[path] = &touch{}
	}
	r.leases[path].isSeen = true
	return r.leases[path], r.untold[path]
}

// forget notes that there is no lease at path. It is one of leases until that is told.
func (r *reader) forget(path string) {
	if r.leases[path] != nil {
		l, t := r.touch(path)
		*l, t.log = followed{isTold: l.isTold, isSeen: true}, nil
	}
}

// tellAll tells what was read, but for what is still asked about.
func (r *reader) tellAll() {
	var news []leasehold.Sighting
	for path, t := range r.untold {
		if t.open > 0 {
			continue
		}
		l := r.leases[path]
		s := l.sighting(path, t)
		delete(r.others, path) // it may have become a lease
		if s.IsGone() {
			delete(r.leases, path)
			r.noteOther(path, t)
		}
		if !s.IsGone() || l.isTold {
			news = append(news, s)
		}
		l.isTold = true
		delete(r.untold, path)
	}
	if len(news) > 0 {
		r.tell(leasehold.News{Leases: news})
	}
}

// sighting returns what is to be told.
func (l *followed) sighting(path string, t *touch) leasehold.Sighting {
	s := leasehold.Sighting{Entry: l.entry, Err: l.err, LogErr: l.logErr}
	s.Path = cmp.Or(path, "/")
	switch {
	case l.logErr != nil:
		l.toldLog = unreadable
	case t.log != nil:
		s.Log, l.toldLog = t.log.asLog(), t.log.stat.Mzxid
	}
	return s
}

// noteOther notes that path has another program's data, if it has: it is not read
// again whenever that changes.
func (r *reader) noteOther(path string, t *touch) {
	if t.log == nil || len(t.log.data) == 0 {
		return
	}
	if len(r.others) >= maxOthers { // nodes that are gone may be among them
		maps.DeleteFunc(r.others, func(_ string, hasChanged bool) bool { return !hasChanged })
	}
	r.others[path] = false
}
