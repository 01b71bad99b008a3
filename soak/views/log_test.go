package views_test

import (
	"testing"
	"testing/synctest"
	"time"

	"leasehold.example/leasehold/soak/views"
)

// A job fails; the server shows that at once, late, too late, or says that it does not
// know.
func TestDisagreements(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		stale time.Duration // for how long the server shows what was before
		known bool          // it does not say that it is not up to date
		away  bool          // there is no store
		want  int
	}{
		"at once":          {0, true, false, 0},
		"soon enough":      {views.MostStale, true, false, 0},
		"too late":         {2*views.MostStale + time.Second, true, false, 1},
		"and it says so":   {2*views.MostStale + time.Second, false, false, 0},
		"without a store":  {0, true, true, 39},
		"which it notices": {0, false, true, 0},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var log views.Log
				failed := time.Now().Add(time.Second)
				view := func(isFailed bool) views.View {
					v := views.View{Source: "page", Kind: views.Problem, Known: true, Values: map[string]string{"/job": ""}}
					if isFailed {
						v.Values["/job"] = "failed"
					}
					return v
				}
				begun := time.Now()
				for range 100 {
					now := time.Now()
					log.Commands(now, view(now.After(failed)))
					shown := view(now.After(failed.Add(test.stale)))
					shown.Known = test.known
					log.Server(now, shown)
					time.Sleep(100 * time.Millisecond)
				}
				if test.away {
					log.Away(begun.Add(4*time.Second), time.Now())
				}
				if got := log.Disagreements(); len(got) != test.want {
					t.Errorf("got %q, want %d", got, test.want)
				}
			})
		})
	}
}

// What no command has seen, since they were asked seldom, may be right.
func TestCommandsFarApart(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var log views.Log
		view := func(value string) views.View {
			return views.View{Source: "api", Kind: views.Tick, Known: true, Values: map[string]string{"/job": value}}
		}
		log.Commands(time.Now(), view(""))
		for range 40 {
			time.Sleep(100 * time.Millisecond)
			log.Server(time.Now(), view("running"))
		}
		log.Commands(time.Now(), view("success"))
		if got := log.Disagreements(); len(got) > 0 {
			t.Errorf("got %q, want none", got)
		}
	})
}
