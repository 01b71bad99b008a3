package leasehold

import (
	"fmt"
	"time"
)

// A State says whether a lease can be had.
type State int

const (
	Free       State = iota // there is no record, or it was released
	Held                    // somebody has it
	Expired                 // its last holder's time is over
	Unreadable              // what is there is not a record; nobody is granted
	Newer                   // a newer program wrote the record; nobody is granted
)

var stateNames = [...]string{"free", "held", "expired", "unreadable", "newer"}

func (s State) String() string {
	if s < 0 || int(s) >= len(stateNames) {
		return fmt.Sprintf("State(%d)", int(s))
	}
	return stateNames[s]
}

// A Status describes a lease at the moment when its record was read.
type Status struct {
	Path      string // of the slot, where there are slots
	Slot      int    // -1 without slots
	State     State
	Holder    string        // if Held or Expired
	End       time.Time     // if Held or Expired
	Remaining time.Duration // until End, by this host's clock; 0 unless Held
	Since     time.Time     // when the present grant was made, by the store's clock; zero without a record
	Token     int64         // fencing token; 0 without a record
	Reason    string        // if Unreadable or Newer: what is wrong
}
