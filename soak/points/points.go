// Package points holds what the soak's tests build into altered copies of
// Leasehold: places where a process can be made to stop, and a wall clock that
// runs ahead. Nothing else imports it.
package points

import (
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"time"
)

// Ahead is how far this process's wall clock runs ahead.
var Ahead, _ = time.ParseDuration(os.Getenv("LEASEHOLD_CLOCK_AHEAD"))

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
