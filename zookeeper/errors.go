package zookeeper

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"leasehold.example/leasehold"
	"leasehold.example/leasehold/zookeeper/internal/zk"
)

var (
	// errClosed is final: no attempt can change it.
	errClosed = errors.New("the store is closed")

	// errOvertaken means that something has changed since the attempt read it.
	// Another attempt is to be made.
	errOvertaken = errors.New("overtaken")
)

// fromClient adds to an error of the client's the one of ours that it is.
func fromClient(err error) error {
	var (
		unreachable *zk.UnreachableError
		auth        *zk.AuthError
	)
	switch {
	case errors.As(err, &unreachable):
		return fmt.Errorf("%w: %w", leasehold.ErrUnreachable, err)
	case errors.As(err, &auth):
		return fmt.Errorf("%w: %w", leasehold.ErrPermission, err)
	}
	return err
}

// isStale tells the errors by which the server says that what an attempt had
// read is no longer so.
func isStale(err error) bool {
	return errors.Is(err, zk.ErrNoNode) || errors.Is(err, zk.ErrNodeExists) || errors.Is(err, zk.ErrBadVersion)
}

// withCause adds to err that ctx has ended, if it has.
func withCause(ctx context.Context, err error) error {
	if ctx.Err() == nil || errors.Is(err, ctx.Err()) {
		return err
	}
	return fmt.Errorf("%w: %w", ctx.Err(), err)
}

// unknownOutcome returns err, as ErrOutcomeUnknown if the outcome is unknown.
func unknownOutcome(unknown bool, err error) error {
	if unknown {
		return fmt.Errorf("%w: %w", leasehold.ErrOutcomeUnknown, err)
	}
	return err
}

// A deniedError is a lack of permission, and says for what.
type deniedError struct {
	operation, path string
	error
}

func (d *deniedError) Unwrap() error { return d.error }

// withOperation returns err, as a deniedError if it is a lack of permission.
func withOperation(err error, operation, path string) error {
	if errors.Is(err, zk.ErrNoAuth) || errors.Is(err, zk.ErrAuthRequired) {
		return &deniedError{operation, path, err}
	}
	return err
}

// withFailedOp is withOperation for the operation that made a transaction fail.
func withFailedOp(err error, failed zk.Op) error {
	switch op := failed.(type) {
	case *zk.Create: // this is up to the parent, and so is the next
		return withOperation(err, "create nodes below", parentOf(op.Path))
	case *zk.Delete:
		return withOperation(err, "delete nodes below", parentOf(op.Path))
	case *zk.SetData:
		return withOperation(err, "write", op.Path)
	case *zk.Check:
		return withOperation(err, "read", op.Path)
	}
	return err
}

// failedOp returns the operation that made a transaction fail, nil where no one did.
func failedOp(ops []zk.Op, results []zk.Result) zk.Op {
	i := slices.IndexFunc(results, func(r zk.Result) bool { return r.Err != nil })
	if i < 0 {
		return nil
	}
	return ops[i]
}

func parentOf(path string) string {
	if parent := up(path); parent != "" {
		return parent
	}
	return "/"
}

// storeError turns the server's errors into ours; operation and path say
// what was refused, unless err knows it better.
func (s *Store) storeError(err error, operation, path string) error {
	var (
		d      *deniedError
		ofALog *leasehold.LogError
	)
	if errors.As(err, &d) {
		operation, path = d.operation, d.path
	}
	switch {
	case err == nil || errors.Is(err, leasehold.ErrPermission) || errors.As(err, &ofALog):
		return err
	case errors.Is(err, zk.ErrNoAuth):
		return fmt.Errorf("%w: ZooKeeper refuses to %s %q for %v", leasehold.ErrPermission, operation, path, s.credentials)
	case errors.Is(err, zk.ErrAuthRequired):
		return fmt.Errorf("%w: ZooKeeper requires an authentication to %s %q and does not take that of %v", leasehold.ErrPermission, operation, path, s.credentials)
	case errors.Is(err, zk.ErrInvalidACL):
		return fmt.Errorf("%w: ZooKeeper refuses the ACL to %s %q with, for %v: %w", leasehold.ErrPermission, operation, path, s.credentials, err)
	case errors.Is(err, zk.ErrEphemeralParent):
		return fmt.Errorf("%w: a node above %q: %w; use another path", leasehold.ErrUnusablePath, path, err)
	case errors.Is(err, zk.ErrQuotaExceeded):
		return fmt.Errorf("%w: %s %q: %w; see listquota in zkCli.sh", leasehold.ErrFull, operation, path, err)
	case zk.IsRejected(err):
		return fmt.Errorf("%s %q: %w", operation, path, err)
	}
	return err
}
