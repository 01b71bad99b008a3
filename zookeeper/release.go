package zookeeper

import (
	"bytes"
	"context"
	"errors"
	"fmt"

	"leasehold.example/leasehold"
)

// Release is one request and one transaction for an Entry from Grant or Renew.
// For one from Read it is two, or three if kazoo wrote the record. The run log is
// one request more where it is not known, or was changed by others.
func (s *Store) Release(ctx context.Context, held leasehold.Entry, data []byte, edit leasehold.LogEdit) error {
	switch state := held.Private.(type) {
	case grantState:
		h := heldGrant{store: s, path: held.Path, full: s.nodePath(held.Path), grantState: state, own: state.record, data: data, ends: true, edit: edit}
		_, _, err := h.write(ctx)
		return withoutRefusal(err)
	case readState:
		if state.record != nil {
			return s.releaseRead(ctx, held.Path, state, data, edit)
		}
	}
	return fmt.Errorf("%w: there is no record", leasehold.ErrLost)
}

// releaseRead ends a grant that another process made. Nothing but the record
// tells it from a later one, and not even that if kazoo wrote both: so this is
// an exclusiveWrite.
func (s *Store) releaseRead(ctx context.Context, path string, known readState, data []byte, edit leasehold.LogEdit) error {
	w := exclusiveWrite{store: s, path: path, full: s.nodePath(path), known: known, ends: true}
	w.decide = func(old leasehold.Entry) (leasehold.Proposal, error) {
		there := old.Private.(readState).record
		switch {
		case there == nil || there.stat.Czxid != known.record.stat.Czxid:
			return leasehold.Proposal{}, fmt.Errorf("%w: another grant was made", leasehold.ErrLost)
		case there.stat.Version == known.record.stat.Version && edit == nil:
			return leasehold.Proposal{Data: data}, nil
		case there.stat.Version == known.record.stat.Version && old.Log == nil:
			return leasehold.Proposal{}, leasehold.ErrNeedsLog
		case there.stat.Version == known.record.stat.Version:
			log, err := edit(old.Log.Data)
			return leasehold.Proposal{Data: data, Log: append([]byte{}, log...)}, err
		case len(w.unknown) > 0 && bytes.Equal(old.Data, data):
			return leasehold.Proposal{}, errReleased
		default:
			return leasehold.Proposal{}, fmt.Errorf("%w: the record was written since", leasehold.ErrLost)
		}
	}
	_, err := w.run(ctx)
	if errors.Is(err, errReleased) {
		return s.editReleased(ctx, path, edit)
	}
	return withoutRefusal(err)
}

// editReleased makes sure of edit, where the record has turned out to be what was
// sent: another of the same holder may have written that.
func (s *Store) editReleased(ctx context.Context, path string, edit leasehold.LogEdit) error {
	if edit == nil {
		return nil
	}
	return s.EditLog(ctx, path, edit)
}

// errReleased means that what was sent had been committed.
var errReleased = errors.New("released")
