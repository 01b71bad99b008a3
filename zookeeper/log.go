package zookeeper

import (
	"context"
	"errors"

	"leasehold.example/leasehold"
)

// ReadLog returns known with the run log of its path.
func (s *Store) ReadLog(ctx context.Context, known leasehold.Entry) (leasehold.Entry, error) {
	return known, errors.New("to be built")
}

// EditLog changes the run log of path.
func (s *Store) EditLog(ctx context.Context, path string, edit leasehold.LogEdit) error {
	return errors.New("to be built")
}
