package leasehold_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"leasehold.example/leasehold"
	"leasehold.example/leasehold/leasetest"
)

// untouchable is a Store that must not be asked for anything.
type untouchable struct{ t *testing.T }

func (u untouchable) touch(request string) error {
	u.t.Errorf("got a request to %s, want none", request)
	return errors.New("touched")
}

func (u untouchable) Read(context.Context, string) (leasehold.Entry, error) {
	return leasehold.Entry{}, u.touch("read")
}

func (u untouchable) Grant(_ context.Context, known leasehold.Entry, _ func(leasehold.Entry) (leasehold.Proposal, error)) (granted, replaced leasehold.Entry, err error) {
	return known, known, u.touch("grant")
}

func (u untouchable) TimeMissing() leasehold.Instant {
	u.t.Error("the store was asked for TimeMissing")
	return leasehold.Instant{}
}

func (u untouchable) Connection() context.Context {
	u.t.Error("the store was asked for Connection")
	return u.t.Context()
}

func (u untouchable) LastStamp() leasehold.Stamp {
	_ = u.touch("tell its last stamp")
	return leasehold.Stamp{}
}

func (u untouchable) Renew(context.Context, leasehold.Entry, []byte) (leasehold.Entry, error) {
	return leasehold.Entry{}, u.touch("renew")
}

func (u untouchable) Release(context.Context, leasehold.Entry, []byte, leasehold.LogEdit) error {
	return u.touch("release")
}

func (u untouchable) ReadLog(_ context.Context, known leasehold.Entry) (leasehold.Entry, error) {
	return known, u.touch("read a log")
}

func (u untouchable) EditLog(context.Context, string, leasehold.LogEdit) error {
	return u.touch("edit a log")
}

func (u untouchable) Watch(context.Context, string) (leasehold.Entry, <-chan struct{}, error) {
	return leasehold.Entry{}, nil, u.touch("watch")
}

func (u untouchable) List(context.Context, string) ([]string, error) {
	return nil, u.touch("list")
}

func (u untouchable) Close() error { return u.touch("close") }

// A call is one of a Client's that take the arguments that may be bad.
type call struct {
	path     string
	n        int
	duration time.Duration
	client   leasehold.Client
}

var calls = map[string]func(context.Context, call) error{
	"TryAcquire": func(ctx context.Context, c call) error {
		_, err := c.client.TryAcquire(ctx, c.path, c.duration)
		return err
	},
	"Acquire": func(ctx context.Context, c call) error {
		_, err := c.client.Acquire(ctx, c.path, c.duration)
		return err
	},
	"TryAcquireSlot": func(ctx context.Context, c call) error {
		_, err := c.client.TryAcquireSlot(ctx, c.path, c.n, c.duration)
		return err
	},
	"AcquireSlot": func(ctx context.Context, c call) error {
		_, err := c.client.AcquireSlot(ctx, c.path, c.n, c.duration)
		return err
	},
	"Release":      func(ctx context.Context, c call) error { return c.client.Release(ctx, c.path) },
	"ReleaseSlots": func(ctx context.Context, c call) error { return c.client.ReleaseSlots(ctx, c.path, c.n) },
	"ForceRelease": func(ctx context.Context, c call) error { return c.client.ForceRelease(ctx, c.path, 1) },
	"Status": func(ctx context.Context, c call) error {
		_, err := c.client.Status(ctx, c.path)
		return err
	},
	"StatusSlots": func(ctx context.Context, c call) error {
		_, err := c.client.StatusSlots(ctx, c.path, c.n)
		return err
	},
	"List": func(ctx context.Context, c call) error {
		if c.path == "/" { // which List takes
			c.path = ""
		}
		_, err := c.client.List(ctx, c.path)
		return err
	},
}

func TestBadArgumentsReachNoStore(t *testing.T) {
	t.Parallel()
	const (
		all       = "TryAcquire Acquire TryAcquireSlot AcquireSlot Release ReleaseSlots ForceRelease Status StatusSlots List"
		acquiring = "TryAcquire Acquire TryAcquireSlot AcquireSlot"
		slots     = "TryAcquireSlot AcquireSlot ReleaseSlots StatusSlots"
		holders   = acquiring + " Release ReleaseSlots"
	)
	duration := func(d time.Duration) func(*call) { return func(c *call) { c.duration = d } }
	paths := func(path string) func(*call) { return func(c *call) { c.path = path } }
	number := func(n int) func(*call) { return func(c *call) { c.n = n } }
	holder := func(name string) func(*call) { return func(c *call) { c.client.Holder = name } }
	for _, test := range []struct {
		name     string
		spoil    func(*call)
		calls    string
		argument string
	}{
		{"no path", paths(""), all, "path"},
		{"relative path", paths("a/b"), all, "path"},
		{"root", paths("/"), all, "path"},
		{"slash at the end", paths("/a/"), all, "path"},
		{"empty component", paths("/a//b"), all, "path"},
		{"dots", paths("/a/../b"), all, "path"},
		{"the server's own", paths("/zookeeper/quota"), all, "path"},
		{"record", paths("/a/lease_holder"), all, "path"},
		{"lock node", paths("/a/0123456789abcdef0123456789abcdef__lock__0000000001"), all, "path"},
		{"grant node", paths("/a/grant-0123456789abcdef-0000000001"), all, "path"},
		{"NUL in the path", paths("/a\x00"), all, "path"},
		{"path not UTF-8", paths("/a\xff"), all, "path"},

		{"no duration", duration(0), acquiring, "duration"},
		{"negative duration", duration(-time.Hour), acquiring, "duration"},
		{"less than a second", duration(time.Second - 1), acquiring, "duration"},
		{"end after the year 9999", func(c *call) {
			c.client.Now = func() time.Time { return time.Date(9999, 12, 31, 23, 59, 0, 0, time.UTC) }
		}, acquiring, "duration"},
		{"negative MaxClockSkew", func(c *call) { c.client.MaxClockSkew = -1 }, acquiring, "duration"},
		{"MaxClockSkew leaves nothing", func(c *call) { c.client.MaxClockSkew = time.Minute }, acquiring, "duration"},

		{"no slots", number(0), slots, "slots"},
		{"negative slots", number(-1), slots, "slots"},
		{"too many slots", number(10_001), slots, "slots"},

		{"holder not UTF-8", holder("host-\xff"), holders, "holder"},
		{"holder too long", holder(strings.Repeat("x", 1025)), holders, "holder"},
	} {
		for name := range strings.FieldsSeq(test.calls) {
			t.Run(test.name+"/"+name, func(t *testing.T) {
				t.Parallel()
				c := call{
					path: path, n: 3, duration: time.Minute,
					client: leasehold.Client{Store: untouchable{t}, Holder: "host-a"},
				}
				test.spoil(&c)
				err := calls[name](t.Context(), c)
				var bad *leasehold.ArgumentError
				if !errors.As(err, &bad) || bad.Name != test.argument || bad.Want == "" {
					t.Fatalf("got error %v, want an ArgumentError about the %s", err, test.argument)
				}
			})
		}
	}
}

// A Client without a Store is told so, by every call.
func TestNoStore(t *testing.T) {
	c := &leasehold.Client{Holder: "host-a"}
	ctx := t.Context()
	for name, call := range map[string]func() error{
		"TryAcquire":     func() error { _, err := c.TryAcquire(ctx, "/x", time.Minute); return err },
		"TryAcquireSlot": func() error { _, err := c.TryAcquireSlot(ctx, "/x", 2, time.Minute); return err },
		"Acquire":        func() error { _, err := c.Acquire(ctx, "/x", time.Minute); return err },
		"AcquireSlot":    func() error { _, err := c.AcquireSlot(ctx, "/x", 2, time.Minute); return err },
		"Release":        func() error { return c.Release(ctx, "/x") },
		"ReleaseSlots":   func() error { return c.ReleaseSlots(ctx, "/x", 2) },
		"ForceRelease":   func() error { return c.ForceRelease(ctx, "/x", 1) },
		"Status":         func() error { _, err := c.Status(ctx, "/x"); return err },
		"StatusSlots":    func() error { _, err := c.StatusSlots(ctx, "/x", 2); return err },
		"List":           func() error { _, err := c.List(ctx, "/"); return err },
	} {
		var bad *leasehold.ArgumentError
		if err := call(); !errors.As(err, &bad) || bad.Name != "Client" {
			t.Errorf("%s: got %v, want an *ArgumentError about the Client", name, err)
		}
	}
}

// forgetful is a Store that returns nothing from a grant.
type forgetful struct{ *leasetest.Store }

func (f forgetful) Grant(ctx context.Context, known leasehold.Entry, decide func(leasehold.Entry) (leasehold.Proposal, error)) (granted, replaced leasehold.Entry, err error) {
	_, replaced, err = f.Store.Grant(ctx, known, decide)
	return leasehold.Entry{Path: known.Path}, replaced, err
}

func TestGrantWithoutRecord(t *testing.T) {
	t.Parallel()
	_, err := client(forgetful{leasetest.NewStore()}, "host-a").TryAcquire(t.Context(), path, time.Minute)
	if err == nil || strings.Contains(err.Error(), "%!") || !strings.Contains(err.Error(), "no record") {
		t.Errorf("got %v, want an error that says that the store returned no record", err)
	}
}

// A store may have trouble with a run log that nobody has asked for.
type withoutRunLogs struct{ *leasetest.Store }

func (withoutRunLogs) Grant(_ context.Context, known leasehold.Entry, _ func(leasehold.Entry) (leasehold.Proposal, error)) (granted, replaced leasehold.Entry, err error) {
	return known, known, &leasehold.LogError{Path: known.Path, Err: errors.New("no")}
}

func TestLogErrorOfAPlainGrant(t *testing.T) {
	t.Parallel()
	_, err := client(withoutRunLogs{leasetest.NewStore()}, "host-a").TryAcquire(t.Context(), path, time.Minute)
	var bad *leasehold.LogError
	if !errors.As(err, &bad) {
		t.Errorf("got %v, want the LogError", err)
	}
}
