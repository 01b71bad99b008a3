package peer

import (
	"errors"
	"fmt"
	"net"
	"path"
	"time"

	"github.com/go-zookeeper/zk"

	"leasehold.example/leasehold/kazoo"
)

// Bare is a session of go-zookeeper, the client in wide use, for requests
// that are timed as the floor below it, and for what readies a lease path.
type Bare struct {
	Conn *zk.Conn
}

// OpenBare opens a session.
func OpenBare(addr string) (*Bare, error) {
	conn, events, err := zk.Connect([]string{addr}, 2*time.Minute,
		zk.WithDialer(net.DialTimeout), zk.WithLogger(silent{}), zk.WithLogInfo(false))
	if err != nil {
		return nil, err
	}
	limit := time.After(openLimit)
	for {
		select {
		case e := <-events:
			if e.State == zk.StateHasSession {
				return &Bare{conn}, nil
			}
		case <-limit:
			conn.Close()
			return nil, fmt.Errorf("no session with %s in %v", addr, openLimit)
		}
	}
}

type silent struct{}

func (silent) Printf(string, ...any) {}

// Record is the node that has the record of the lease at lease.
func Record(lease string) string { return lease + "/lease_holder" }

// Get times one read of the record at lease.
func (b *Bare) Get(lease string) (time.Duration, error) {
	begin := time.Now()
	_, _, err := b.Conn.Get(Record(lease))
	return time.Since(begin), err
}

// Set times one write of a record at lease.
func (b *Bare) Set(lease string) (time.Duration, error) {
	data, err := record("floor", time.Now())
	if err != nil {
		return 0, err
	}
	begin := time.Now()
	_, err = b.Conn.Set(Record(lease), data, -1)
	return time.Since(begin), err
}

// Create times the creation of one node with a record as its data, and deletes
// it.
func (b *Bare) Create(node string) (time.Duration, error) {
	data, err := record("floor", time.Now())
	if err != nil {
		return 0, err
	}
	begin := time.Now()
	_, err = b.Conn.Create(node, data, 0, zk.WorldACL(zk.PermAll))
	took := time.Since(begin)
	if err != nil {
		return 0, err
	}
	return took, b.Conn.Delete(node, -1)
}

// Hold has another holder have the lease at lease for a day.
func (b *Bare) Hold(lease string) error { return b.put(lease, "another", time.Now().Add(24*time.Hour)) }

// Expire makes the lease at lease one of another holder that ended an hour
// ago. Where there is a record it is set, as a renewal would have done it.
func (b *Bare) Expire(lease string) error { return b.put(lease, "another", time.Now().Add(-time.Hour)) }

// Free makes the lease at lease one that holder has given up, as Leasehold
// does it; kazoo can't.
func (b *Bare) Free(lease, holder string) error { return b.put(lease, holder, time.Unix(0, 0)) }

func (b *Bare) put(lease, holder string, end time.Time) error {
	data, err := record(holder, end)
	if err != nil {
		return err
	}
	_, err = b.Conn.Set(Record(lease), data, -1)
	if !errors.Is(err, zk.ErrNoNode) {
		return err
	}
	if err := b.Make(lease); err != nil {
		return err
	}
	_, err = b.Conn.Create(Record(lease), data, 0, zk.WorldACL(zk.PermAll))
	return err
}

// Make creates the node at name, and those above it.
func (b *Bare) Make(name string) error {
	if name == "/" {
		return nil
	}
	_, err := b.Conn.Create(name, nil, 0, zk.WorldACL(zk.PermAll))
	if errors.Is(err, zk.ErrNoNode) {
		if err := b.Make(path.Dir(name)); err != nil {
			return err
		}
		_, err = b.Conn.Create(name, nil, 0, zk.WorldACL(zk.PermAll))
	}
	if errors.Is(err, zk.ErrNodeExists) {
		return nil
	}
	return err
}

func record(holder string, end time.Time) ([]byte, error) {
	return kazoo.NewRecord(holder, end, 0).Marshal()
}
