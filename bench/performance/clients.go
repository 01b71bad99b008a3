package main

import (
	"context"
	"errors"
	"fmt"
	"path"
	"time"

	"github.com/go-zookeeper/zk"
	"go.etcd.io/etcd/client/v3/concurrency"

	"leasehold.example/leasehold"
	"leasehold.example/leasehold/bench/lab"
	record "leasehold.example/leasehold/kazoo"
	"leasehold.example/leasehold/zookeeper"
)

// leaseDuration is that of every lease that is not renewed.
const leaseDuration = time.Hour

// atEnd has a client closed at the end of the stage, before the servers.
func (s *setting) atEnd(close func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closers = append(s.closers, close)
}

func (s *setting) openLeasehold(ctx context.Context, holder string) (*leasehold.Client, error) {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	store, err := zookeeper.Open(ctx, "zk://"+s.zookeeper.Addr, &zookeeper.Options{SessionTimeout: 2 * time.Minute})
	if err != nil {
		return nil, err
	}
	s.atEnd(func() { store.Close() })
	return &leasehold.Client{Store: store, Holder: holder}, nil
}

// denied makes a success of a denial.
func denied(_ *leasehold.Lease, err error) error {
	if errors.Is(err, leasehold.ErrHeld) {
		return nil
	}
	return fmt.Errorf("got error %v, want that it is held", err)
}

func (s *setting) openEtcd() (*concurrency.Session, error) {
	client, err := lab.ConnectEtcd(s.etcd.URL)
	if err != nil {
		return nil, err
	}
	s.atEnd(func() { client.Close() })
	return concurrency.NewSession(client, concurrency.WithTTL(120))
}

func (s *setting) startKazoo() (*lab.Driver, error) {
	d, err := lab.StartKazoo(s.zookeeper.Addr)
	if err == nil {
		s.atEnd(d.Stop)
	}
	return d, err
}

func (s *setting) startCurator() (*lab.Driver, error) {
	d, err := lab.StartCurator(s.dir, s.zookeeper.Addr)
	if err == nil {
		s.atEnd(d.Stop)
	}
	return d, err
}

func (s *setting) openBare() (bareConn, error) {
	conn, err := lab.Connect(s.zookeeper.Addr)
	if err == nil {
		s.atEnd(conn.Close)
	}
	return bareConn{conn}, err
}

// A bareConn is a session of go-zookeeper's, for the requests that are the
// floor, and for what readies a lease path.
type bareConn struct{ *zk.Conn }

func recordNode(lease string) string { return lease + "/lease_holder" }

// hold has another holder have the lease for a day.
func (c bareConn) hold(lease string) error {
	return c.put(lease, "another", time.Now().Add(24*time.Hour))
}

// expire makes it another holder's that ended an hour ago. Where there is a
// record it is set, as a renewal would have done it.
func (c bareConn) expire(lease string) error {
	return c.put(lease, "another", time.Now().Add(-time.Hour))
}

// free makes it one that holder has given up, as Leasehold does it; kazoo can't.
func (c bareConn) free(lease, holder string) error { return c.put(lease, holder, time.Unix(0, 0)) }

func (c bareConn) put(lease, holder string, end time.Time) error {
	data, err := record.NewRecord(holder, end, 0).Marshal()
	if err != nil {
		return err
	}
	_, err = c.Set(recordNode(lease), data, -1)
	if errors.Is(err, zk.ErrNoNode) {
		return c.create(recordNode(lease), data)
	}
	return err
}

// create creates a node and those above it that are missing.
func (c bareConn) create(node string, data []byte) error {
	_, err := c.Create(node, data, 0, zk.WorldACL(zk.PermAll))
	if !errors.Is(err, zk.ErrNoNode) {
		return err
	}
	if err := c.create(path.Dir(node), nil); err != nil {
		return err
	}
	return c.create(node, data)
}
