package faultlab

import (
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"leasehold.example/leasehold/internal/zktest"
)

const (
	requestTimeout = 500 * time.Millisecond // of one request to a server
	startTimeout   = 60 * time.Second       // of an ensemble, on a busy machine
)

// Leader returns the server that leads, as the observer sees it within half a
// second, or -1 if there is none. A leader that was paused believes to lead for
// a moment after it is resumed; a newer one counts instead.
func (l *Lab) Leader() int {
	leader, newest := -1, int64(-1)
	for i, p := range l.statuses() {
		if epoch := p.zxid >> 32; p.leads && epoch > newest {
			leader, newest = i, epoch
		}
	}
	return leader
}

// A status is what a server says of itself.
type status struct {
	serves, leads bool
	zxid          int64
}

func (l *Lab) statuses() []status {
	all := make([]status, len(l.servers))
	l.eachResponsive(func(i int) {
		answer, err := zktest.Ask(l.Addr(i), "srvr", requestTimeout)
		if err != nil {
			return
		}
		_, zxid, _ := strings.Cut(answer, "\nZxid: ")
		zxid, _, _ = strings.Cut(zxid, "\n")
		n, err := strconv.ParseInt(zxid, 0, 64)
		all[i] = status{
			serves: err == nil,
			leads:  strings.Contains(answer, "Mode: leader\n") || strings.Contains(answer, "Mode: standalone\n"),
			zxid:   n,
		}
	})
	return all
}

// flushTime is how long after applying a transaction a server may log it.
const flushTime = 300 * time.Millisecond

// AwaitSettled waits until all servers that are not stopped, killed, cut off or
// without disk space follow one leader and have caught up with it, on disk too.
// ZooKeeper 3.8.0 loses what it has committed if a server fails while another
// is catching up (ZOOKEEPER-4643, -4646).
func (l *Lab) AwaitSettled(t testing.TB) {
	t.Helper()
	for deadline := time.Now().Add(startTimeout); ; time.Sleep(50 * time.Millisecond) {
		leader := l.Leader()
		if leader >= 0 && l.caughtUp(l.statuses()[leader]) {
			time.Sleep(flushTime)
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("the servers have not settled within %v; the ends of their logs:%s", startTimeout, l.logs())
		}
	}
}

// caughtUp reports whether all servers that can serve have what the leader has.
// A leader that has written nothing yet is not compared with.
func (l *Lab) caughtUp(leader status) bool {
	written := int32(leader.zxid) != 0
	now := l.statuses()
	l.mu.Lock()
	defer l.mu.Unlock()
	for i, s := range l.servers {
		if !s.isSilent() && !s.diskFull && (!now[i].serves || written && now[i].zxid < leader.zxid) {
			return false
		}
	}
	return leader.serves
}

// AwaitQuorum waits until the ensemble carries out writes, and has a leader.
func (l *Lab) AwaitQuorum(t testing.TB) {
	t.Helper()
	l.await(t, 1, nil)
}

// Serving returns the servers through which a session could be opened just
// now, which takes a quorum.
func (l *Lab) Serving() []int {
	opened := make([]bool, len(l.servers))
	l.eachResponsive(func(i int) { opened[i] = openSession(l.Addr(i), requestTimeout) == nil })
	var serving []int
	for i := range opened {
		if opened[i] {
			serving = append(serving, i)
		}
	}
	return serving
}

// eachResponsive calls f for all servers that can answer, at once.
func (l *Lab) eachResponsive(f func(i int)) {
	var calls sync.WaitGroup
	l.mu.Lock()
	for i, s := range l.servers {
		if !s.isSilent() {
			calls.Go(func() { f(i) })
		}
	}
	l.mu.Unlock()
	calls.Wait()
}

// await waits until so many servers serve. It calls ended, if not nil, for
// servers that have ended.
func (l *Lab) await(t testing.TB, servers int, ended func(*server) error) {
	t.Helper()
	for deadline := time.Now().Add(startTimeout); ; time.Sleep(20 * time.Millisecond) {
		serving := l.Serving()
		if len(serving) >= servers && l.Leader() >= 0 {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("got %d servers that serve after %v, want %d; the ends of their logs:%s", len(serving), startTimeout, servers, l.logs())
		}
		if ended == nil {
			continue
		}
		if err := l.forEnded(ended); err != nil {
			t.Fatal(err)
		}
	}
}

func (l *Lab) forEnded(do func(*server) error) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, s := range l.servers {
		if !s.running() {
			if err := do(s); err != nil {
				return fmt.Errorf("server %d: %w", s.index, err)
			}
		}
	}
	return nil
}

func (l *Lab) logs() string {
	var logs strings.Builder
	for _, s := range l.servers {
		fmt.Fprintf(&logs, "\nserver %d:\n%s", s.index, s.logTail())
	}
	return logs.String()
}

// openSession opens a session of its own at the server, and closes it. The server
// has carried out the first of these two writes when it returns.
func openSession(addr string, within time.Duration) error {
	conn, err := net.DialTimeout("tcp", addr, within)
	if err != nil {
		return err
	}
	defer conn.Close()
	if err := conn.SetDeadline(time.Now().Add(within)); err != nil {
		return err
	}
	// ConnectRequest: protocol version, last zxid seen, session timeout in ms,
	// session id, password.
	request := make([]byte, 4+4+8+4+8+4+16)
	binary.BigEndian.PutUint32(request, uint32(len(request)-4))
	binary.BigEndian.PutUint32(request[16:], 2000)
	binary.BigEndian.PutUint32(request[28:], 16)
	if _, err := conn.Write(request); err != nil {
		return err
	}
	response := make([]byte, 4+4+4+8) // the password and more may follow
	if _, err := io.ReadFull(conn, response); err != nil {
		return err
	}
	if binary.BigEndian.Uint32(response[8:]) == 0 {
		return fmt.Errorf("the server at %s refused a session", addr)
	}
	_, err = conn.Write([]byte{0, 0, 0, 8, 0, 0, 0, 1, 0xff, 0xff, 0xff, 0xf5}) // closeSession
	return err
}
