package zookeeper_test

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-zookeeper/zk"

	"leasehold.example/leasehold"
	"leasehold.example/leasehold/internal/zktest"
	"leasehold.example/leasehold/zookeeper"
)

// Each change of the log is made once, whatever becomes of the reply.
func TestLostRepliesAboutTheLog(t *testing.T) {
	t.Parallel()
	released := []byte(recordOf(t, "host-a", time.Unix(0, 0)))
	writes := map[string]func(t *testing.T, s *zookeeper.Store, held leasehold.Entry) error{
		"grant": func(t *testing.T, s *zookeeper.Store, held leasehold.Entry) error {
			_, _, err := s.Grant(t.Context(), leasehold.Entry{Path: held.Path}, enter(t, "host-a", "mine"))
			return err
		},
		"grant on a new path": func(t *testing.T, s *zookeeper.Store, held leasehold.Entry) error {
			_, _, err := s.Grant(t.Context(), leasehold.Entry{Path: held.Path + "/first"}, enter(t, "host-a", "mine"))
			return err
		},
		"release": func(t *testing.T, s *zookeeper.Store, held leasehold.Entry) error {
			return s.Release(t.Context(), held, released, add("mine"))
		},
		"release by another process": func(t *testing.T, s *zookeeper.Store, held leasehold.Entry) error {
			e, err := s.Read(t.Context(), held.Path)
			if err != nil {
				return err
			}
			return s.Release(t.Context(), e, released, add("mine"))
		},
		"edit": func(t *testing.T, s *zookeeper.Store, held leasehold.Entry) error {
			return s.EditLog(t.Context(), held.Path, add("mine"))
		},
		"edit on a new path": func(t *testing.T, s *zookeeper.Store, held leasehold.Entry) error {
			return s.EditLog(t.Context(), held.Path+"/first", add("mine"))
		},
	}
	for name, write := range writes {
		for when, lose := range losses {
			t.Run(name+"/"+when, func(t *testing.T) {
				t.Parallel()
				server := zktest.Shared(t)
				conn := zktest.Conn(t, server.Addr())
				proxy := zktest.NewProxy(t, server.Addr())
				path := freshPath(t)
				s := openWith(t, proxy.Addr(), quick)
				held := grantLogged(t, s, leasehold.Entry{Path: path}, "host-a", "first")
				var once sync.Once
				s.BeforeCommit(func() { once.Do(func() { lose(t, proxy) }) })
				began := time.Now()
				if err := write(t, s, held); err != nil {
					t.Fatalf("got %v after %s, want it done", err, time.Since(began))
				}
				time.Sleep(400 * time.Millisecond) // for what is late
				if strings.Contains(name, "new path") {
					wantLog(t, conn, path, "first")
					wantLog(t, conn, path+"/first", "mine")
				} else {
					wantLog(t, conn, path, "first", "mine")
					wantNoDebris(t, conn, path)
				}
			})
		}
	}
}

// The record has become what a release whose reply was lost was to make of it,
// and it was another of the same holder who did that: the log is edited all the same.
func TestReleasedByAnotherWhileTheOutcomeIsUnknown(t *testing.T) {
	t.Parallel()
	server := zktest.Shared(t)
	conn := zktest.Conn(t, server.Addr())
	released := []byte(recordOf(t, "host-a", time.Unix(0, 0)))
	for _, by := range []string{"holder", "reader"} {
		t.Run(by, func(t *testing.T) {
			t.Parallel()
			proxy := zktest.NewProxy(t, server.Addr())
			path := freshPath(t)
			s, other := openWith(t, proxy.Addr(), quick), open(t, server.Addr())
			held := grantLogged(t, s, leasehold.Entry{Path: path}, "host-a", "first")
			if by == "reader" {
				var err error
				if held, err = s.Read(t.Context(), path); err != nil {
					t.Fatal(err)
				}
			}
			var once sync.Once
			s.BeforeCommit(func() {
				once.Do(func() {
					proxy.HoldRequests(true)
					go func() {
						<-proxy.Held()
						proxy.Cut()
						proxy.HoldRequests(false)
						if err := client(other, "host-a").Release(context.Background(), path); err != nil {
							t.Error(err)
						}
						proxy.Restore()
					}()
				})
			})
			if err := s.Release(t.Context(), held, released, add("mine")); err != nil {
				t.Error(err)
			}
			wantLog(t, conn, path, "first", "mine")
		})
	}
}

// A context that ends while a commit is under way: what was entered is taken out
// again, also if others have changed the log since.
func TestAbandonedGrantIsUndoneInTheLog(t *testing.T) {
	t.Parallel()
	server := zktest.Shared(t)
	conn := zktest.Conn(t, server.Addr())
	for name, test := range map[string]struct {
		meanwhile func(t *testing.T, path string)
		want      []string
		holder    string
	}{
		"nothing happens": {func(*testing.T, string) {}, []string{"first"}, ""},
		"the log is changed": {func(t *testing.T, path string) {
			edit(t, open(t, server.Addr()), path, "theirs")
		}, []string{"first", "theirs"}, ""},
		"another is granted": {func(t *testing.T, path string) {
			grantLogged(t, open(t, server.Addr()), leasehold.Entry{Path: path}, "host-b", "theirs")
		}, []string{"first", "theirs"}, "host-b"},
		"kazoo takes it": {func(t *testing.T, path string) {
			takeLikeKazoo(t, conn, path)
		}, []string{"first"}, "host-k"},
		"the log may not be written": {func(t *testing.T, path string) {
			if _, err := conn.SetACL(path, zk.WorldACL(zk.PermAll&^zk.PermWrite), -1); err != nil {
				t.Error(err)
			}
		}, []string{"first", "mine"}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			proxy := zktest.NewProxy(t, server.Addr())
			path := strings.ReplaceAll(freshPath(t), " ", "-")
			s := openWith(t, proxy.Addr(), quick)
			edit(t, s, path, "first")
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			commits := 0
			s.BeforeCommit(func() {
				if commits++; commits == 1 {
					proxy.DropReplies(true)
					go func() {
						<-proxy.Dropped()
						test.meanwhile(t, path)
						cancel()
						time.Sleep(50 * time.Millisecond)
						proxy.DropReplies(false)
					}()
				}
			})
			_, _, err := s.Grant(ctx, leasehold.Entry{Path: path}, enter(t, "host-a", "mine"))
			if !errors.Is(err, leasehold.ErrOutcomeUnknown) {
				t.Errorf("got %v, want ErrOutcomeUnknown", err)
			}
			s.Close() // waits for it
			wantLog(t, conn, path, test.want...)
			if name == "nothing happens" && commits != 2 {
				t.Errorf("got %d commits, want the grant and one that takes it back with its log", commits)
			}
			if test.holder != "" {
				wantHolder(t, open(t, server.Addr()), path, test.holder)
			} else if record, _ := read(t, conn, path); record != recordOf(t, "host-a", time.Unix(0, 0)) {
				t.Errorf("got the record %s, want it released", record)
			}
		})
	}
}

// The reply to a grant is lost, and by the time that it is looked up another has
// the lease: what was entered counts for nothing.
func TestTakenOverWhileTheOutcomeIsUnknown(t *testing.T) {
	t.Parallel()
	server := zktest.Shared(t)
	denied := errors.New("denied")
	for by, test := range map[string]struct {
		meanwhile func(t *testing.T, conn *zk.Conn, path string)
		want      []string
	}{
		"kazoo": {takeLikeKazoo, nil},
		"us": {func(t *testing.T, _ *zk.Conn, path string) {
			grantLogged(t, open(t, server.Addr()), leasehold.Entry{Path: path}, "host-k", "theirs")
		}, []string{"theirs"}},
	} {
		t.Run(by, func(t *testing.T) {
			t.Parallel()
			s, path := losesAReply(t, server, func(conn *zk.Conn, path string) { test.meanwhile(t, conn, path) })
			propose := enter(t, "host-a", "mine")
			_, _, err := s.Grant(t.Context(), leasehold.Entry{Path: path}, func(old leasehold.Entry) (leasehold.Proposal, error) {
				if strings.Contains(string(old.Data), "host-k") {
					return leasehold.Proposal{}, denied
				}
				return propose(old)
			})
			if err != denied {
				t.Errorf("got %v, want a denial", err)
			}
			s.Close() // waits for what is to be undone
			wantLog(t, zktest.Conn(t, server.Addr()), path, test.want...)
		})
	}
}

// takeLikeKazoo gives the lease at path to host-k, whoever has it.
func takeLikeKazoo(t *testing.T, conn *zk.Conn, path string) {
	if err := conn.Delete(path+"/lease_holder", -1); err != nil {
		t.Error(err)
	}
	create(t, conn, path+"/lease_holder", recordOf(t, "host-k", time.Now().Add(time.Hour)))
}

// The ACL of the lease path may let one create below it, and not write to it.
func TestNoRightToTheLog(t *testing.T) {
	t.Parallel()
	server := zktest.Start(t) // of its own: others list all that is on the shared one
	conn := zktest.Conn(t, server.Addr())
	s := open(t, server.Addr())
	released := []byte(recordOf(t, "host-a", time.Unix(0, 0)))
	path := freshPath(t)
	held := grantLogged(t, s, leasehold.Entry{Path: path}, "host-a", "first")
	forbid := func(right int32) {
		t.Helper()
		if _, err := conn.SetACL(path, zk.WorldACL(zk.PermAll&^right), -1); err != nil {
			t.Fatal(err)
		}
	}
	wantLogError := func(what, right, node string, err error) {
		t.Helper()
		var ofTheLog *leasehold.LogError
		if !errors.As(err, &ofTheLog) || ofTheLog.Path != path || !errors.Is(err, leasehold.ErrPermission) || errors.Is(err, leasehold.ErrOutcomeUnknown) {
			t.Errorf("%s: got %v, want a LogError that is an ErrPermission", what, err)
		} else if text := err.Error(); !strings.Contains(text, "the right "+right+" is missing") || !strings.Contains(text, `"`+node+`"`) {
			t.Errorf("%s: got %v, want it to name %s on %s", what, err, right, node)
		}
	}

	forbid(zk.PermWrite)
	_, _, err := s.Grant(t.Context(), leasehold.Entry{Path: path}, enter(t, "host-a", "mine"))
	wantLogError("grant", "WRITE", path, err)
	wantLogError("release", "WRITE", path, s.Release(t.Context(), held, released, add("mine")))
	e, err := s.Read(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	wantLogError("release by another process", "WRITE", path, s.Release(t.Context(), e, released, add("mine")))
	wantLogError("edit", "WRITE", path, s.EditLog(t.Context(), path, add("mine")))
	wantLog(t, conn, path, "first")
	wantHolder(t, s, path, "host-a")
	if _, err := s.Renew(t.Context(), held, held.Data); err != nil {
		t.Errorf("renew: got %v, want nil", err)
	}
	if err := acquire(t, s, "host-a", path).Release(t.Context()); err != nil {
		t.Errorf("release without a log: got %v, want nil", err)
	}

	// Where the children may not be listed either, no lease can be had at all.
	e, _, err = s.Watch(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	forbid(zk.PermRead)
	_, err = s.ReadLog(t.Context(), leasehold.Entry{Path: path})
	wantLogError("read", "READ", path, err)
	wantLogError("edit", "READ", path, s.EditLog(t.Context(), path, add("mine")))
	_, _, err = s.Grant(t.Context(), e, enter(t, "host-a", "mine"))
	wantLogError("grant", "READ", path, err)
	_, _, err = s.Grant(t.Context(), leasehold.Entry{Path: path}, enter(t, "host-a", "mine"))
	wantPermission(t, err, `refuses to list "`+path+`"`)

	forbid(zk.PermCreate)
	above := path
	path += "/below"
	wantLogError("edit on a new path", "CREATE", above, s.EditLog(t.Context(), path, add("mine")))
	_, _, err = s.Grant(t.Context(), leasehold.Entry{Path: path}, enter(t, "host-a", "mine"))
	wantPermission(t, err, `refuses to create nodes below "`+above+`"`)
}
