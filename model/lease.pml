/*
 * The protocol of docs/protocol.md, for spin. docs/model.md says what is in it
 * and what is not; check.sh runs it, and each weakened form of it.
 *
 * This file has the bounds and the world: time, clocks, what goes wrong. Read it
 * first, then leader.pml (what is committed, and who acts), leasehold.pml and
 * kazoo.pml (their clients).
 *
 * One atomic block is one request together with the client's thinking before
 * it, so that a pause may come between any two requests, and between an answer
 * and what is made of it.
 */

/* -------- The bounds; check.sh overrides some -------- */

#ifndef LEASEHOLD
#define LEASEHOLD 2      /* clients 1..LEASEHOLD are Leasehold's, */
#endif
#ifndef CLIENTS
#define CLIENTS 3        /* the others, up to 3, kazoo's */
#endif
#ifndef GRANTS
#define GRANTS 1         /* of each client; denials are not counted */
#endif
#ifndef MORE
#define MORE 0           /* grants of client 1 beyond those */
#endif
#ifndef RENEWALS
#define RENEWALS 1       /* of each of Leasehold's grants */
#endif
#ifndef LOST
#define LOST 1           /* replies, in all */
#endif
#ifndef LOSTENDS
#define LOSTENDS 0       /* 1: only those to releases and undos */
#endif
#ifndef EXPIRIES
#define EXPIRIES 1       /* of sessions, in all */
#endif
#ifndef REMOVALS
#define REMOVALS 0       /* of the path, by an administrator */
#endif
#ifndef DEATHS
#define DEATHS 0         /* of hosts that are about to undo a grant */
#endif
#ifndef PAUSES
#define PAUSES 0         /* ticks that client 1's machine is paused for, in all */
#endif
#ifndef COMMITS
#define COMMITS 11       /* transactions in all; a run ends there */
#endif
#ifndef LAST
#define LAST 4           /* time goes from 0 to LAST, in ticks */
#endif
#ifndef DURATION
#define DURATION 3       /* of leases, in ticks */
#endif
#ifndef LAG
#define LAG 2            /* what was overwritten LAG ticks ago is read nowhere */
#endif
#ifndef SKEW
#define SKEW 0           /* MaxClockSkew */
#endif
#ifndef LEAD
#define LEAD 0           /* by which the leader's clock is ahead at most */
#endif
#ifndef LEADERS
#define LEADERS 0        /* 1: another leader's clock may be a tick ahead */
#endif
#ifndef FAST
#define FAST 0           /* by which client 1's clock is ahead at most */
#endif
#ifndef PUTRIGHT
#define PUTRIGHT 0       /* 1: it may be put right at any time */
#endif
#ifndef KAZOOFAST
#define KAZOOFAST 0      /* by which kazoo's clock is ahead at most */
#endif

/* -------- The weakened forms; check.sh chooses one by -DBROKEN=NAME -------- */

#define NO_GUARD               1
#define RECORD_BEFORE_CHILDREN 2
#define TWO_SESSIONS           3
#define NO_FENCE               4
#define RECORD_VERSION_ONLY    5
#define LATE_COUNTS            6
#define NO_CONFIRM             7
#define LAG_WHEN_SENT          8
#define TOKEN_BEFORE_LOCKS     9
#define LAG_WITHOUT_MARGIN     10
#define NO_EARLY_CHECK         11
#define NO_MARGIN              12
#define STORES_CLOCK_ONLY      13
#define HELD_UNTIL_IGNORED     14
#define UNDO_FORGETS           15
#define RECLAIM_ANYTHING       16
#define MISSING_IGNORED        18
#define OWN_CLOCK_ONLY         19
/* These break what guarantees.md assumes. */
#define REMOVED_ANY_TIME       20
#define KAZOO_STALLS           21
#define KAZOO_BEHIND           22

#ifndef BROKEN
#define BROKEN 0
#endif
#define broken(form) (BROKEN == form)

/* -------- What goes on in the world -------- */

unsigned now : 3;        /* time */
unsigned lead : 1;       /* by which the leader's clock is ahead, */
byte fast[4];            /* and each client's */

unsigned lost : 2 = LOST;
unsigned expiries : 2 = EXPIRIES;
unsigned removals : 2 = REMOVALS;
unsigned deaths : 2 = DEATHS;
unsigned pauses : 2 = PAUSES;

#include "leader.pml"
#include "leasehold.pml"
#include "kazoo.pml"

/* Time passes. Client 1's machine may be paused meanwhile: then its clock has
 * not moved. (The wall clock is put right before it is used.) */
active proctype Time() {
	do
	:: d_step { now < LAST && room -> now++; printf("%d: it is\n", now); forget() }
	:: d_step { now < LAST && room && pauses ->
		pauses--; now++; standStill(1); printf("%d: it is; client 1 was paused\n", now); forget() }
	od
}

inline expire(c) {
	expiries--; alive[c] = 0; view[c] = lo;
	printf("%d: client %d's session expires\n", now, c);
	if
	:: has(h[z].q, c) -> next(); dequeue(c)
	:: else
	fi;
	forget()
}

#define mayExpire(c) (room && expiries && alive[c] && view[c] < 15)

/* Nobody uses the path: its lease is free, nobody acts on one, or asks for one. Nor
 * does anybody ask within LAG: whoever asks later sees that it was removed. (This is
 * for rows without expiries, since a new session may see less.) */
#define nobodyActs (now >= until[1] && now >= until[2] && now >= until[3])
#define nobodyAsks (!asking[1] && !asking[2] && !asking[3] && (o.kind == 0 || o.kind == RENEWS || o.kind == ENDS))

inline allSee(c) {
	if :: view[c] < 15 -> view[c] = z :: else fi
}

proctype World() {
	do
	:: d_step { room && o.kind ->  /* the multi arrives */
		commit(o.kind, o.who, o.made, o.rec, o.ver, o.g, o.hold, o.end, o.fend, true); ok = 0; forgetMulti() }
	:: d_step { mayExpire(1) -> expire(1) }
	:: d_step { mayExpire(2) -> expire(2) }
	:: d_step { CLIENTS > 2 && mayExpire(3) -> expire(3) }
	:: d_step { room && removals && h[z].path && !h[z].q && (!h[z].rec || h[z].end <= now) && nobodyActs &&
		(nobodyAsks || broken(REMOVED_ANY_TIME)) ->
		removals--; printf("%d: the path is removed\n", now);
		next(); h[z].path = 0; h[z].made = 0; h[z].pz = 0; h[z].g = 0; h[z].until = 0; noRecord();
		if :: !broken(REMOVED_ANY_TIME) -> allSee(1); allSee(2); allSee(3) :: else fi;
		forget() }
	:: d_step { room && LEADERS && lead == 0 -> lead = 1; printf("%d: another leader, a tick ahead\n", now) }
	:: d_step { room && PUTRIGHT && fast[1] -> fast[1] = 0; printf("%d: client 1's clock is put right\n", now) }
	od
}

/* What guarantees.md assumes of kazoo's clock: it is not behind the store's, and
 * ahead of client 1's by the limit at most. */
#define kazooKnowsTheTime(c) ((fast[c] >= lead || broken(KAZOO_BEHIND)) && fast[c] <= fast[1] + SKEW)

/* The path to begin with: absent, new, left by kazoo's peers, or by Leasehold's,
 * released or expired. */
init {
	atomic {
		z = 1; lo = 1;
		if
		:: true
		:: h[1].path = 1; h[1].pz = 1
		:: h[1].path = 1; h[1].pz = 1; h[1].made = 2; h[1].rec = 1; h[1].cz = 1; h[1].mz = 1;
			if
			:: true
			:: h[1].ver = 1
			:: h[1].ver = 1; h[1].g = fresh
			fi
		fi;
		view[1] = 1; view[2] = 1; view[3] = 1;
		alive[1] = 1; alive[2] = 1; alive[3] = 1;
		do :: lead < LEAD -> lead++ :: break od;
		do :: fast[1] < FAST -> fast[1]++ :: break od;
		do :: KAZOOFAST && fast[CLIENTS] < KAZOOFAST -> fast[CLIENTS]++ :: break od;
		LEASEHOLD == CLIENTS || KAZOOFAST == 0 || kazooKnowsTheTime(CLIENTS);
		printf("the clocks of the leader, client 1 and client %d are ahead by %d, %d, %d\n", CLIENTS, lead, fast[1], fast[CLIENTS]);
		run World();
		run Leasehold(1);
		if :: LEASEHOLD > 1 -> run Leasehold(2) :: else -> run Kazoo(2) fi;
		if
		:: CLIENTS > 2 && LEASEHOLD > 2 -> run Leasehold(3)
		:: CLIENTS > 2 && LEASEHOLD <= 2 -> run Kazoo(3)
		:: else -> view[3] = 15
		fi
	}
}
