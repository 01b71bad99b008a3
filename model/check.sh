#!/bin/sh
# check.sh runs spin on lease.pml: on the real protocol, which must be without
# error, and on each weakened form of it, in which an error must be found. It
# prints a table, and exits 1 unless all is as it must be.
#
#   ./check.sh            everything
#   ./check.sh WORD       the rows whose name contains WORD; for a row with an
#                         error, what leads to it
set -u
cd "$(dirname "$0")" || exit 1
for tool in spin gcc; do
	command -v $tool >/dev/null || { echo "check.sh: $tool is missing: apt-get install spin gcc" >&2; exit 1; }
done
only=${1-}
work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT
model=$PWD/lease.pml
bad=0

# row WANT NAME FLAGS...   WANT is none or error
row() {
	want=$1 name=$2
	shift 2
	case $name in *"$only"*) ;; *) return ;; esac
	rm -rf "$work"/*
	(
		cd "$work" &&
			spin -a "$@" "$model" >spin.out 2>&1 &&
			gcc -O2 -w -DSAFETY -DNOFAIR -DCOLLAPSE -o pan pan.c &&
			timeout -s INT "${LIMIT:-900}" nice -n 10 ./pan -E -m100000 >out 2>&1
	) || [ -s "$work/out" ] || { cat "$work/spin.out" >&2; exit 1; }
	errors=$(sed -n 's/.*errors: \([0-9]*\).*/\1/p' "$work/out")
	# a search that was cut short, by time or memory, has shown nothing
	result=incomplete
	if grep -q 'assertion violated' "$work/out"; then
		result=error
	elif [ "${errors:-x}" = 0 ] && ! grep -Eq 'Search not completed|max search depth|out of memory|interrupted' "$work/out"; then
		result=none
	fi
	if [ $result = $want ]; then verdict=ok; else verdict=WRONG bad=1; fi
	states=$(sed -n 's/^ *\([0-9.e+]*\) states, stored.*/\1/p' "$work/out")
	depth=$(sed -n 's/.*depth reached \([0-9]*\).*/\1/p' "$work/out")
	seconds=$(sed -n 's/.*elapsed time \([0-9.e+-]*\).*/\1/p' "$work/out")
	printf '| %-46s | %10s | %5s | %7s | %-10s | %-5s |\n' "$name" "$states" "$depth" "$seconds" "$result" "$verdict"
	if [ -n "$only" ] && [ -e "$work/lease.pml.trail" ]; then
		(cd "$work" && ./pan -r lease.pml.trail | sed -n 's/^ *\([0-9]*: .*\)/    \1/p')
	fi
}

one="-DCLIENTS=2 -DLEASEHOLD=1"   # one Leasehold client, one of kazoo
two="-DCLIENTS=2 -DLEASEHOLD=2"
calm="-DLOST=0 -DEXPIRIES=0"
expiry="-DLOST=0 -DEXPIRIES=1"
reply="-DLOST=1 -DEXPIRIES=0"
short="-DDURATION=2"

printf '| %-46s | %10s | %5s | %7s | %-10s | %-5s |\n' configuration states depth seconds found ""
echo '| --- | ---: | ---: | ---: | --- | --- |'

row none '1 + kazoo' $one $calm -DCOMMITS=9
row none '1 + kazoo, a lost reply' $one $reply -DCOMMITS=8
row none '1 + kazoo, a session expires' $one $expiry -DCOMMITS=8
row none '1 + kazoo, short lease' $one $calm $short -DCOMMITS=9
row none '1 + kazoo, the path made again' $one $calm -DCOMMITS=9 -DREMOVALS=1
row none '1 + kazoo, a clock ahead' $one $calm $short -DCOMMITS=9 -DSKEW=1 -DFAST=1
row none '2' $two $calm -DCOMMITS=9
row none '2, a lost reply' $two $reply -DCOMMITS=7
row none '2, a session expires' $two $expiry -DCOMMITS=7
row none '2, the path made again' $two $calm -DCOMMITS=7 -DREMOVALS=1
row none '2, leaders and clocks differ' $two $calm $short -DCOMMITS=6 -DLAST=3 -DSKEW=1 -DLEADERS=1 -DFAST=2
row none '2 + kazoo' -DCLIENTS=3 -DLEASEHOLD=2 $calm $short -DCOMMITS=7 -DLAST=3
row none '3' -DCLIENTS=3 -DLEASEHOLD=3 $calm $short -DCOMMITS=5 -DLAST=3

row error 'no guard' $one $calm -DCOMMITS=8 -DNO_GUARD
row error 'record read before the children' $one $calm -DCOMMITS=9 -DRECORD_BEFORE_CHILDREN
row error 'reads of one attempt in two sessions' $one $expiry -DCOMMITS=7 -DTWO_SESSIONS
row error 'no session fence in the queue' $one $expiry -DCOMMITS=9 -DNO_FENCE
row error 'renewal by record version only' $two $calm -DCOMMITS=8 -DGRANTS=2 -DRECORD_VERSION_ONLY
row error 'late renewal counted' $one $calm -DCOMMITS=8 -DLATE_COUNTS
row error 'no second look at a late renewal' $one $calm $short -DCOMMITS=9 -DNO_CONFIRM
row error 'lateness judged when sent (early code)' $one $calm -DCOMMITS=9 -DLAG_WHEN_SENT
row error 'token before locks (early code)' $one $calm $short -DCOMMITS=9 -DTOKEN_BEFORE_LOCKS
row error 'guard without a grant node (as in the code)' $one $calm -DCOMMITS=9 -DREMOVALS=1 -DGUARD_WITHOUT_GRANT
row error 'acquired again before the undo (no longer possible)' $one $calm $short -DCOMMITS=11 -DSKEW=1 -DFAST=1 -DGRANTS=2 -DREGRANT_BEFORE_UNDO
row error 'no early-takeover check' $one $calm $short -DCOMMITS=9 -DSKEW=1 -DFAST=1 -DNO_EARLY_CHECK
row error 'End used without margin' $two $calm $short -DCOMMITS=6 -DSKEW=1 -DLEADERS=1 -DFAST=1 -DNO_MARGIN
row error 'kazoo stalled past its session' $one $expiry -DCOMMITS=9 -DKAZOO_STALL
exit $bad
