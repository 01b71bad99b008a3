package leasetest

import (
	"testing"
)

func testRenew(t *testing.T, f *fixture) {
	e := f.grant(f.path, "first")
	renewed := f.renew(e, "second")
	if renewed.Token != e.Token || !renewed.Since.Equal(e.Since) || string(renewed.Data) != "second" || renewed.Path != f.path {
		t.Fatalf("Renew: got path %q, data %q, token %d, since %s, want %q, %q, %d, %s", renewed.Path, renewed.Data, renewed.Token, renewed.Since, f.path, "second", e.Token, e.Since)
	}
	f.another().wantUnchanged(renewed)
	f.wantUnchanged(f.renew(renewed, "third"))
}

func testRenewAfterGrant(_ *testing.T, f *fixture) {
	g := f.another()
	for _, holder := range []string{"host-b", "host-a"} { // the same holder supersedes itself
		e := f.grant(f.path, "same data")
		later := g.grant(f.path, "same data")
		_, err := f.Renew(f.context(), e, []byte("stale"))
		f.wantLost("Renew after a later grant to "+holder, err)
		f.wantUnchanged(later)
		g.wantUnchanged(g.renew(later, "renewed"))
		_, err = f.Renew(f.context(), e, []byte("stale"))
		f.wantLost("Renew after a later grant was renewed", err)
		f.wantRecord(f.path, "renewed", later.Token)
	}
}

func testRenewAfterRelease(_ *testing.T, f *fixture) {
	e := f.grant(f.path, "first")
	f.release(e, "released")
	_, err := f.Renew(f.context(), e, []byte("stale"))
	f.wantLost("Renew after release", err)
	f.wantRecord(f.path, "released", f.read(f.path).Token)

	later := f.grant(f.path, "first") // the same bytes again
	_, err = f.Renew(f.context(), e, []byte("stale"))
	f.wantLost("Renew after release and another grant", err)
	f.wantUnchanged(later)
}

func testRenewNothing(_ *testing.T, f *fixture) {
	e := f.grant(f.path, "first")
	e.Path += "/elsewhere"
	_, err := f.Renew(f.context(), e, []byte("stale"))
	f.wantLost("Renew where nothing is", err)
	f.wantLost("Release where nothing is", f.Release(f.context(), e, []byte("stale"), nil))
	f.wantNothing(e.Path)
}

func testRelease(t *testing.T, f *fixture) {
	e := f.grant(f.path, "first")
	e = f.renew(e, "second")
	f.release(e, "released")
	if got := f.another().read(f.path); string(got.Data) != "released" {
		t.Fatalf("Read after Release: got data %q, want %q", got.Data, "released")
	}
	later := f.grant(f.path, "third")
	if later.Token <= e.Token {
		t.Fatalf("Grant after Release: got token %d, want more than %d", later.Token, e.Token)
	}
	f.wantUnchanged(later)
}

func testReleaseAfterGrant(_ *testing.T, f *fixture) {
	e := f.grant(f.path, "same data")
	later := f.another().grant(f.path, "same data")
	f.wantLost("Release after a later grant", f.Release(f.context(), e, []byte("stale"), nil))
	f.wantUnchanged(later)

	f.release(later, "released")
	again := f.grant(f.path, "same data")
	f.wantLost("Release after release and another grant", f.Release(f.context(), e, []byte("stale"), nil))
	f.wantUnchanged(again)
	f.wantUnchanged(f.renew(again, "renewed"))
}

func testReleaseTwice(_ *testing.T, f *fixture) {
	e := f.grant(f.path, "first")
	f.release(e, "released")
	f.wantLost("Release after release", f.Release(f.context(), e, []byte("stale"), nil))
	if got := f.read(f.path); string(got.Data) != "released" {
		f.t.Fatalf("Read after a second Release: got data %q, want %q", got.Data, "released")
	}
}

func testReleaseByReader(_ *testing.T, f *fixture) {
	e := f.grant(f.path, "first")
	e = f.renew(e, "second")
	g := f.another()
	g.release(g.read(f.path), "released by another process")
	if got := f.read(f.path); string(got.Data) != "released by another process" {
		f.t.Fatalf("Read after Release: got data %q, want what it left", got.Data)
	}
	_, err := f.Renew(f.context(), e, []byte("stale"))
	f.wantLost("Renew after release by another process", err)
	f.wantLost("Release after release by another process", f.Release(f.context(), e, []byte("stale"), nil))
}

func testReleaseByReaderTooLate(_ *testing.T, f *fixture) {
	f.grant(f.path, "same data")
	g := f.another()
	seen := g.read(f.path)
	later := f.grant(f.path, "same data")
	f.wantLost("Release of what was read before a later grant", g.Release(g.context(), seen, []byte("stale"), nil))
	f.wantUnchanged(later)

	seen = g.read(f.path)
	f.release(later, "released")
	again := f.grant(f.path, "same data")
	f.wantLost("Release of what was read before release and another grant", g.Release(g.context(), seen, []byte("stale"), nil))
	f.wantUnchanged(again)
}

// A grant that does not stand is undone by a Release that leaves the record
// which was there before. Whose that is may then still give it up.
func testReleaseToFormer(_ *testing.T, f *fixture) {
	f.grant(f.path, "of host-a")
	taken := f.grant(f.path, "of host-b")
	f.release(taken, "of host-a")
	g := f.another()
	seen := g.read(f.path)
	if string(seen.Data) != "of host-a" {
		f.t.Fatalf("Read after Release: got data %q, want what it left", seen.Data)
	}
	g.release(seen, "released")
	if got := f.read(f.path); string(got.Data) != "released" {
		f.t.Fatalf("Read after Release by a reader: got data %q, want %q", got.Data, "released")
	}
}
