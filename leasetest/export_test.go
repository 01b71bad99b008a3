package leasetest

import "time"

// SetPromptly makes the suite less patient.
func SetPromptly(d time.Duration) { promptly = d }
