package kazoo

import "time"

// A Verdict is what the rule says to somebody who asks for a lease.
type Verdict int

const (
	Grant Verdict = iota // it is theirs to take, or to renew
	Held                 // another holder has it, until the record's end
)

func (v Verdict) String() string {
	switch v {
	case Grant:
		return "grant"
	case Held:
		return "held"
	}
	return "invalid verdict"
}

// Decide is the rule of the lease: whether holder may have it at the moment
// now, where r is the record, nil for none.
//
// The same holder is granted, which is how kazoo renews, and so is anybody once
// now has reached the record's end. A record of another version refuses
// everybody: Parse returns it as a VersionError.
func Decide(r *Record, holder string, now time.Time) Verdict {
	switch {
	case r == nil:
		return Grant
	case r.Holder == holder:
		return Grant
	case now.Before(r.End):
		return Held
	default:
		return Grant
	}
}
