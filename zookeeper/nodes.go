package zookeeper

import (
	"bytes"
	"cmp"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"leasehold.example/leasehold"
	"leasehold.example/leasehold/internal/machine"
	"leasehold.example/leasehold/internal/nodename"
	"leasehold.example/leasehold/kazoo"
	"leasehold.example/leasehold/zookeeper/internal/zk"
)

// newGrantPrefix returns the name of a new grant node, without its sequence
// number. By it the grant is recognised if the reply is lost. It tells those who
// come later which machine the grant was made on, and the end of another
// holder's lease that it has replaced.
func newGrantPrefix(formerEnd time.Time) string {
	return nodename.Grant{Unique: randomHex(8), Machine: machine.ID(), FormerEnd: formerEnd}.Prefix()
}

func randomHex(bytes int) string {
	b := make([]byte, bytes)
	rand.Read(b) // never fails
	return hex.EncodeToString(b)
}

// A grantDetail is the data of a grant node: more about the holder than the
// record can say, for people to read.
type grantDetail struct {
	Host    string    `json:"host"`
	PID     int       `json:"pid"`
	Program string    `json:"program"`
	Since   time.Time `json:"since"`
}

// grantData never has arguments or environment, which can have secrets.
func grantData() []byte {
	host, _ := os.Hostname() // for people: empty if there is none
	data, err := json.Marshal(grantDetail{
		Host: host, PID: os.Getpid(), Program: filepath.Base(os.Args[0]),
		Since: time.Now().UTC().Truncate(time.Second),
	})
	if err != nil {
		panic(err) // a struct of plain fields
	}
	return data
}

// A node is a record's node as it was read.
type node struct {
	data []byte // never nil
	stat zk.Stat
}

// A readState is the Private of an Entry that was read: what an attempt can
// begin with in the same session.
type readState struct {
	session *session
	record  *node     // nil for none
	below   *children // of the lease path, read before the record; nil if not read
	log     *node     // nil if not read
}

// A grantState is the Private of an Entry of a grant: what a later write
// compares with.
type grantState struct {
	grantNode string // its name
	record    node
	log       *node // the run log as it was by then; nil if not known
	sentData  *sentRecords

	// onEarly is set if the grant has replaced one that counted for nobody, and
	// was no better: another holder's lease had not ended yet.
	onEarly bool
}

// sentRecords are what was sent as the record of one grant since the last
// reply, and what that reply was to: any of them may be what is there. All
// Entries of the grant share it.
type sentRecords struct {
	mu       sync.Mutex
	data     [][]byte
	prefixes []string // of the grant nodes that reclaim was about to make since
}

func (s *sentRecords) add(data []byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.data = append(s.data, data)
}

// keepOnly forgets what was sent before data, which has been committed.
func (s *sentRecords) keepOnly(data []byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.data, s.prefixes = [][]byte{data}, nil
}

func (s *sentRecords) addReclaim(prefix string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.prefixes = append(s.prefixes, prefix)
}

func (s *sentRecords) reclaims() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.prefixes)
}

func (s *sentRecords) has(data []byte) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.ContainsFunc(s.data, func(d []byte) bool { return bytes.Equal(d, data) })
}

// children are the nodes below a lease path.
type children struct {
	record bool
	locks  []string // contenders for kazoo's lock
	grants []string
	stat   *zk.Stat // of the lease path
}

func newChildren(names []string, stat *zk.Stat) children {
	c := children{stat: stat}
	for _, name := range names {
		_, isLock := kazoo.LockSequence(name)
		_, isGrant := nodename.ParseGrant(name)
		switch {
		case isLock:
			c.locks = append(c.locks, name)
		case isGrant:
			c.grants = append(c.grants, name)
		case name == kazoo.RecordName:
			c.record = true
		}
	}
	return c
}

// withPrefix returns the grant node whose name begins with one of prefixes.
func (c children) withPrefix(prefixes []string) (name string, ok bool) {
	for _, name := range c.grants {
		for _, p := range prefixes {
			if strings.HasPrefix(name, p) {
				return name, true
			}
		}
	}
	return "", false
}

// created returns how many children the path has ever had, after which the
// server names the next sequential one: cversion counts creations and
// deletions (DataNode.copyStat, PrepRequestProcessor.pRequest2TxnCreate). ok
// is false if the numbers make no sense.
func (c children) created() (count int64, ok bool) {
	sum := int64(c.stat.Cversion) + int64(c.stat.NumChildren)
	return sum / 2, sum >= 0 && sum%2 == 0
}

// isLatest reports whether n is sure to be the record's node as it was when c
// was read, though n was read before: nothing below the path has been created
// or deleted since n was last written.
func (c children) isLatest(n *node) bool {
	if n == nil {
		return !c.record
	}
	return c.record && c.stat.Pzxid <= n.stat.Mzxid
}

// maxSequence is the greatest number that the server gives to a child, and from
// then on it gives that to all.
const maxSequence = math.MaxInt32

// errWornOut means that numbers do not tell any more who is ahead.
var errWornOut = errors.New("has had so many children that ZooKeeper has no new numbers for kazoo's lock nodes: use another path, or remove it while nobody uses it (zkCli.sh: deleteall)")

// predecessor returns the contender just ahead of own, "" if own holds the
// lock. It returns errOvertaken if own is not there, and errWornOut if another
// may have, or get, the same number.
func (c children) predecessor(own string) (name string, err error) {
	mine, _ := kazoo.LockSequence(own)
	best := int64(-1)
	found := false
	for _, lock := range c.locks {
		seq, _ := kazoo.LockSequence(lock)
		switch {
		case lock == own:
			found = true
		case seq < 0 || seq == mine:
			return "", errWornOut
		case seq < mine && seq > best:
			name, best = lock, seq
		}
	}
	switch {
	case !found:
		return "", errOvertaken
	case mine < 0 || mine >= maxSequence:
		return "", errWornOut
	}
	return name, nil
}

// first returns the contender that holds the lock. There must be one.
func (c children) first() string {
	return slices.MinFunc(c.locks, func(a, b string) int {
		x, _ := kazoo.LockSequence(a)
		y, _ := kazoo.LockSequence(b)
		return cmp.Compare(x, y)
	})
}

// withChildren returns r with the children that were read after it. Their Stat
// tells whether the run log is another by now, and whether it is empty.
func (r readState) withChildren(below children) readState {
	r.below = &below
	switch {
	case r.log != nil && r.log.stat.Version == below.stat.Version:
	case below.stat.DataLength == 0:
		r.log = &node{data: []byte{}, stat: *below.stat}
	default:
		r.log = nil
	}
	return r
}

func recordPath(path string) string { return path + "/" + kazoo.RecordName }

func sequenceName(prefix string, count int64) string { return fmt.Sprintf("%s%010d", prefix, count) }

// entry returns what the client sees of a record's node, nil for none.
func entry(path string, n *node) leasehold.Entry {
	e := leasehold.Entry{Path: path}
	if n != nil {
		e.Data, e.Token = n.data, n.stat.Czxid
		e.Since, e.Written = time.UnixMilli(n.stat.Ctime), time.UnixMilli(n.stat.Mtime)
		e.ByKazoo = n.stat.Version == 0
	}
	return e
}

func (r readState) entry(path string) leasehold.Entry {
	e := entry(path, r.record)
	e.Log, e.Private = r.log.asLog(), r
	if g, ok := r.grant(); ok {
		e.Machine = g.Machine
		if g.FormerEnd.After(e.Since) {
			e.HeldUntil = g.FormerEnd
		}
	}
	return e
}

// grant returns what the name of the grant node says of the record's grant. ok
// is false without one, as where kazoo wrote the record, whose version is 0, or
// the grant was given up.
func (r readState) grant() (g nodename.Grant, ok bool) {
	if r.record == nil || r.record.stat.Version == 0 || r.below == nil || len(r.below.grants) != 1 {
		return nodename.Grant{}, false
	}
	return nodename.ParseGrant(r.below.grants[0])
}

// LastStamp returns the stamp of the newest commit by this Store.
func (s *Store) LastStamp() leasehold.Stamp {
	if last := s.stamp.Load(); last != nil {
		return *last
	}
	return leasehold.Stamp{}
}

// committed returns the Entry of a commit that this Store has made.
func (s *Store) committed(path string, state grantState, sent, received leasehold.Instant) leasehold.Entry {
	stamp := leasehold.Stamp{
		At: time.UnixMilli(state.record.stat.Mtime), Resolution: time.Millisecond,
		Sent: sent, Received: received,
	}
	s.stamp.Store(&stamp)
	e := entry(path, &state.record)
	e.Stamp, e.Private = stamp, state
	return e
}
