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

// A reader reads leases. It knows what it has read, so that a run log is read only
// when it has changed.
type reader struct {
	store   *Store
	session *session
	leases  map[string]*followed // by path
	round   map[string]*touch    // by path: what has been read since news
}

// A followed is a lease as it was read last.
type followed struct {
	entry  leasehold.Entry // without Log
	err    error           // why the record can't be read
	logErr error           // why the run log can't be read

	// toldLog is the transaction that wrote the run log which was told, 0 if none was,
	// and unreadable if it could not be read.
	toldLog int64
}

const unreadable = -1

// A touch is what a round has read of a lease.
type touch struct {
	asked bool  // for the log
	log   *node // nil if it was not read
}

// readAll reads all leases at and below prefix. Run logs that were told and have
// stayed the same are left out.
func (r *reader) readAll(ctx context.Context, prefix string) ([]leasehold.Sighting, error) {
	former := r.leases
	r.leases = map[string]*followed{}
	for path, l := range former {
		if l.toldLog != unreadable {
			r.leases[path] = &followed{toldLog: l.toldLog}
		}
	}
	all, err := r.read(ctx, []question{{aNode, prefix}})
	if err != nil {
		r.leases = former
		return nil, err
	}
	for path := range r.leases {
		if r.round[path] == nil {
			delete(r.leases, path)
		}
	}
	return all, nil
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

// read asks questions, and what their answers lead to, and returns the leases that
// were read. After an error they are still to be told, so everything is to be read
// again.
func (r *reader) read(ctx context.Context, questions []question) ([]leasehold.Sighting, error) {
	r.round = map[string]*touch{}
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
			return nil, fromClient(err)
		}
		questions = append(questions, r.handle(first.question, reply, err)...)
	}
	var news []leasehold.Sighting
	for path, t := range r.round {
		news = append(news, r.tell(path, t))
	}
	return news, nil
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
		t.log, l.logErr = &node{[]byte{}, *reply.Stat}, nil
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
	if l.toldLog != 0 || t.asked || t.log != nil {
		return nil
	}
	t.asked = true
	return []question{{aLog, q.path}}
}

func (r *reader) handleLog(path string, reply zk.Reply, err error) {
	if r.leases[path] == nil { // it is no lease
		return
	}
	l, t := r.touch(path)
	if t.log, err = newLog(reply, err); err != nil {
		l.logErr = r.store.logError(err, "read", path)
	} else {
		l.logErr = nil
	}
}

// touch returns what is known of the lease at path, which is now to be told.
func (r *reader) touch(path string) (*followed, *touch) {
	if r.leases[path] == nil {
		r.leases[path] = &followed{}
	}
	if r.round[path] == nil {
		r.round[path] = &touch{}
	}
	return r.leases[path], r.round[path]
}

// forget notes that there is no lease at path.
func (r *reader) forget(path string) {
	if r.leases[path] != nil {
		delete(r.leases, path)
		r.round[path] = &touch{}
	}
}

// tell returns what is to be told of the lease at path.
func (r *reader) tell(path string, t *touch) leasehold.Sighting {
	l := r.leases[path]
	if l == nil {
		return leasehold.Sighting{Entry: leasehold.Entry{Path: cmp.Or(path, "/")}}
	}
	s := leasehold.Sighting{Entry: l.entry, Err: l.err, LogErr: l.logErr}
	switch {
	case l.logErr != nil:
		l.toldLog = unreadable
	case t.log != nil:
		s.Log, l.toldLog = t.log.asLog(), t.log.stat.Mzxid
	}
	return s
}
