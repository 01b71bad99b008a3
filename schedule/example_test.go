package schedule_test

import (
	"fmt"
	"log"
	"time"

	"leasehold.example/leasehold/schedule"
)

// On the last Sunday of March the clocks of Berlin skip 02:30, and the job is due
// when they do.
func Example() {
	s, err := schedule.Parse("30 2 * * *", "Europe/Berlin")
	if err != nil {
		log.Fatal(err)
	}
	now := time.Date(2026, time.March, 28, 12, 0, 0, 0, time.UTC)
	due, _ := s.Previous(now)
	next, _ := s.Next(now)
	afterThat, _ := s.Next(next)
	fmt.Println(due)
	fmt.Println(next)
	fmt.Println(afterThat)
	// Output:
	// 2026-03-28 01:30:00 +0000 UTC
	// 2026-03-29 01:00:00 +0000 UTC
	// 2026-03-30 00:30:00 +0000 UTC
}
