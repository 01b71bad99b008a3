package zookeeper

import (
	"context"

	"leasehold.example/leasehold/zookeeper/internal/zk"
)

// A session is one of the client's, whose errors become ours.
type session struct{ *zk.Session }

// do is zk.Session.Do.
func (s *session) do(ctx context.Context, r zk.Request) (zk.Reply, error) {
	reply, err := s.Do(ctx, r)
	return reply, fromClient(err)
}

// wait returns when the session is connected. It returns zk.ErrSessionOver if
// it has ended, ErrPermission if the servers let nobody in with these
// credentials, or can't be trusted, and ErrUnreachable when ctx ends first.
func (s *session) wait(ctx context.Context) error { return fromClient(s.Wait(ctx)) }

// unreachable returns the error for a ctx that has ended before a server
// answered.
func (s *session) unreachable(ctx context.Context) error { return fromClient(s.Unreachable(ctx)) }
