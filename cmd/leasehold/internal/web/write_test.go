package web_test

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"leasehold.example/leasehold"
	"leasehold.example/leasehold/cmd/leasehold/internal/web"
	"leasehold.example/leasehold/leasetest"
	"leasehold.example/leasehold/runlog"
)

// writing lets a server change the leases of a store, of a new one if it is nil.
func writing(t *testing.T, store leasehold.Store) func(*web.Server) {
	if store == nil {
		store = leasetest.NewStore()
		t.Cleanup(func() { store.Close() })
	}
	return func(s *web.Server) {
		s.User = "root@web-1"
		s.Client = func() *leasehold.Client { return &leasehold.Client{Store: store} }
	}
}

// A fickleStore can't be read once a run log was changed.
type fickleStore struct {
	*leasetest.Store
	gone atomic.Bool
}

func (s *fickleStore) EditLog(ctx context.Context, path string, edit leasehold.LogEdit) error {
	err := s.Store.EditLog(ctx, path, edit)
	s.gone.Store(true)
	return err
}

func (s *fickleStore) Read(ctx context.Context, path string) (leasehold.Entry, error) {
	if s.gone.Load() {
		return leasehold.Entry{}, leasehold.ErrUnreachable
	}
	return s.Store.Read(ctx, path)
}

// What was done is no error, also if nothing can be read afterwards: who is told that the
// store can't be reached asks again.
func TestWriteIsNoErrorAfterwards(t *testing.T) {
	t.Parallel()
	store := &fickleStore{Store: leasetest.NewStore()}
	s := serve(t, writing(t, store), held("/db/x", "host-a"))
	got := s.do(t, http.MethodPost, "/api/v1/leases/db/x", form("action=pause", "reason=r"), nil)
	want(t, "status", got.status, http.StatusNoContent)
}

func form(pairs ...string) url.Values {
	v := url.Values{}
	for _, p := range pairs {
		name, value, _ := strings.Cut(p, "=")
		v.Set(name, value)
	}
	return v
}

func TestWrite(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	store := leasetest.NewStore()
	client := leasehold.Client{Store: store, Holder: "host-a"}
	lease, err := client.TryAcquire(ctx, "/db/x", time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	var mu sync.Mutex
	var said []string
	s := serve(t, func(s *web.Server) {
		writing(t, store)(s)
		s.Say = func(format string, args ...any) {
			mu.Lock()
			defer mu.Unlock()
			said = append(said, fmt.Sprintf(format, args...))
		}
	}, held("/db/x", "host-a"))
	post := func(path string, fields ...string) answer {
		t.Helper()
		return s.do(t, http.MethodPost, "/api/v1/leases"+path, form(fields...), nil)
	}
	token := fmt.Sprint("token=", lease.Token())
	for _, test := range []struct {
		fields  string
		status  int
		message string
	}{
		{"action=release&token=999999&reason=r", http.StatusConflict, "has the token"},
		{"action=release&token=x&reason=r", http.StatusBadRequest, "want a positive number"},
		{"action=release&reason=r", http.StatusBadRequest, "want a positive number"},
		{"action=release&" + token, http.StatusBadRequest, "missing reason"},
		{"action=pause&reason=+", http.StatusBadRequest, "missing reason"},
		{"action=pause&reason=" + strings.Repeat("x", 513), http.StatusBadRequest, "at most 512"},
		{"action=pause&reason=" + strings.Repeat("x", 10_000), http.StatusBadRequest, "too large"},
		{"action=drop&reason=r", http.StatusBadRequest, "want release, again, pause or resume"},
		{"", http.StatusBadRequest, "missing reason"},
		{"action=again&reason=r", http.StatusConflict, "no tick was begun yet"},
	} {
		fields, err := url.ParseQuery(test.fields)
		if err != nil {
			t.Fatal(err)
		}
		got := s.do(t, http.MethodPost, "/api/v1/leases/db/x", fields, nil)
		want(t, test.fields[:min(40, len(test.fields))], got.status, test.status)
		wantIn(t, test.fields[:min(40, len(test.fields))], got.body, test.message)
	}
	want(t, "no path", post("/", "action=pause", "reason=r").status, http.StatusBadRequest)
	want(t, "what is not served", post("/other", "action=pause", "reason=r").status, http.StatusNotFound)
	if log, err := client.Runs(ctx, "/other"); err != nil || log.Head.Paused != nil {
		t.Errorf("got %+v and %v, want that nothing was changed", log, err)
	}
	want(t, "in the query", s.do(t, http.MethodPost, "/api/v1/leases/db/x?action=pause&reason=r", form(), nil).status, http.StatusBadRequest)
	if status, err := client.Status(ctx, "/db/x"); err != nil || status.State != leasehold.Held {
		t.Fatalf("got %v and %v, want that nothing was changed", status, err)
	}

	got := post("/db/x", "action=pause", "reason=a migration")
	want(t, "pause", got.status, http.StatusOK)
	wantIn(t, "pause", got.body, `"run":"paused"`)
	log, err := client.Runs(ctx, "/db/x")
	if err != nil || log.Head.Paused == nil || log.Head.Paused.By != "root@web-1" || log.Head.Paused.Reason != "a migration" {
		t.Errorf("got %+v and %v, want a pause by root@web-1", log.Head.Paused, err)
	}
	want(t, "resume", post("/db/x", "action=resume", "reason=done").status, http.StatusOK)
	got = post("/db/x", "action=release", token, "reason=its host is dead")
	want(t, "release", got.status, http.StatusOK)
	wantIn(t, "release", got.body, `"state":"free"`)
	want(t, "release twice", post("/db/x", "action=release", token, "reason=its host is dead").status, http.StatusOK)

	if log, err = client.Runs(ctx, "/db/x"); err != nil || len(log.Runs) != 2 || log.Runs[0].Result != runlog.Resumed {
		t.Errorf("got %+v and %v, want a pause and its end", log.Runs, err)
	}
	mu.Lock()
	defer mu.Unlock()
	wantIn(t, "said", strings.Join(said, "\n"), `release of /db/x by "root@web-1": its host is dead (done)`)
}

// TestAgain: who has confirmed one more run of a tick does not get one of a later tick.
func TestAgain(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	store := leasetest.NewStore()
	client := leasehold.Client{Store: store}
	log := nightly("/a").Log
	if err := store.EditLog(ctx, "/a", func([]byte) ([]byte, error) { return log.Marshal() }); err != nil {
		t.Fatal(err)
	}
	tick := log.Head.Tick
	s := serve(t, writing(t, store), held("/a", "host-a"))
	again := func(tick time.Time) answer {
		t.Helper()
		return s.do(t, http.MethodPost, "/api/v1/leases/a", form("action=again", "reason=r", "tick="+tick.Format(time.RFC3339)), nil)
	}
	got := again(tick.AddDate(0, 0, -1))
	want(t, "another tick", got.status, http.StatusConflict)
	wantIn(t, "another tick", got.body, "not that of "+tick.AddDate(0, 0, -1).Format(time.RFC3339))
	if after, err := client.Runs(ctx, "/a"); err != nil || len(after.Runs) != len(log.Runs) {
		t.Errorf("got %+v and %v, want that nothing was changed", after.Runs, err)
	}
	want(t, "this tick", again(tick).status, http.StatusOK)
	if after, err := client.Runs(ctx, "/a"); err != nil || after.Runs[0].Result != runlog.Reopened {
		t.Errorf("got %+v and %v, want that the tick may be run again", after.Runs, err)
	}
}

// TestUserHeader: behind a proxy the user is who it says, and one user alone.
func TestUserHeader(t *testing.T) {
	t.Parallel()
	store := leasetest.NewStore()
	s := serve(t, func(s *web.Server) {
		writing(t, store)(s)
		s.UserHeader = "X-Remote-User"
	}, held("/a", "host-a"))
	for _, test := range []struct {
		users  []string
		status int
	}{
		{nil, http.StatusForbidden},
		{[]string{""}, http.StatusForbidden},
		{[]string{"ann", "bob"}, http.StatusForbidden},
		{[]string{strings.Repeat("x", 1025)}, http.StatusForbidden},
		{[]string{"ann"}, http.StatusOK},
	} {
		got := s.do(t, http.MethodPost, "/api/v1/leases/a", form("action=pause", "reason=r"), func(r *http.Request) {
			r.Header["X-Remote-User"] = test.users
		})
		want(t, fmt.Sprintf("%.20q", test.users), got.status, test.status)
	}
	log, err := (&leasehold.Client{Store: store}).Runs(context.Background(), "/a")
	if err != nil || log.Head.Paused == nil || log.Head.Paused.By != "ann" {
		t.Errorf("got %+v and %v, want a pause by ann", log.Head.Paused, err)
	}
}

// TestWriteUnreached: before the store was ever reached nothing is changed.
func TestWriteUnreached(t *testing.T) {
	t.Parallel()
	s := serve(t, func(s *web.Server) { s.Client = func() *leasehold.Client { return nil } })
	got := s.do(t, http.MethodPost, "/api/v1/leases/a", form("action=pause", "reason=r"), nil)
	want(t, "status", got.status, http.StatusServiceUnavailable)
	wantIn(t, "body", got.body, "store unreachable")
}
