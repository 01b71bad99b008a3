package zookeeper_test

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-zookeeper/zk"

	"leasehold.example/leasehold"
	"leasehold.example/leasehold/internal/kazootest"
	"leasehold.example/leasehold/internal/zktest"
	"leasehold.example/leasehold/zookeeper"
)

// add returns the edit that adds line to a log, unless it is there.
func add(line string) leasehold.LogEdit {
	return func(data []byte) ([]byte, error) {
		if bytes.Contains(data, []byte(line+"\n")) {
			return data, nil
		}
		return append(data, line+"\n"...), nil
	}
}

// remove returns the edit that takes line out of a log.
func remove(line string) leasehold.LogEdit {
	return func(data []byte) ([]byte, error) { return bytes.ReplaceAll(data, []byte(line+"\n"), nil), nil }
}

// enter returns what grants a lease to holder, whoever has it, and adds line to
// its run log.
func enter(t testing.TB, holder, line string) func(leasehold.Entry) (leasehold.Proposal, error) {
	data := []byte(recordOf(t, holder, time.Now().Add(time.Minute)))
	return func(old leasehold.Entry) (leasehold.Proposal, error) {
		if old.Log == nil {
			return leasehold.Proposal{}, leasehold.ErrNeedsLog
		}
		log, err := add(line)(old.Log.Data)
		undo := []byte(recordOf(t, holder, time.Unix(0, 0)))
		return leasehold.Proposal{Data: data, Undo: undo, Log: log, UndoLog: remove(line)}, err
	}
}

func grantLogged(t testing.TB, s leasehold.Store, known leasehold.Entry, holder, line string) leasehold.Entry {
	t.Helper()
	e, _, err := s.Grant(t.Context(), known, enter(t, holder, line))
	if err != nil {
		t.Fatalf("grant with a log: %v", err)
	}
	return e
}

func edit(t testing.TB, s leasehold.Store, path, line string) {
	t.Helper()
	if err := s.EditLog(t.Context(), path, add(line)); err != nil {
		t.Fatal(err)
	}
}

func readLog(t testing.TB, s leasehold.Store, known leasehold.Entry) leasehold.Entry {
	t.Helper()
	e, err := s.ReadLog(t.Context(), known)
	if err != nil {
		t.Fatal(err)
	}
	return e
}

// wantLog fails t unless the run log at path has these lines.
func wantLog(t testing.TB, conn *zk.Conn, path string, lines ...string) {
	t.Helper()
	data, _, err := conn.Get(path)
	if err != nil {
		t.Fatal(err)
	}
	want := ""
	for _, line := range lines {
		want += line + "\n"
	}
	if string(data) != want {
		t.Errorf("got the run log %q, want %q", data, want)
	}
}

// A full log takes longer to read and to write than a request: it is decided on
// once, unless something was read again.
func TestLogIsDecidedOnOnce(t *testing.T) {
	t.Parallel()
	server := zktest.Shared(t)
	s := open(t, server.Addr())
	path := freshPath(t)
	grantLogged(t, s, leasehold.Entry{Path: path}, "host-a", "1")
	read := func() leasehold.Entry {
		e, err := s.Read(t.Context(), path)
		if err != nil {
			t.Fatal(err)
		}
		return e
	}
	for name, known := range map[string]func() leasehold.Entry{
		"nothing was read before":    func() leasehold.Entry { return leasehold.Entry{Path: path} },
		"the record was read before": read,
		"the record was watched": func() leasehold.Entry {
			e, _, err := s.Watch(t.Context(), path)
			if err != nil {
				t.Fatal(err)
			}
			return readLog(t, s, e)
		},
	} {
		calls := 0
		propose := enter(t, "host-a", name)
		_, _, err := s.Grant(t.Context(), known(), func(old leasehold.Entry) (leasehold.Proposal, error) {
			if old.Log != nil {
				calls++
			}
			return propose(old)
		})
		if err != nil || calls != 1 {
			t.Errorf("%s: got %d decisions on the log and error %v, want 1", name, calls, err)
		}
	}
}

// kazoo takes the lease over after the record was read, and before the log and the
// children are: what was decided by then does not count.
func TestKazooTakesOverBeforeTheLogIsRead(t *testing.T) {
	t.Parallel()
	server := zktest.Shared(t)
	conn := zktest.Conn(t, server.Addr())
	python := kazootest.Start(t, server.Addr())
	s := open(t, server.Addr())
	path := freshPath(t)
	expire(t, conn, path, "host-p")
	edit(t, s, path, "1")
	held := errors.New("held")
	propose := enter(t, "host-a", "2")
	_, _, err := s.Grant(t.Context(), leasehold.Entry{Path: path}, func(old leasehold.Entry) (leasehold.Proposal, error) {
		if old.Log == nil {
			if ok, err := python.Lease(path, "host-k", time.Minute, time.Time{}); err != nil || !ok {
				t.Errorf("kazoo's grant: got %v, %v", ok, err)
			}
		} else if strings.Contains(string(old.Data), "host-k") {
			return leasehold.Proposal{}, held
		}
		return propose(old)
	})
	if err != held {
		t.Errorf("got error %v, want the refusal", err)
	}
	wantHolder(t, s, path, "host-k")
	wantLog(t, conn, path, "1")
}

// Somebody changes the log between its reading and the commit.
func TestLogChangesBeforeTheCommit(t *testing.T) {
	t.Parallel()
	server := zktest.Shared(t)
	conn := zktest.Conn(t, server.Addr())
	other := open(t, server.Addr())
	released := []byte(recordOf(t, "host-a", time.Unix(0, 0)))
	refused := errors.New("refused")
	for name, write := range map[string]struct {
		do      func(t *testing.T, s *zookeeper.Store, path string, held leasehold.Entry) error
		commits int
	}{
		"grant": {func(t *testing.T, s *zookeeper.Store, path string, _ leasehold.Entry) error {
			_, _, err := s.Grant(t.Context(), leasehold.Entry{Path: path}, enter(t, "host-a", "mine"))
			return err
		}, 2},
		"release": {func(t *testing.T, s *zookeeper.Store, _ string, held leasehold.Entry) error {
			return s.Release(t.Context(), held, released, add("mine"))
		}, 2},
		"release by another process": {func(t *testing.T, s *zookeeper.Store, path string, _ leasehold.Entry) error {
			e, err := s.Read(t.Context(), path)
			if err != nil {
				return err
			}
			return s.Release(t.Context(), e, released, add("mine"))
		}, 2},
		"release that is refused then": {func(t *testing.T, s *zookeeper.Store, path string, held leasehold.Entry) error {
			err := s.Release(t.Context(), held, released, func(data []byte) ([]byte, error) {
				if bytes.Contains(data, []byte("theirs")) {
					return nil, refused
				}
				return append(data, "wrong"...), nil
			})
			if err != refused {
				return fmt.Errorf("got %w, want that the edit is refused", err)
			}
			wantHolder(t, s, path, "host-a")
			return s.Release(t.Context(), held, released, add("mine"))
		}, 3},
		"edit": {func(t *testing.T, s *zookeeper.Store, path string, _ leasehold.Entry) error {
			return s.EditLog(t.Context(), path, add("mine"))
		}, 2},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			path := strings.ReplaceAll(freshPath(t), " ", "-")
			s := open(t, server.Addr())
			held := grantLogged(t, s, leasehold.Entry{Path: path}, "host-a", "first")
			commits := 0
			s.BeforeCommit(func() {
				if commits++; commits == 1 {
					edit(t, other, path, "theirs")
				}
			})
			if err := write.do(t, s, path, held); err != nil {
				t.Error(err)
			}
			wantLog(t, conn, path, "first", "theirs", "mine")
			if commits != write.commits {
				t.Errorf("got %d attempts to commit, want %d", commits, write.commits)
			}
			wantNoDebris(t, conn, path)
		})
	}
}

// There was no path when the log was read; another makes it meanwhile, with a log
// in it, whose version is that of a log that was never written.
func TestLogOfAPathThatWasMadeMeanwhile(t *testing.T) {
	t.Parallel()
	server := zktest.Shared(t)
	conn := zktest.Conn(t, server.Addr())
	s, other := open(t, server.Addr()), open(t, server.Addr())
	for name, write := range map[string]func(known leasehold.Entry){
		"known":  func(known leasehold.Entry) { grantLogged(t, s, known, "host-a", "mine") },
		"edited": func(known leasehold.Entry) { edit(t, s, known.Path, "mine") },
	} {
		path := freshPath(t) + name
		known := readLog(t, s, leasehold.Entry{Path: path})
		if known.Log == nil || len(known.Log.Data) > 0 || !known.Log.Written.IsZero() {
			t.Errorf("%s: got %v, want an empty log", name, known.Log)
		}
		edit(t, other, path, "theirs")
		write(known)
		wantLog(t, conn, path, "theirs", "mine")
	}
	path := freshPath(t)
	var once sync.Once
	s.BeforeCommit(func() { once.Do(func() { edit(t, other, path, "theirs") }) })
	edit(t, s, path, "mine")
	wantLog(t, conn, path, "theirs", "mine")
}

// Many edit, some of them by grants and releases, and no line is lost.
func TestManyEditTheLog(t *testing.T) {
	t.Parallel()
	server := zktest.Shared(t)
	path := freshPath(t) + "/new"
	released := []byte(recordOf(t, "host-a", time.Unix(0, 0)))
	var wg sync.WaitGroup
	var want []string
	for i := range 6 {
		s := open(t, server.Addr())
		for n := range 5 {
			want = append(want, fmt.Sprintf("grant %d of %d", n, i), fmt.Sprintf("edit %d of %d", n, i))
		}
		wg.Go(func() {
			for n := range 5 {
				held, _, err := s.Grant(t.Context(), leasehold.Entry{Path: path}, enter(t, "host-a", fmt.Sprintf("grant %d of %d", n, i)))
				if err != nil {
					t.Error(err)
					return
				}
				done := fmt.Sprintf("edit %d of %d", n, i)
				if err := s.Release(t.Context(), held, released, add(done)); errors.Is(err, leasehold.ErrLost) {
					err = s.EditLog(t.Context(), path, add(done))
					if err != nil {
						t.Error(err)
					}
				} else if err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	log := readLog(t, open(t, server.Addr()), leasehold.Entry{Path: path}).Log
	got := strings.Split(strings.TrimSuffix(string(log.Data), "\n"), "\n")
	slices.Sort(got)
	slices.Sort(want)
	if !slices.Equal(got, want) {
		t.Errorf("got the lines %q, want %q", got, want)
	}
}

// kazoo takes and renews a lease over a log, and so does who asks for none.
func TestKazooTakesNoNoticeOfTheLog(t *testing.T) {
	t.Parallel()
	server := zktest.Shared(t)
	python := kazootest.Start(t, server.Addr())
	conn := zktest.Conn(t, server.Addr())
	path := freshPath(t)
	s := open(t, server.Addr())
	long := strings.Repeat("x", 4499)
	edit(t, s, path, long)
	before, _, err := conn.Children(path)
	if err != nil || len(before) > 0 {
		t.Errorf("after an edit: got the nodes %v and error %v below it, want none", before, err)
	}
	kazoo := func(now time.Time) {
		t.Helper()
		if ok, err := python.Lease(path, "host-p", time.Minute, now); err != nil || !ok {
			t.Errorf("kazoo: got %t and error %v, want the lease", ok, err)
		}
	}
	kazoo(time.Time{})
	if e, err := s.Read(t.Context(), path); err != nil || !e.ByKazoo {
		t.Errorf("got %+v and error %v, want that kazoo wrote it", e, err)
	}
	edit(t, s, path, "while kazoo has it")
	kazoo(time.Time{})
	kazoo(time.Now().Add(-time.Hour)) // to have an end that is past
	_, replaced, err := s.Grant(t.Context(), leasehold.Entry{Path: path}, enter(t, "host-a", "mine"))
	if err != nil || !replaced.ByKazoo {
		t.Errorf("got %+v replaced and error %v, want that kazoo wrote it", replaced, err)
	}
	if e, err := s.Read(t.Context(), path); err != nil || e.ByKazoo {
		t.Errorf("got %+v and error %v, want that kazoo did not write it", e, err)
	}
	if _, err := client(s, "host-a").TryAcquire(t.Context(), path, time.Minute); err != nil {
		t.Error(err)
	}
	wantLog(t, conn, path, long, "while kazoo has it", "mine")
	wantNoDebris(t, conn, path)
}

// To set the log changes nothing that the guard goes by.
func TestLogDoesNotCountAsAChild(t *testing.T) {
	t.Parallel()
	server := zktest.Shared(t)
	conn := zktest.Conn(t, server.Addr())
	path := freshPath(t)
	acquire(t, open(t, server.Addr()), "host-a", path)
	_, before, err := conn.Exists(path)
	if err != nil {
		t.Fatal(err)
	}
	edit(t, open(t, server.Addr()), path, "1")
	_, after, err := conn.Exists(path)
	if err != nil {
		t.Fatal(err)
	}
	if after.Version != before.Version+1 || after.Cversion != before.Cversion || after.Pzxid != before.Pzxid || after.NumChildren != before.NumChildren {
		t.Errorf("got %+v, want the version alone to differ from %+v", after, before)
	}
}
