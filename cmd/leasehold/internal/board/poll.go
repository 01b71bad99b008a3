package board

import (
	"bytes"
	"context"
	"fmt"
	"time"

	"leasehold.example/leasehold"
)

// pollTime is how often poll looks.
const pollTime = time.Second

// poll tells what changes in a store that does not tell it, as Follow would, by
// reading everything again and again. It is for stores that are on this machine.
func poll(ctx context.Context, store leasehold.Store, prefix string, tell func(leasehold.News)) error {
	ticker := time.NewTicker(pollTime)
	defer ticker.Stop()
	known := map[string]leasehold.Sighting{}
	for {
		asOf := leasehold.ReadInstant()
		found, err := look(ctx, store, prefix)
		if ctx.Err() != nil {
			return nil
		}
		news := leasehold.News{AsOf: asOf, Err: err}
		if err != nil {
			news.AsOf = leasehold.Instant{}
		}
		for path, s := range found {
			if before, ok := known[path]; !ok || !same(s, before) {
				known[path], news.Leases = s, append(news.Leases, s)
			}
		}
		for path := range known {
			if _, ok := found[path]; !ok && err == nil {
				delete(known, path)
				news.Leases = append(news.Leases, leasehold.Sighting{Entry: leasehold.Entry{Path: path}})
			}
		}
		tell(news)
		select {
		case <-ticker.C:
		case <-ctx.Done():
			return nil
		}
	}
}

// look reads all leases at and below prefix. err is about what could not be looked
// into.
func look(ctx context.Context, store leasehold.Store, prefix string) (found map[string]leasehold.Sighting, err error) {
	paths, err := store.List(ctx, prefix)
	found = map[string]leasehold.Sighting{}
	for _, path := range paths {
		s := leasehold.Sighting{}
		s.Entry, s.Err = store.Read(ctx, path)
		var logged leasehold.Entry
		logged, s.LogErr = store.ReadLog(ctx, leasehold.Entry{Path: path})
		if s.Path, s.Log = path, logged.Log; !s.IsGone() {
			found[path] = s
		}
	}
	return found, err
}

func same(a, b leasehold.Sighting) bool {
	return a.Token == b.Token && bytes.Equal(a.Data, b.Data) && bytes.Equal(logData(a), logData(b)) &&
		fmt.Sprint(a.Err, a.LogErr) == fmt.Sprint(b.Err, b.LogErr)
}

func logData(s leasehold.Sighting) []byte {
	if s.Log == nil {
		return nil
	}
	return s.Log.Data
}
