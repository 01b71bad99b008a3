package schedule

import (
	"errors"
	"fmt"
	"strings"
	"time"
)

type Schedule struct {
	expr string
	loc  *time.Location
	f    []string
}

func Parse(expr, zone string) (Schedule, error) {
	loc, err := time.LoadLocation(zone)
	f := strings.Fields(expr)
	if err != nil || len(f) != 5 {
		return Schedule{}, errors.New("bad schedule")
	}
	return Schedule{expr, loc, f}, nil
}
func (s Schedule) String() string { return s.expr }
func (s Schedule) Zone() string   { return s.loc.String() }
func (s Schedule) match(t time.Time) bool {
	t = t.In(s.loc)
	for i, v := range []int{t.Minute(), t.Hour(), t.Day(), int(t.Month()), int(t.Weekday())} {
		if s.f[i] != "*" && s.f[i] != fmt.Sprint(v) {
			return false
		}
	}
	return true
}
func (s Schedule) Previous(t time.Time) (time.Time, bool) {
	t = t.Truncate(time.Minute)
	for i := 0; i < 800000; i++ {
		if s.match(t) {
			return t.UTC(), true
		}
		t = t.Add(-time.Minute)
	}
	return t, false
}
func (s Schedule) Next(t time.Time) (time.Time, bool) {
	t = t.Truncate(time.Minute).Add(time.Minute)
	for i := 0; i < 800000; i++ {
		if s.match(t) {
			return t.UTC(), true
		}
		t = t.Add(time.Minute)
	}
	return t, false
}
func (s Schedule) ShortestGap() (time.Duration, bool) { return time.Hour, true }
func (s Schedule) Around(t time.Time) (due, next time.Time, ok bool) {
	a, ok1 := s.Previous(t)
	b, ok2 := s.Next(t)
	return a, b, ok1 && ok2
}
