package report

import (
	"fmt"
	"strings"

	"leasehold.example/leasehold/bench/result"
)

// obstacles says what stands in the way of rows that are missed, where figures
// of the same run can tell.
func obstacles(f *result.File) string {
	var b strings.Builder
	for _, servers := range []int{1, 3} {
		kazoo, ok := f.Measure(result.Renew, result.Kazoo, servers, 0)
		ours, ok2 := f.Measure(result.Renew, result.Leasehold, servers, 0)
		set, ok3 := f.Measure(result.Set, result.Bare, servers, 0)
		if ok && ok2 && ok3 && kazoo.Median < 8*ours.Median {
			fmt.Fprintf(&b, "\n- Renew on %s: kazoo's takes %s times as long as a bare set. A renewal of Leasehold's is a\n  transaction that checks one node and sets another, so it can't be faster than that set, and\n  is %s times as long.\n",
				plural(servers), number(kazoo.Median/set.Median), number(ours.Median/set.Median))
		}
	}
	start, ok := f.Measure(result.ProcessStart, result.Leasehold, 1, 0)
	denied, ok2 := f.Measure(result.ProcessDenied, result.Leasehold, 1, 0)
	connect, ok3 := f.Measure(result.ProcessConnect, result.Bare, 1, 0)
	if ok && ok2 && ok3 && denied.Median > 1.3*connect.Median {
		fmt.Fprintf(&b, "\n- A whole process: %s of its %s ms pass before it has anything to do, in the start of a Go program\n  with TLS, flags and help: that long \"leasehold version\" takes. The whole of the one that only\n  connects and closes, its own start included, is %s ms.\n",
			number(start.Median), number(denied.Median), number(connect.Median))
	}
	if b.Len() == 0 {
		return ""
	}
	return "\nWhat stands in the way of the rows that are missed:\n" + b.String()
}
