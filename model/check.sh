#!/bin/sh
# check.sh runs spin on the two models: lease.pml (who acts on a lease) and
# ticks.pml (which ticks are run). In each as it is there must be no error; in each
# weakened form of it one must be found. It prints a table, and exits 1 unless all is
# as it must be. A search ends after LIMIT seconds (900), or with 6 GB.
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
bad=0

# row WANT NAME FLAGS...   WANT is none or error
row() {
	want=$1 name=$2
	shift 2
	case $name in *"$only"*) ;; *) return ;; esac
	rm -rf "$work"/*
	# not optimised: gcc takes longer for that, a minute and more, than most searches do
	(
		cd "$work" &&
			spin -a "$@" "$model" >spin.out 2>&1 &&
			gcc -w -DSAFETY -DNOFAIR -DCOLLAPSE -DMEMLIM=6000 -o pan pan.c &&
			timeout -s INT "${LIMIT:-900}" nice -n 15 ./pan -E -m100000 >out 2>&1
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
	trail=${model##*/}.trail
	if [ -n "$only" ] && [ -e "$work/$trail" ]; then
		(cd "$work" && ./pan -r "$trail" | sed -n 's/^ *\([0-9]*: .*\)/    \1/p')
	fi
}

model=$PWD/lease.pml
one="-DCLIENTS=2 -DLEASEHOLD=1"   # one Leasehold client, one of kazoo
two="-DCLIENTS=2 -DLEASEHOLD=2"
calm="-DLOST=0 -DEXPIRIES=0"
expiry="-DLOST=0 -DEXPIRIES=1"
reply="-DLOST=1 -DEXPIRIES=0"
short="-DDURATION=2"
clocks="-DSKEW=1 -DLEAD=1 -DFAST=2 -DKAZOOFAST=2"
early="-DFAST=1 -DPUTRIGHT=1 -DDURATION=2 -DLAST=3"  # client 1 takes leases over too early
paused="-DPAUSES=2 -DDURATION=2 -DLAST=3"

printf '| %-46s | %10s | %5s | %7s | %-10s | %-5s |\n' configuration states depth seconds found ""
echo '| --- | ---: | ---: | ---: | --- | --- |'

row none '1 + kazoo' $one $calm -DCOMMITS=9
row none '1 + kazoo, a lost reply' $one $reply -DCOMMITS=8
row none '1 + kazoo, a session expires' $one $expiry -DCOMMITS=8
row none '1 + kazoo, short lease' $one $calm $short -DCOMMITS=9
row none '1 + kazoo, the path made again' $one $calm -DCOMMITS=9 -DREMOVALS=1
row none '1 + kazoo, three clocks' $one $calm $clocks -DCOMMITS=8
row none '1 + kazoo, clocks that stand still' $one $expiry $paused -DCOMMITS=6
row none '2' $two $calm -DCOMMITS=9
row none '2, a lost reply' $two $reply $short -DCOMMITS=6 -DLAST=2
row none '2, a session expires' $two $expiry -DCOMMITS=7
row none '2, the path made again' $two $calm -DCOMMITS=7 -DREMOVALS=1
row none '2, leaders and clocks differ' $two $calm $short -DCOMMITS=6 -DLAST=3 -DSKEW=1 -DLEADERS=1 -DFAST=2
row none '2, undo that never comes' $two $calm $early -DDEATHS=1 -DMORE=1 -DCOMMITS=6
row none '2, undo that comes late' $two $reply $early -DLOSTENDS=1 -DMORE=1 -DCOMMITS=5
row none '2, clocks that stand still' $two $expiry $paused -DCOMMITS=5
row none '2 + kazoo' -DCLIENTS=3 -DLEASEHOLD=2 $calm $short -DCOMMITS=6 -DLAST=2
row none '3' -DCLIENTS=3 -DLEASEHOLD=3 $calm $short -DRENEWALS=0 -DCOMMITS=5 -DLAST=2

# broken FORM NAME FLAGS...
broken() {
	form=$1 name=$2
	shift 2
	row error "$name" "$@" "-DBROKEN=$form"
}

broken NO_GUARD 'no guard' $one $calm -DCOMMITS=8
broken RECORD_BEFORE_CHILDREN 'record read before the children' $one $calm -DCOMMITS=9
broken TWO_SESSIONS 'reads of one attempt in two sessions' $one $expiry -DCOMMITS=7
broken NO_FENCE 'no session fence in the queue' $one $short -DLOST=1 -DEXPIRIES=1 -DRENEWALS=0 -DCOMMITS=7 -DLAST=1
broken RECORD_VERSION_ONLY 'renewal by record version only' $two $calm -DCOMMITS=8 -DGRANTS=2
broken LATE_COUNTS 'late renewal counted' $one $calm -DCOMMITS=8
broken NO_CONFIRM 'no second look at a late renewal' $one $calm $short -DCOMMITS=9
broken LAG_WHEN_SENT 'lateness judged when sent' $one $calm -DCOMMITS=9
broken LAG_WITHOUT_MARGIN 'lateness judged without the margin' $one $calm $clocks -DCOMMITS=8 -DDURATION=4 -DLAST=5
broken TOKEN_BEFORE_LOCKS 'token before locks' $one $reply $short -DCOMMITS=7
broken NO_EARLY_CHECK 'no early-takeover check' $one $calm $short -DCOMMITS=7 -DSKEW=1 -DFAST=1
broken NO_MARGIN 'End used without margin' $two $calm $short -DCOMMITS=6 -DSKEW=1 -DLEADERS=1 -DFAST=1
broken STORES_CLOCK_ONLY "the store's clock only" $one $calm $clocks -DCOMMITS=8
broken HELD_UNTIL_IGNORED 'HeldUntil ignored' $two $calm $early -DDEATHS=1 -DMORE=1 -DCOMMITS=6
broken HELD_UNTIL_IGNORED 'HeldUntil ignored, undo that comes late' $two $reply $early -DLOSTENDS=1 -DMORE=1 -DCOMMITS=5
broken UNDO_FORGETS 'undo forgets HeldUntil' $two $calm $early -DDEATHS=1 -DMORE=2 -DCOMMITS=7
broken RECLAIM_ANYTHING 'reclaim whatever is there' $two $calm $paused -DCOMMITS=6
broken MISSING_IGNORED 'missing time ignored' $two $expiry $paused -DCOMMITS=6
broken OWN_CLOCK_ONLY 'no second look after missing time' $one $calm $paused -DCOMMITS=8
broken REMOVED_ANY_TIME 'path removed while it is acquired' $one $calm -DCOMMITS=9 -DREMOVALS=1
broken KAZOO_STALLS 'kazoo stalled past its session' $one $expiry -DCOMMITS=9
broken KAZOO_BEHIND "kazoo's clock behind" $one $calm $clocks -DCOMMITS=8

model=$PWD/ticks.pml
one="-DTICKS=1 -DGRANTS=3"              # tick, of which three attempts may be granted
two="-DTICKS=2 -DPERIOD=2 -DGRANTS=2"
wrong="-DFAST=2 -DLOST=0"               # the clock of host 1

row none 'a tick' $one
row none 'a tick, three attempts' $one -DGRANTS=4 -DATTEMPTS=3
row none 'a tick, three hosts' $one -DHOSTS=3 -DLOST=0
row none 'a tick, fired twice on a host' $one -DSAME_HOST
row none 'a tick, adopted' $one -DADOPTIONS=1
row none 'two ticks + kazoo' $two -DKAZOO=2 -DATTEMPTS=1 -DLOST=0
row none 'two ticks, a wrong clock' $two $wrong -DGRANTS=3

row error 'log not checked in the transaction' $one -DATTEMPTS=3 -DLOG_NOT_CHECKED
row error 'attempt entered after the grant' $one -DENTERED_AFTERWARDS
row error 'own unexpired record ignored' $one -DSAME_HOST -DOWN_IGNORED
row error "kazoo's run ignored" $two -DKAZOO=1 -DATTEMPTS=1 -DKAZOO_IGNORED
row error 'a future tick obeyed' $two $wrong -DFUTURE_OBEYED
row error 'the tick before a future one forgotten' $two $wrong -DGRANTS=3 -DBEFORE_FORGOTTEN
row error 'undo without the log' $two -DUNDO_WITHOUT_LOG
row error 'a result dropped after a takeover' $one -DATTEMPTS=3 -DRESULT_DROPPED
row error 'adoption counted as an attempt' $one -DADOPTIONS=1 -DADOPTION_COUNTS
exit $bad
