/*
 * Each tick once (docs/schedules.md), for spin: which attempts of which ticks are
 * begun, when hosts die, replies are lost, and clocks are wrong. What a lease
 * guarantees is taken from lease.pml: here a transaction is one step, and it is
 * carried out only if neither the record nor the log was changed since they were
 * read. check.sh runs it, and each weakened form of it.
 *
 * Read it from the top: the bounds, the record and the log, what really happened,
 * a host, kazoo, time.
 */

#ifndef HOSTS
#define HOSTS 2
#endif
#ifndef KAZOO
#define KAZOO 0          /* runs of a client of kazoo's, in all */
#endif
#ifndef ATTEMPTS
#define ATTEMPTS 2       /* of each tick */
#endif
#ifndef PERIOD
#define PERIOD 3         /* between ticks; tick k is due at k * PERIOD */
#endif
#ifndef TICKS
#define TICKS 2          /* time ends when this tick is due */
#endif
#ifndef DURATION
#define DURATION 1       /* of leases */
#endif
#ifndef CRASHES
#define CRASHES 1        /* of hosts, in all */
#endif
#ifndef LOST
#define LOST 1           /* replies, in all */
#endif
#ifndef ADOPTIONS
#define ADOPTIONS 0      /* plain grants to the holder of a running attempt, in all */
#endif
#ifndef FAST
#define FAST 0           /* host 1's clock is ahead by this, beyond what is allowed */
#endif
#ifndef GRANTS
#define GRANTS 4         /* in all; a run ends there */
#endif

#ifdef SAME_HOST         /* cron fires again on a host: all have one holder's name */
#define name(h) 1
#else
#define name(h) (h)
#endif

#define LAST (TICKS * PERIOD)
#define kazoo (HOSTS + 1)

/* -------- The record and the log -------- */

typedef Record {
	byte holder;     /* 0: there is none */
	byte end;        /* 0: released */
	byte made;       /* when it was created */
	byte version;    /* of all that was ever written */
	bit byKazoo
};

typedef Log {
	byte tick;       /* the newest that was begun, from 1; 0 for none */
	byte attempts;   /* of it */
	byte id;         /* of the newest */
	bit running;
	bit done;
	byte left;       /* the end that the newest has left in the record */
	byte at;         /* when it was written */
	byte version
};

typedef Entry {
	byte tick;       /* 0: it is not there */
	byte holder;
	byte attempt;
	bit over;        /* its end was reported, */
	bit ok           /* with success */
};

Record rec;
Log lg;
Entry entries[GRANTS + 1];
byte ids;                /* grants so far */
byte now;

byte crashes = CRASHES;
byte lost = LOST;
byte adoptions = ADOPTIONS;
byte runs = KAZOO;

/* -------- What really happened -------- */

byte begun[TICKS + 1];   /* attempts of a tick */
byte wasted[TICKS + 1];  /* attempts that were entered and not begun, or not yet */
bit success[TICKS + 1];  /* an end was reported, with success */
bit kazooRan[TICKS + 1];
bit acts[HOSTS + 2];
byte until[HOSTS + 2];   /* a host acts no longer */

/* -------- A host -------- */

/* a tick that was not due when the log was written counts for nobody; the one
 * before it is known from the entries */
inline forgetFuture(l) {
#ifdef FUTURE_OBEYED
	skip
#else
	if
	:: l.tick > 0 && (l.tick - 1) * PERIOD > l.at ->
		l.tick = 0; l.attempts = 0; l.id = 0; l.running = 0; l.done = 0; l.left = 0;
#ifndef BEFORE_FORGOTTEN
		for (count : 1 .. GRANTS) {
			if
			:: entries[count].tick > l.tick && (entries[count].tick - 1) * PERIOD <= l.at ->
				l.tick = entries[count].tick; l.attempts = 0; l.done = 0
			:: else
			fi;
			if
			:: entries[count].tick > 0 && entries[count].tick == l.tick ->
				l.attempts = entries[count].attempt; l.id = count; l.done = l.done | entries[count].ok
			:: else
			fi
		}
#else
		skip
#endif
	:: else
	fi
#endif
}

/* the rule of package runlog */
inline decide(h) {
	granted = 0;
	forgetFuture(l);
	count = 0;
	if :: l.tick == t + 1 -> count = l.attempts :: else fi;
#ifndef KAZOO_IGNORED
	if :: r.byKazoo && r.made >= t * PERIOD -> count++ :: else fi;
#endif
	unexpired = (r.end > clock);
#ifdef OWN_IGNORED
	if :: r.holder == name(h) -> unexpired = 0 :: else fi;
#endif
	if
	:: unexpired && l.running && !r.byKazoo && entries[l.id].holder == r.holder
	:: else ->
		if
		:: l.tick > t + 1 -> assert((l.tick - 1) * PERIOD <= now)   /* else nobody could run t */
		:: l.tick == t + 1 && l.done
		:: unexpired && l.left != r.end
		:: count >= ATTEMPTS
		:: unexpired && r.holder != name(h)
		:: else -> granted = 1
		fi
	fi
}

inline copyRecord(to, from) {
	to.holder = from.holder; to.end = from.end; to.made = from.made; to.byKazoo = from.byKazoo
}

inline copyLog(to, from) {
	to.tick = from.tick; to.attempts = from.attempts; to.id = from.id; to.running = from.running;
	to.done = from.done; to.left = from.left
}

inline crash(h) {
	crashes--; acts[h] = 0; until[h] = 0;
	forgetLocals()
}

inline forgetLocals() {
	id = 0; mine = 0; t = 0; ok = 0; granted = 0; count = 0; unexpired = 0; early = 0; clock = 0; wrote = 0;
	r.holder = 0; r.end = 0; r.made = 0; r.version = 0; r.byKazoo = 0;
	l.tick = 0; l.attempts = 0; l.id = 0; l.running = 0; l.done = 0; l.left = 0; l.at = 0; l.version = 0
}

/* enters in the log how the attempt ended */
inline report() {
	entries[id].over = 1; entries[id].ok = ok;
	if
	:: lg.id == id -> lg.running = 0; lg.left = 0
	:: else
	fi;
	if
	:: ok && entries[id].tick == lg.tick -> lg.done = 1
	:: else
	fi;
	lg.at = now; lg.version++
}

proctype Host(byte h) {
	Record r; Log l;
	byte t, clock, count, id, mine, wrote;
	bit granted, unexpired, ok, early;
ask:
	atomic {
		forgetLocals();
		now < LAST && ids < GRANTS ->
		clock = now;
		if :: h == 1 -> clock = now + FAST :: else fi;
		t = clock / PERIOD;
		if :: t >= TICKS -> goto ask :: else fi;
		copyRecord(r, rec); r.version = rec.version;
		if
		:: r.end > clock && r.holder != name(h) -> goto ask
		:: else
		fi
	}
	atomic {
		copyLog(l, lg); l.at = lg.at; l.version = lg.version;
		clock = now;
		if :: h == 1 -> clock = now + FAST :: else fi;
		decide(h);
		if :: !granted -> goto ask :: else fi
	}
	atomic {
		if
		:: r.version != rec.version || ids == GRANTS -> goto ask
#ifndef LOG_NOT_CHECKED
		:: l.version != lg.version -> goto ask
#endif
		:: else
		fi;
		early = (rec.holder != name(h) && rec.end > now) || (h == 1 && FAST > 0) || now >= (t + 1) * PERIOD;
		ids++; id = ids;
		if
		:: !early -> assert(!success[t])           /* granted is begun, for this */
		:: else
		fi;
		/* from here on r and l are what the grant has replaced */
		count++;
		rec.holder = name(h); rec.end = clock + DURATION; rec.made = now; rec.byKazoo = 0; rec.version++;
		mine = rec.version;
#ifdef ENTERED_AFTERWARDS
	}
	atomic {
		if :: crashes > 0 -> crash(h); goto ask :: skip fi;
#endif
		lg.tick = t + 1; lg.attempts = count; lg.id = id; lg.running = 1; lg.done = 0; lg.left = 0; lg.at = now; lg.version++;
		wrote = lg.version;
		entries[id].tick = t + 1; entries[id].attempt = count; entries[id].holder = name(h);
		until[h] = rec.end; wasted[t]++
	}
	atomic {
		if
		:: crashes > 0 -> crash(h); goto ask
		:: early -> goto undo
		:: now >= until[h] -> goto ask   /* it was over before it could be used */
		:: !early && now < until[h] ->
			assert(begun[t] < ATTEMPTS);
#if KAZOO > 0
			assert(begun[t] + kazooRan[t] < ATTEMPTS);
#endif
			for (count : 1 .. HOSTS) { assert(!acts[count]) };
			count = 0;
			begun[t]++; wasted[t]--; acts[h] = 1
		fi
	}
work:
	do
	:: atomic { !acts[h] -> break }                 /* it was stopped: the lease is over */
	:: atomic { acts[h] && now + DURATION > until[h] && rec.version == mine && rec.holder == name(h) ->
		rec.end = now + DURATION; until[h] = now + DURATION }
	:: atomic { acts[h] && adoptions > 0 && rec.version == mine && now < until[h] ->
		adoptions--; rec.version++; rec.made = now; mine = rec.version;
#ifdef ADOPTION_COUNTS
		lg.attempts++; lg.version++;
#endif
		if :: rec.end < now + DURATION -> rec.end = now + DURATION :: else fi;
		until[h] = now + DURATION }
	:: atomic { acts[h] && crashes > 0 -> crash(h); goto ask }
	:: atomic { acts[h] -> acts[h] = 0; ok = 1; break }
	:: atomic { acts[h] -> acts[h] = 0; break }
	od;
finish:
	atomic {
		if
		:: crashes > 0 -> crash(h); goto ask
		:: entries[id].over                         /* an earlier request had arrived */
		:: !entries[id].over && rec.version == mine && rec.holder == name(h) ->
			count = lg.attempts;
			report();
			if
			:: (ok || count >= ATTEMPTS) && now < (t + 1) * PERIOD -> rec.end = (t + 1) * PERIOD; lg.left = rec.end
			:: else -> rec.end = 0
			fi;
			rec.version++
		:: !entries[id].over && (rec.version != mine || rec.holder != name(h)) ->
#ifndef RESULT_DROPPED
			report()
#else
			skip
#endif
		fi;
		if
		:: lost > 0 -> lost--; goto finish          /* the reply did not come */
		:: skip
		fi;
		if :: ok -> success[t] = 1 :: else fi
	}
	goto ask;
undo:
	atomic {
		if
		:: crashes > 0 -> crash(h); goto ask
		:: rec.version != mine || rec.holder != name(h) -> skip
		:: rec.version == mine && rec.holder == name(h) ->
			rec.holder = r.holder; rec.end = r.end; rec.made = now; rec.byKazoo = 0; rec.version++;
#ifndef UNDO_WITHOUT_LOG
			if
			:: lg.version == wrote && !r.byKazoo -> copyLog(lg, l)
			:: else ->
				if :: lg.id == id -> lg.attempts--; lg.id = 0; lg.running = 0 :: else fi
			fi;
			lg.at = now; lg.version++; entries[id].tick = 0; entries[id].over = 1;
#endif
			wasted[t]--
		fi
	}
	goto ask
}

/* -------- kazoo, which holds its lock from its reading to its writing -------- */

proctype Kazoo() {
	do
	:: atomic { runs > 0 && now < LAST && rec.end <= now ->
		runs--;
		rec.holder = kazoo; rec.end = now + DURATION; rec.made = now; rec.byKazoo = 1; rec.version++;
		kazooRan[now / PERIOD] = 1 }
	od
}

/* -------- Time. Who acts is stopped before its lease is over -------- */

proctype Time() {
	byte i;
	do
	:: atomic { now < LAST ->
		now++;
		for (i : 1 .. HOSTS) {
			if :: acts[i] && until[i] <= now -> acts[i] = 0 :: else fi
		};
		i = 0;
		/* no attempt is counted that was neither begun nor wasted */
		if
		:: lg.tick > 0 && lg.tick <= TICKS -> assert(lg.attempts <= begun[lg.tick - 1] + wasted[lg.tick - 1] + kazooRan[lg.tick - 1])
		:: else
		fi }
	od
}

init {
	atomic {
		byte i;
		for (i : 1 .. HOSTS) { run Host(i) };
		i = 0;
		if :: KAZOO > 0 -> run Kazoo() :: else fi;
		run Time()
	}
}
