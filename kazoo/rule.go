package kazoo

import "time"

// A Verdict is what the rule says to somebody who asks for a lease.
type Verdict int

const (
	Grant Verdict = iota // it is theirs to take, or to renew
	Held                 // another holder has it, until the record's end
	Newer                // a newer program wrote the record: leave it alone
)

func (v Verdict) String() string {
	switch v {
	case Grant:
		return "grant"
	case Held:
		return "held"
	case Newer:
		return "newer"
	}
	return "invalid verdict"
}

// Decide is the rule of the lease: whether holder may have it at the moment
// now, where r is the record, nil for none.
//
// A record of another version refuses everybody, whatever its end and whoever
// its holder. Else the same holder is granted, which is how kazoo renews, and
// so is anybody once now has reached the record's end.
func Decide(r *Record, holder string, now time.Time) Verdict {
	switch {
	case r == nil:
		return Grant
	case r.Version != Version:
		return Newer
	case r.Holder == holder:
		return Grant
	case now.Before(r.End):
		return Held
	default:
		return Grant
	}
}
