package page

import (
	"fmt"
	"net/url"
	"strings"
	"time"

	"leasehold.example/leasehold/cmd/leasehold/internal/text"
)

// The most runes of other people's text that are shown in a row, and on a lease's own
// page. A record may have a name of a megabyte.
const (
	maxName    = text.Column
	maxMessage = text.Message
	maxWhole   = 20_000 // a path has at most 16,384 bytes
	maxTyped   = 1000
)

func name(s string) string    { return shown(s, maxName) }
func message(s string) string { return shown(s, maxMessage) }
func whole(s string) string   { return shown(s, maxWhole) }

// shown makes s safe to show, and cuts it to that many runes.
func shown(s string, most int) string { return text.Cut(text.Escape(few(s, most)), most) }

// typed is shown, for what who looks at the page has typed: it stays the same when it is
// sent again.
func typed(s string) string { return text.Cut(text.Printable(few(s, maxTyped)), maxTyped) }

// few returns s without most of what follows that many runes.
func few(s string, runes int) string {
	const maxRune = 4 // bytes
	return s[:min(len(s), maxRune*(runes+1))]
}

// leaseLink returns the link to the page of the lease at path, relative to the fleet's.
func leaseLink(path string) string {
	components := strings.Split(path, "/")
	for i, c := range components {
		components[i] = url.PathEscape(c)
	}
	return "lease" + strings.Join(components, "/")
}

// count prints n with commas.
func count(n int) string {
	if n < 1000 {
		return fmt.Sprint(n)
	}
	return count(n/1000) + fmt.Sprintf(",%03d", n%1000)
}

// A moment is a time on a page that was made now.
type moment struct{ Time, Now time.Time }

// A rowAt is a row on a page that was made now.
type rowAt struct {
	Row *row
	Now time.Time
}

// clock prints t as short as it is clear on a page that was made now. It is UTC.
func clock(t, now time.Time) string {
	t, now = t.UTC(), now.UTC()
	day, clock := "", "15:04"
	if t.Second() != 0 {
		clock = time.TimeOnly
	}
	switch {
	case t.Year() != now.Year():
		day = "2 Jan 2006 "
	case t.YearDay() != now.YearDay():
		day = "2 Jan "
	}
	return t.Format(day + clock)
}

// utc prints t for programs.
func utc(t time.Time) string { return text.Time(t) }

// span prints how long d is by its two greatest units. The script has the same rule.
func span(d time.Duration) string {
	seconds := int(max(0, d) / time.Second)
	switch {
	case seconds < 60:
		return fmt.Sprintf("%ds", seconds)
	case seconds < 60*60:
		return fmt.Sprintf("%dm%ds", seconds/60, seconds%60)
	case seconds < 24*60*60:
		return fmt.Sprintf("%dh%dm", seconds/3600, seconds/60%60)
	}
	return fmt.Sprintf("%dd%dh", seconds/86400, seconds/3600%24)
}
