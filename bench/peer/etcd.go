package peer

import (
	"context"
	"errors"
	"fmt"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"
	"go.etcd.io/etcd/client/v3/concurrency"
	"go.uber.org/zap"
)

// sessionSeconds is the TTL of etcd's sessions.
const sessionSeconds = 120

// An Etcd is a client of etcd with a session.
type Etcd struct {
	client  *clientv3.Client
	session *concurrency.Session
}

// OpenEtcd opens a session.
func OpenEtcd(ctx context.Context, url string) (*Etcd, error) {
	client, err := clientv3.New(clientv3.Config{Endpoints: []string{url}, Context: ctx, DialTimeout: openLimit, Logger: zap.NewNop()})
	if err != nil {
		return nil, err
	}
	session, err := concurrency.NewSession(client, concurrency.WithTTL(sessionSeconds))
	if err != nil {
		return nil, errors.Join(err, client.Close())
	}
	return &Etcd{client: client, session: session}, nil
}

// Hold acquires the lock of name for good.
func (e *Etcd) Hold(ctx context.Context, name string) error {
	return concurrency.NewMutex(e.session, name).Lock(ctx)
}

// Denied times a TryLock of a lock that another session has.
func (e *Etcd) Denied(ctx context.Context, name string) (time.Duration, error) {
	begin := time.Now()
	err := concurrency.NewMutex(e.session, name).TryLock(ctx)
	took := time.Since(begin)
	if !errors.Is(err, concurrency.ErrLocked) {
		return 0, fmt.Errorf("TryLock %s: got error %v, want %v", name, err, concurrency.ErrLocked)
	}
	return took, nil
}

// Lock times Lock and Unlock of a free lock.
func (e *Etcd) Lock(ctx context.Context, name string) (lock, unlock time.Duration, err error) {
	m := concurrency.NewMutex(e.session, name)
	begin := time.Now()
	if err := m.Lock(ctx); err != nil {
		return 0, 0, err
	}
	locked := time.Now()
	err = m.Unlock(ctx)
	return locked.Sub(begin), time.Since(locked), err
}

// KeepAlive times one renewal of the session's lease.
func (e *Etcd) KeepAlive(ctx context.Context) (time.Duration, error) {
	begin := time.Now()
	_, err := e.client.KeepAliveOnce(ctx, e.session.Lease())
	return time.Since(begin), err
}

// Close ends the session.
func (e *Etcd) Close() error { return errors.Join(e.session.Close(), e.client.Close()) }

// EtcdHerd is a Herd in this process, with a client and connection each.
type EtcdHerd struct {
	ctx     context.Context
	url     string
	clients []*Etcd
}

// NewEtcdHerd returns a herd of none.
func NewEtcdHerd(ctx context.Context, url string) *EtcdHerd { return &EtcdHerd{ctx: ctx, url: url} }

// Gather implements Herd.
func (h *EtcdHerd) Gather(n int) error {
	more := make([]*Etcd, max(0, n-len(h.clients)))
	err := each(len(more), 20, func(i int) (err error) {
		more[i], err = OpenEtcd(h.ctx, h.url)
		return err
	})
	h.clients = append(h.clients, more...)
	return err
}

// Race implements Herd. The lock is free again afterwards.
func (h *EtcdHerd) Race(name string, start int64) (end int64, granted int, err error) {
	locks := make([]*concurrency.Mutex, len(h.clients))
	for i, c := range h.clients {
		locks[i] = concurrency.NewMutex(c.session, name)
	}
	winner := make(chan *concurrency.Mutex, len(locks))
	end, granted, err = race(len(locks), start, func(i int) (bool, error) {
		err := locks[i].TryLock(h.ctx)
		if errors.Is(err, concurrency.ErrLocked) {
			return false, nil
		}
		if err == nil {
			winner <- locks[i]
		}
		return err == nil, err
	})
	close(winner)
	for m := range winner {
		err = errors.Join(err, m.Unlock(h.ctx))
	}
	return end, granted, err
}

// Close ends their sessions.
func (h *EtcdHerd) Close() error {
	err := each(len(h.clients), 20, func(i int) error {
		if h.clients[i] == nil { // it could not be opened
			return nil
		}
		return h.clients[i].Close()
	})
	h.clients = nil
	return err
}
