package zookeeper

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"leasehold.example/leasehold"
	"leasehold.example/leasehold/zookeeper/internal/zk"
)

// The run log of a lease is the data of the lease path's own node, which kazoo
// makes empty and never reads. To set it changes nothing that the guard goes by.
// Whoever writes it names the version that was read, so it does not matter in
// which session that was.

// noLog is the run log of a path that does not exist. No node has its version.
var noLog = node{data: []byte{}, stat: zk.Stat{Version: -2}}

// ReadLog is one request.
func (s *Store) ReadLog(ctx context.Context, known leasehold.Entry) (leasehold.Entry, error) {
	log, err := retry(ctx, s, func(sess *session) (*node, error) { return sess.log(ctx, s.nodePath(known.Path)) })
	if err != nil {
		return known, s.logError(err, "read", known.Path)
	}
	known.Log = log.asLog()
	switch state := known.Private.(type) {
	case grantState:
		state.log = log
		known.Private = state
	case readState:
		state.log = log
		known.Private = state
	default:
		known.Private = readState{log: log}
	}
	return known, nil
}

// log reads the run log of the lease at path.
func (sess *session) log(ctx context.Context, path string) (*node, error) {
	return newLog(sess.do(ctx, zk.GetData(path)))
}

// newLog returns the run log that was answered with.
func newLog(r zk.Reply, err error) (*node, error) {
	if errors.Is(err, zk.ErrNoNode) {
		return &noLog, nil
	}
	if err != nil {
		return nil, fromClient(err)
	}
	return newNode(r.Data, r.Stat), nil
}

// asLog returns what the client sees of a run log, nil for none.
func (n *node) asLog() *leasehold.Log {
	if n == nil {
		return nil
	}
	log := &leasehold.Log{Data: slices.Clone(n.data)}
	if len(n.data) > 0 {
		log.Written = time.UnixMilli(n.stat.Mtime)
	}
	return log
}

// logOp returns the operation that makes data the run log of the lease at path,
// and that fails if it is not log any more. If data is the same it writes nothing,
// so that the log's time stays. next is the run log afterwards.
func logOp(path string, log *node, data []byte) (op zk.Op, next *node) {
	data = append([]byte{}, data...) // the caller's
	version := log.stat.Version
	if bytes.Equal(data, log.data) {
		return &zk.Check{Path: path, Version: version}, log
	}
	return &zk.SetData{Path: path, Data: data, Version: version}, &node{data, zk.Stat{Version: version + 1}}
}

// isLogOp reports whether op is about the run log of the lease at path: no other
// operation of a transaction sets or checks that node.
func isLogOp(op zk.Op, path string) bool {
	switch op := op.(type) {
	case *zk.SetData:
		return op.Path == path
	case *zk.Check:
		return op.Path == path
	}
	return false
}

// EditLog is two requests and one transaction, or one and none if edit changes
// nothing. Where there is no path, it is a request more for each parent that is
// looked for.
func (s *Store) EditLog(ctx context.Context, path string, edit leasehold.LogEdit) error {
	unknown := false // whether something was sent of which the outcome is not known
	_, err := retry(ctx, s, func(sess *session) (struct{}, error) {
		full := s.nodePath(path)
		for first := true; ; first = false {
			if unknown {
				if err := sess.sync(ctx, full); err != nil {
					return struct{}{}, err
				}
			}
			log, err := sess.log(ctx, full)
			if err != nil {
				return struct{}{}, withOperation(err, "read", full)
			}
			data, err := edit(slices.Clone(log.data))
			if err != nil {
				return struct{}{}, &refusal{err}
			}
			if bytes.Equal(data, log.data) {
				return struct{}{}, nil
			}
			op, _ := logOp(full, log, data)
			ops := []zk.Op{op}
			if log == &noLog {
				if ops, err = s.creation(ctx, sess, full, data, first); err != nil {
					return struct{}{}, err
				}
			}
			if hook := s.beforeCommit; hook != nil {
				hook()
			}
			r, err := sess.do(ctx, zk.Multi(ops...))
			if err == nil {
				s.noteChroot(ops)
			}
			if !isStale(err) {
				unknown = unknown || err != nil && !zk.IsRejected(err)
				return struct{}{}, withFailedOp(err, failedOp(ops, r.Results))
			}
		}
	})
	if !isRefusal(err) {
		err = s.logError(err, "write", path)
	}
	return withoutRefusal(unknownOutcome(unknown && err != nil, err))
}

// transactionError returns the error of a transaction at a lease path, as logError
// if it failed at what it does with the run log.
func (s *Store) transactionError(err error, path string, ops []zk.Op, results []zk.Result) error {
	failed := failedOp(ops, results)
	err = withFailedOp(err, failed)
	if isLogOp(failed, s.nodePath(path)) {
		return s.logError(err, "write", path)
	}
	return err
}

// logError returns err as a *leasehold.LogError if the server refuses what is done
// with the run log of a lease path: operation, unless err knows it better.
func (s *Store) logError(err error, operation, path string) error {
	if !zk.IsRejected(err) {
		return err
	}
	if d := (*deniedError)(nil); errors.As(err, &d) {
		operation = d.operation
	}
	err = s.storeError(err, operation, s.nodePath(path))
	if errors.Is(err, leasehold.ErrPermission) {
		right, _, _ := strings.Cut(operation, " ")
		err = fmt.Errorf("%w; the right %s is missing", err, strings.ToUpper(right))
	}
	return &leasehold.LogError{Path: path, Err: err}
}
