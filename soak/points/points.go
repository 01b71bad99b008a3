// Package points holds what the soak's tests build into altered copies of
// Leasehold: places where a process can be made to stop, and clocks that are
// wrong. Nothing else imports it.
package points

import (
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"time"
)

// Clocks says how this process's clocks differ from the machine's.
type Clocks struct {
	Missing time.Duration // for how long its steady clocks have stood still so far
	Ahead   time.Duration // how far its wall clock runs ahead
}

// Write has the process whose $LEASEHOLD_CLOCKS is file go by c from now on.
func (c Clocks) Write(file string) error {
	next := file + ".next"
	if err := os.WriteFile(next, fmt.Appendf(nil, "%d %d", c.Missing, c.Ahead), 0o600); err != nil {
		return err
	}
	return os.Rename(next, file) // nobody reads half of it
}

// clocks is read again each time, since it can change at any moment.
func clocks() (c Clocks) {
	file := os.Getenv("LEASEHOLD_CLOCKS")
	if file == "" {
		return c
	}
	text, err := os.ReadFile(file)
	if err != nil {
		panic(err)
	}
	if _, err := fmt.Sscan(string(text), &c.Missing, &c.Ahead); err != nil {
		panic(err)
	}
	return c
}

// Now returns the time by this process's wall clock. It has no monotonic
// reading, which would go on when the process's clocks stand still.
func Now() time.Time { return time.Now().Add(clocks().Ahead).Round(0) }

// Steady returns what this process's clock shows when the machine's shows at.
func Steady(at time.Duration) time.Duration { return at - clocks().Missing }

// stallShare is the share of the calls of Stop that take a while.
var stallShare, _ = strconv.ParseFloat(os.Getenv("LEASEHOLD_STALLS"), 64)

// Stop waits here while $LEASEHOLD_POINTS has a file of that name, and reports
// whether there was one. It tells the test that it waits by another file.
func Stop(name string) bool {
	if rand.Float64() < stallShare {
		time.Sleep(rand.N(4 * time.Second))
	}
	dir := os.Getenv("LEASEHOLD_POINTS")
	file := filepath.Join(dir, name)
	if _, err := os.Stat(file); dir == "" || err != nil {
		return false
	}
	if err := os.WriteFile(file+".reached", nil, 0o600); err != nil {
		panic(err)
	}
	for {
		if _, err := os.Stat(file); err != nil {
			return true
		}
		time.Sleep(5 * time.Millisecond)
	}
}
