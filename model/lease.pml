/*
 * The protocol of docs/protocol.md, for spin. docs/model.md says what is in it
 * and what is not; check.sh runs it, and each weakened form of it.
 *
 * Read it from the top: the constants, the leader's state and its history, the
 * transactions, a Leasehold client, a kazoo client, the world around them.
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
#ifndef RENEWALS
#define RENEWALS 1       /* of each of Leasehold's grants */
#endif
#ifndef LOST
#define LOST 1           /* replies, in all */
#endif
#ifndef EXPIRIES
#define EXPIRIES 1       /* of sessions, in all */
#endif
#ifndef REMOVALS
#define REMOVALS 0       /* of the path, by an administrator */
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
#ifndef FAST
#define FAST 0           /* client 1's clock may be ahead by this */
#endif
#ifndef LEADERS
#define LEADERS 0        /* 1: another leader's clock may be a tick ahead */
#endif
#ifndef KAZOOFAST
#define KAZOOFAST 0      /* kazoo's clocks are ahead by this */
#endif

#ifdef NO_MARGIN
#define MARGIN 0
#else
#define MARGIN SKEW
#endif

/* -------- The leader -------- */

/* What the leader has committed, and when. The number of an entry is its zxid. */
typedef Entry {
	unsigned at   : 3;   /* tick of the commit */
	unsigned path : 1;   /* the lease path exists */
	unsigned made : 5;   /* children ever created below it */
	unsigned pz   : 4;   /* pzxid: last creation or deletion below it */
	unsigned q    : 6;   /* lock nodes, lowest first: clients, base 4 */
	unsigned g    : 5;   /* the grant node's name, 0 for none */
	unsigned rec  : 1;   /* the record exists: */
	unsigned hold : 2;   /*   its holder, 0 for somebody outside */
	unsigned end  : 4;   /*   its end; 0 is 1970 */
	unsigned ver  : 3;   /*   its version */
	unsigned cz   : 4;   /*   czxid, the token */
	unsigned mz   : 4;   /*   mzxid */
	unsigned stamp : 3;  /*   mtime, by the leader's clock, */
	unsigned ahead : 1   /*   which was ahead by this */
};

Entry h[COMMITS + 1];
unsigned z : 4;          /* the last commit */
unsigned lo : 4;         /* the oldest that can still be read anywhere */
unsigned now : 3;        /* time */
unsigned lead : 1;       /* by which the leader's clock is ahead */
byte fast[4];            /* by which each client's clock is ahead */

unsigned lost : 2 = LOST;
unsigned expiries : 2 = EXPIRIES;
unsigned removals : 2 = REMOVALS;

byte view[4];            /* how far each client's session has read */
bit alive[4];            /* its session, as the server sees it */
byte until[4];           /* the client believes it may act while now < until */

#define has(q, c)  (((q) & 3) == c || (((q) >> 2) & 3) == c || ((q) >> 4) == c)
#define head(q)    ((q) & 3)

/* begins a new entry of the history, in which a transaction then works */
inline next() {
	h[z+1].path = h[z].path; h[z+1].made = h[z].made; h[z+1].pz = h[z].pz;
	h[z+1].q = h[z].q; h[z+1].g = h[z].g; h[z+1].rec = h[z].rec;
	h[z+1].hold = h[z].hold; h[z+1].end = h[z].end; h[z+1].ver = h[z].ver;
	h[z+1].cz = h[z].cz; h[z+1].mz = h[z].mz; h[z+1].stamp = h[z].stamp; h[z+1].ahead = h[z].ahead;
	z++;
	h[z].at = now
}

#define room (z < COMMITS)

/* is to follow every commit and tick: forgets what nobody can read any more */
inline forget() {
	do
	:: lo < z && (h[lo+1].at + LAG <= now || expiries == 0 &&
		view[1] > lo && view[2] > lo && view[3] > lo) ->
		h[lo].at = 0; h[lo].path = 0; h[lo].made = 0; h[lo].pz = 0; h[lo].q = 0;
		h[lo].g = 0; h[lo].rec = 0; h[lo].hold = 0; h[lo].end = 0;
		h[lo].ver = 0; h[lo].cz = 0; h[lo].mz = 0; h[lo].stamp = 0; h[lo].ahead = 0;
		lo++
	:: else -> break
	od;
	if :: view[1] < lo -> view[1] = lo :: else fi;
	if :: view[2] < lo -> view[2] = lo :: else fi;
	if :: view[3] < lo -> view[3] = lo :: else fi
}

/* A client's session catches up at will before it reads: to any entry that
 * differs from the one before in what is to be read. */
#define sameRecord(a, b) (h[a].rec == h[b].rec && h[a].mz == h[b].mz)
#define sameBelow(a, b)  (h[a].path == h[b].path && h[a].pz == h[b].pz)

inline catchUpRecord(c) {
	do
	:: view[c] < z ->
		d_step {
			view[c] = view[c] + 1;
			do
			:: view[c] < z && sameRecord(view[c], view[c]-1) -> view[c] = view[c] + 1
			:: else -> break
			od
		}
	:: break
	od
}
inline catchUpBelow(c) {
	do
	:: view[c] < z ->
		d_step {
			view[c] = view[c] + 1;
			do
			:: view[c] < z && sameBelow(view[c], view[c]-1) -> view[c] = view[c] + 1
			:: else -> break
			od
		}
	:: break
	od
}
#define V h[view[c]]

/* -------- Transactions -------- */

#define GUARDED 1  /* a grant with the guard */
#define CREATES 2  /* a grant that makes the path */
#define QUEUED  3  /* a grant under kazoo's lock */
#define RENEWS  4
#define ENDS    5  /* a release or an undo */

/* The multi whose reply is lost: in the network, or committed. */
typedef Multi {
	unsigned kind : 3;
	unsigned who  : 2;
	unsigned made : 5;  /* the count that the guard expects */
	unsigned rec  : 1;  /* there was a record, */
	unsigned ver  : 3;  /*   of this version */
	unsigned g    : 5;  /* the grant node to delete or check */
	unsigned hold : 2;
	unsigned end  : 4   /* what the record is to say */
};
Multi o;

inline enqueue(c) {
	next();
	if
	:: h[z].q == 0 -> h[z].q = c
	:: h[z].q > 0 && h[z].q < 4 -> h[z].q = h[z].q | (c << 2)
	:: h[z].q >= 4 -> h[z].q = h[z].q | (c << 4)
	fi;
	h[z].made++; h[z].pz = z;
	printf("%d: client %d's lock node is made\n", now, c)
}

inline dequeue(c) {  /* within a transaction */
	if
	:: head(h[z].q) == c -> h[z].q = h[z].q >> 2
	:: else ->
		if
		:: ((h[z].q >> 2) & 3) == c -> h[z].q = (h[z].q & 3) | ((h[z].q >> 4) << 2)
		:: else -> h[z].q = h[z].q & 15
		fi
	fi;
	h[z].pz = z;
	printf("%d: client %d's lock node goes\n", now, c);
	if
	:: o.kind == QUEUED && o.who == c ->  /* can't be committed any more */
		o.kind = 0; o.who = 0; o.made = 0; o.rec = 0; o.ver = 0; o.g = 0; o.hold = 0; o.end = 0
	:: else
	fi
}

/* The name of a grant node: of a lost one the client's number, else unique by
 * its zxid. */
#define fresh (3 + z)  /* zxids begin at 1 */

#ifdef NO_GUARD
#define guardHolds(n) true
#else
#define guardHolds(n) (h[z].made == n)
#endif
#ifdef NO_FENCE
#define fenceHolds(c) true
#else
#define fenceHolds(c) has(h[z].q, c)
#endif
#ifdef RECORD_VERSION_ONLY
#define grantHolds(g_) true
#else
#define grantHolds(g_) (h[z].g == g_)
#endif

#define recordHolds(e, v) (h[z].rec == e && (!e || h[z].ver == v))
#define listHolds(g_)     (g_ == 0 || h[z].g == g_)

#ifdef RELEASE_LEAVES_NONE
#define LEFT 0
#else
#define LEFT 1
#endif

bit ok;
/* commits a multi, or fails: ok */
inline commit(kind_, by_, made_, rec_, ver_, g_, hold_, end_, lost_) {
	ok = 0;
	if
	:: kind_ == GUARDED && h[z].path && guardHolds(made_) && recordHolds(rec_, ver_) && listHolds(g_) -> ok = 1
	:: kind_ == CREATES && !h[z].path -> ok = 1
	:: kind_ == QUEUED && h[z].path && fenceHolds(by_) && recordHolds(rec_, ver_) && listHolds(g_) -> ok = 1
	:: kind_ >= RENEWS && grantHolds(g_) && h[z].rec && h[z].ver == ver_ -> ok = 1
	:: else
	fi;
	printf("%d: client %d's multi of kind %d, end %d: %d\n", now, by_, kind_, end_, ok);
	if
	:: ok ->
		next();
		if
		:: kind_ <= QUEUED ->
			if :: kind_ == QUEUED && has(h[z].q, by_) -> dequeue(by_) :: else fi;
			h[z].path = 1; h[z].made = h[z].made + 2; h[z].pz = z;
			h[z].rec = 1; h[z].ver = 1; h[z].cz = z;
			if :: lost_ -> h[z].g = by_ :: else -> h[z].g = fresh fi
		:: kind_ == RENEWS -> h[z].ver++
		:: kind_ == ENDS ->
			h[z].ver++; h[z].pz = z;
			h[z].made = h[z].made + LEFT; h[z].g = LEFT * fresh
		fi;
		h[z].hold = hold_; h[z].end = end_; h[z].mz = z;
		h[z].stamp = now + lead; h[z].ahead = lead;
		forget()
	:: else
	fi
}

/* Nobody else may believe to have the lease. */
inline believe(c, t) {
	until[c] = t;
	printf("%d: client %d may act until %d\n", now, c, t);
	assert(now >= until[c] || (
		(c == 1 || now >= until[1]) && (c == 2 || now >= until[2]) && (c == 3 || now >= until[3])))
}

/* -------- A Leasehold client -------- */

/* the rule, by the record that was read */
#define mayHave  (!e || hold == c || end <= now + fast[c])

inline readRecord() {
	catchUpRecord(c);
	e = V.rec; hold = V.hold; end = V.end; ver = V.ver; cz = V.cz; mz = V.mz;
	printf("%d: client %d reads the record of %d: exists %d, holder %d, end %d, version %d\n", now, c, view[c], e, hold, end, ver)
}
inline dropRecord() { e = 0; hold = 0; end = 0; ver = 0; cz = 0; mz = 0 }

/* A session that the server has ended is noticed at the next read, and the
 * attempt begins anew in another, which knows nothing. */
inline newSession() {
	if
	:: !alive[c] -> alive[c] = 1; view[c] = lo
	:: else
	fi
}
#ifdef TWO_SESSIONS
#define sessionLost false
#else
#define sessionLost (!alive[c])
#endif

/* notes whose lease a grant takes over, unless it is what o has written */
inline former() {
	if
	:: e && hold != c -> fhold = hold; fend = end
	:: e && hold == c && unknown
	:: !e || (hold == c && !unknown) -> fhold = 0; fend = 0
	fi
}

/* sends a multi whose reply will not come */
inline lose(kind_, made_, rec_, ver_, g_, hold_, end_) {
	lost--; printf("%d: client %d gets no reply to what it sent, kind %d\n", now, c, kind_);
	o.kind = kind_; o.who = c; o.made = made_; o.rec = rec_; o.ver = ver_; o.g = g_; o.hold = hold_; o.end = end_
}

/* takes the reply to a grant */
inline answer() {
	view[c] = z; dropRecord(); made = 0; list = 0;
	if
	:: ok -> g = h[z].g; tok = z; myver = 1; myend = h[z].end; myahead = lead; left = now + lead; ok = 0
	:: !ok -> if :: failed < 2 -> failed++ :: else fi
	fi
}

proctype Leasehold(byte c) {
	unsigned e : 1; unsigned hold : 2; unsigned end : 4;    /* the record as read */
	unsigned ver : 3; unsigned cz : 4; unsigned mz : 4;
	unsigned made : 5; unsigned list : 5;  /* count and grant node, as read */
	unsigned failed : 2;                   /* of the guard, in this call */
	bit unknown;                           /* o is of this call, */
	unsigned oldcz : 4;                    /*   on the record with this czxid */
	unsigned fend : 4; unsigned fhold : 2; /* the other's end that a grant replaces */
	unsigned grants : 2 = GRANTS;
	unsigned renewals : 2;
	unsigned g : 5; unsigned tok : 4;      /* the lease: grant node, token, */
	unsigned myver : 3; unsigned myend : 4; bit myahead; /* version, end, leader's clock */
	unsigned to : 4; unsigned left : 3;    /* a renewal's end; time left, when sent */
	bit again;                             /* after withdrawing: another attempt */

idle:	/* No call is under way; a lease may be held, and be left alone. */
	atomic {
		assert(!alive[c] || !has(h[z].q, c));
		dropRecord(); made = 0; list = 0; failed = 0; unknown = 0; oldcz = 0;
		fend = 0; fhold = 0; renewals = 0; g = 0; tok = 0; myver = 0; myend = 0;
		myahead = 0; to = 0; left = 0; again = 0
	}
	if
	:: grants > 0
	:: grants == 0 -> goto done
	fi;

begin:	/* Read the record: first of all; after a lost reply, behind a sync. */
	atomic {
		room;
		newSession();
		if :: unknown -> view[c] = z :: else fi;
		readRecord()
	}

	/* Deny by it, unless a commit on that very record may still arrive. Else
	 * read the children. */
	atomic {
		room;
		if
		:: sessionLost -> dropRecord(); goto begin
		:: else -> newSession()
		fi;
		if
		:: !mayHave && !(unknown && cz == oldcz) -> goto idle
		:: else -> catchUpBelow(c)
		fi;
		made = V.made; list = V.g;
		printf("%d: client %d reads the children of %d: count %d, locks %d, grant %d\n", now, c, view[c], made, V.q, list);
		if
		:: !V.path -> made = 0; dropRecord(); goto create
		:: V.path && unknown && V.g == c -> goto recover
		:: V.path && !(unknown && V.g == c) && (V.q || failed == 2 || unknown) -> goto queue
		:: else
		fi;
#ifndef GUARD_WITHOUT_GRANT
		/* Nothing but an old grant node, which the transaction deletes,
		 * tells this path from another that is made in its place. */
		if
		:: !list -> goto queue
		:: else
		fi;
#endif
#ifdef RECORD_BEFORE_CHILDREN
		goto guarded
#else
		if
		:: e == V.rec && (!e || V.pz <= mz) -> goto guarded
		:: else
		fi
#endif
	}

	/* Read it again, where it may be older than the children. */
	atomic {
		room;
		if
		:: sessionLost -> dropRecord(); made = 0; list = 0; goto begin
		:: else -> newSession(); readRecord()
		fi
	}

guarded:
	atomic {
		room;
		if
		:: !mayHave -> goto idle
		:: mayHave -> former();
			commit(GUARDED, c, made, e, ver, list, c, now + fast[c] + DURATION, false);
			answer();
			if :: g -> goto judge :: else -> goto begin fi
		:: mayHave && lost && !o.kind -> former();
			lose(GUARDED, made, e, ver, list, c, now + fast[c] + DURATION);
			goto noAnswer
		fi
	}

create:	/* There is no path: make it. */
	atomic {
		room;
		if
		:: former(); commit(CREATES, c, 0, 0, 0, 0, c, now + fast[c] + DURATION, false);
			answer();
			if :: g -> goto judge :: else -> goto begin fi
		:: lost && !o.kind -> former();
			lose(CREATES, 0, 0, 0, 0, c, now + fast[c] + DURATION);
			goto noAnswer
		fi
	}

queue:	/* Create a lock node. */
	atomic {
		room;
		dropRecord(); made = 0; list = 0;
		if
		:: sessionLost || !h[z].path -> goto begin
		:: else -> newSession(); enqueue(c); view[c] = z; forget()
		fi
	}

ahead:	/* Read the children: wait, unless it is the lowest. */
	atomic {
		room;
		if
		:: sessionLost -> goto begin
		:: else -> newSession(); catchUpBelow(c)
		fi;
		if
		:: !has(V.q, c) -> goto begin
		:: has(V.q, c) && unknown && V.g == c -> goto recover
		:: has(V.q, c) && !(unknown && V.g == c) && head(V.q) == c -> list = V.g
		:: has(V.q, c) && !(unknown && V.g == c) && head(V.q) != c ->
			readRecord();
			if
			:: !mayHave -> goto withdraw
			:: mayHave -> dropRecord(); goto ahead
			fi
		fi
	}

	/* The lowest: only now read the record. */
	atomic {
		room;
		if
		:: sessionLost -> list = 0; goto begin
		:: else -> newSession(); readRecord()
		fi
	}

	/* Commit, together with the removal of the own lock node. */
	atomic {
		room;
		if
		:: !mayHave -> goto withdraw
		:: mayHave -> former();
			commit(QUEUED, c, 0, e, ver, list, c, now + fast[c] + DURATION, false);
			again = !ok; answer();
			if :: again -> goto withdraw :: else -> goto judge fi
		:: mayHave && lost && !o.kind -> former();
			lose(QUEUED, 0, e, ver, list, c, now + fast[c] + DURATION);
			again = 1;
			goto noAnswer
		fi
	}

withdraw:  /* Remove the lock node; the end of the session does it too. */
	atomic {
		room;
		dropRecord(); list = 0;
		if
		:: has(h[z].q, c) -> next(); dequeue(c); view[c] = z; forget()
		:: else
		fi;
		if
		:: again -> again = 0; goto begin
		:: else -> goto idle
		fi
	}

noAnswer:
	atomic {
		unknown = 1; oldcz = cz; dropRecord(); made = 0; list = 0;
		if
		:: again -> goto withdraw
		:: else -> goto begin
		fi
	}

recover:  /* The grant of the lost reply is there: is it still the last one? */
	atomic {
		room;
		dropRecord(); made = 0; list = 0;
		if
		:: sessionLost -> goto begin
		:: else -> newSession(); catchUpRecord(c)
		fi;
		if  /* it is, if grant node and record have equal czxids; kazoo's version is 0 */
		:: V.g == c && V.rec && V.ver ->
			g = c; tok = V.cz; myver = V.ver; myend = V.end; myahead = V.ahead;
			left = V.stamp;
			if
			:: has(h[z].q, c) -> next(); dequeue(c); view[c] = z; forget()
			:: else
			fi;
			goto judge
		:: else ->
			unknown = 0; oldcz = 0;
			if
			:: has(h[z].q, c) -> again = 1; goto withdraw
			:: else -> goto begin
			fi
		fi
	}

judge:	/* A takeover stands only if its stamp is not before the former end. */
	atomic {
		failed = 0; unknown = 0; oldcz = 0; again = 0; grants--;
#ifndef NO_EARLY_CHECK
		if
		:: left < fend -> left = 0; goto undo
		:: else
		fi;
#endif
		left = 0; fend = 0; fhold = 0;
		renewals = RENEWALS;
		believe(c, myend - myahead - MARGIN)
	}

held:
	if
	:: renewals > 0 && now < until[c]
	:: goto release
	:: goto idle
	fi;

	/* Renew: by the leader's clock as it was when last seen. */
	atomic {
		room;
		if
		:: now >= until[c] -> goto loseIt
		:: else
		fi;
		renewals--;
		to = now + myahead + DURATION;
		if :: to < myend -> to = myend :: else fi;
#ifdef LAG_WHEN_SENT
		left = until[c] - now
#endif
	}
send:
	atomic {
		room;
		if
		:: commit(RENEWS, c, 0, 1, myver, g, c, to, false)
		:: lost && !o.kind -> lose(RENEWS, 0, 1, myver, g, c, to); goto look
		fi;
		view[c] = z;
		if
		:: !ok -> goto look
		:: else -> myver++; myahead = lead; ok = 0
		fi;
		if
#ifdef LATE_COUNTS
		:: now >= until[c] -> goto extend
#else
		:: now >= until[c] -> goto loseIt
#endif
		:: else
		fi;
#ifdef LAG_WHEN_SENT
		if :: left >= LAG -> goto extend :: else fi
#else
		if :: now + LAG <= until[c] -> goto extend :: else fi
#endif
	}

confirm:  /* Is a client of kazoo at work? */
	atomic {
		room;
		if
		:: now >= until[c] -> goto loseIt
		:: else
		fi;
#ifdef NO_CONFIRM
		goto extend;
#endif
		if
		:: !alive[c] -> newSession(); view[c] = z  /* by a sync */
		:: else
		fi;
		catchUpBelow(c);
		if
		:: !V.path -> goto loseIt
#ifdef TOKEN_BEFORE_LOCKS
		:: V.path && V.pz == tok -> goto extend
		:: V.path && V.pz != tok && V.q -> goto confirm
		:: V.path && V.pz != tok && !V.q
#else
		:: V.path && V.q -> goto confirm
		:: V.path && !V.q
#endif
		fi
	}
	atomic {
		room;
		if
		:: !alive[c] -> goto confirm
		:: else -> catchUpRecord(c)
		fi;
		if
		:: !V.rec || V.cz != tok || now >= until[c] -> goto loseIt
		:: else
		fi
	}
extend:
	atomic {
		myend = to; to = 0; left = 0;
		believe(c, myend - myahead - MARGIN);
		goto held
	}

look:	/* Whose is the record, after a lost reply or a failure? Then send again. */
	atomic {
		room;
		newSession(); view[c] = z;  /* by a sync */
		if
		:: now < until[c] && h[z].path && h[z].rec && h[z].cz == tok && h[z].g == g ->
			myver = h[z].ver; goto send
		:: else -> goto loseIt
		fi
	}

loseIt:
	atomic { until[c] = 0; goto idle }

release:
	atomic {
		room;
		until[c] = 0;
		if
		:: commit(ENDS, c, 0, 1, myver, g, c, 0, false); view[c] = z; ok = 0
		:: lost && !o.kind -> lose(ENDS, 0, 1, myver, g, c, 0)
		fi;
		goto idle
	}

undo:	/* Put the former record back. */
	atomic {
		room;
#ifdef REGRANT_BEFORE_UNDO
		if
		:: goto idle
		:: true
		fi;
#endif
		commit(ENDS, c, 0, 1, myver, g, fhold, fend, false); view[c] = z; ok = 0;
		goto idle
	}

done:
	view[c] = 15
}

/* -------- A kazoo client -------- */

/* Every request of it is made while its session lives. */
#ifdef KAZOO_STALL
#define lives true
#else
#define lives alive[c]
#endif

proctype Kazoo(byte c) {
	unsigned e : 1;         /* there was a record */
	unsigned end : 4;       /* that it writes */
	unsigned grants : 2 = GRANTS;

begin:	/* Make the path, create a lock node. */
	atomic {
		room && grants;
		e = 0; end = 0;
		newSession();
		if
		:: !h[z].path -> next(); h[z].path = 1; h[z].pz = z; view[c] = z; forget(); goto begin
		:: else -> enqueue(c); view[c] = z; forget()
		fi
	}

ahead:	/* Read the children, until it is the lowest. */
	atomic {
		room && (!lives || head(h[z].q) == c || !has(h[z].q, c));
		if
		:: !lives -> goto begin
		:: else -> catchUpBelow(c)
		fi;
		if
		:: has(V.q, c) && head(V.q) == c
		:: has(V.q, c) && head(V.q) != c -> goto ahead
		:: !has(V.q, c) -> goto begin
		fi
	}

	/* Look at the clock, then read the record. */
	atomic {
		room;
		if
		:: !lives -> goto begin
		:: else -> catchUpRecord(c)
		fi;
		if
		:: V.rec && V.hold != c && now + KAZOOFAST < V.end -> goto unlock
		:: else -> printf("%d: client %d (kazoo) reads the record of %d: exists %d, holder %d, end %d\n", now, c, view[c], V.rec, V.hold, V.end); e = V.rec; end = now + KAZOOFAST + DURATION
		fi
	}

	/* Delete it, whatever its version. */
	atomic {
		room;
		if
		:: !lives -> goto begin
		:: lives && e && !h[z].rec -> goto unlock
		:: lives && e && h[z].rec -> printf("%d: client %d (kazoo) deletes the record\n", now, c); next(); h[z].rec = 0; h[z].hold = 0; h[z].end = 0; h[z].ver = 0;
			h[z].cz = 0; h[z].mz = 0; h[z].stamp = 0; h[z].ahead = 0; h[z].pz = z;
			view[c] = z; forget()
		:: lives && !e
		fi
	}

	/* Create another. */
	atomic {
		room;
		if
		:: !lives -> goto begin
		:: lives && (h[z].rec || !h[z].path) -> goto unlock
		:: lives && !h[z].rec && h[z].path -> printf("%d: client %d (kazoo) creates the record\n", now, c); next(); h[z].rec = 1; h[z].hold = c; h[z].end = end; h[z].ver = 0;
			h[z].cz = z; h[z].mz = z; h[z].stamp = now + lead; h[z].ahead = lead;
			h[z].pz = z; h[z].made++; view[c] = z; forget();
			grants--;
			believe(c, end - KAZOOFAST)
		fi
	}

unlock:
	atomic {
		room;
		e = 0; end = 0;
		if
		:: alive[c] && has(h[z].q, c) -> next(); dequeue(c); view[c] = z; forget()
		:: else
		fi;
		if
		:: grants -> goto begin
		:: else -> view[c] = 15
		fi
	}
}

/* -------- The world -------- */

/* Time passes. */
active proctype Time() {
	do
	:: d_step { now < LAST && room -> now++; printf("%d: it is\n", now); forget() }
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

proctype World() {
	do
	:: d_step { room && o.kind ->  /* the multi arrives */
		commit(o.kind, o.who, o.made, o.rec, o.ver, o.g, o.hold, o.end, true); ok = 0;
		o.kind = 0; o.who = 0; o.made = 0; o.rec = 0; o.ver = 0; o.g = 0; o.hold = 0; o.end = 0 }
	:: d_step { room && expiries && alive[1] && view[1] < 15 -> expire(1) }
	:: d_step { room && expiries && alive[2] && view[2] < 15 -> expire(2) }
#if CLIENTS > 2
	:: d_step { room && expiries && alive[3] && view[3] < 15 -> expire(3) }
#endif
#if REMOVALS
	/* An administrator removes a path whose lease is free and not waited for. */
	:: d_step { room && removals && h[z].path && !h[z].q && (!h[z].rec || h[z].end <= now) &&
		now >= until[1] && now >= until[2] && now >= until[3] ->
		removals--; printf("%d: the path is removed\n", now);
		next(); h[z].path = 0; h[z].made = 0; h[z].pz = 0; h[z].g = 0; h[z].rec = 0; h[z].hold = 0;
		h[z].end = 0; h[z].ver = 0; h[z].cz = 0; h[z].mz = 0; h[z].stamp = 0; h[z].ahead = 0; forget() }
#endif
#if LEADERS
	:: d_step { room && lead < 1 -> lead++ }
#endif
	od
}

/* The path to begin with: absent, new, left by kazoo's peers, or by Leasehold's. */
init {
	atomic {
		if
		:: z = 1
		:: z = 1; h[1].path = 1; h[1].pz = 1
		:: z = 1; h[1].path = 1; h[1].pz = 1; h[1].made = 2; h[1].rec = 1; h[1].end = 0; h[1].cz = 1; h[1].mz = 1
		:: z = 1; h[1].path = 1; h[1].pz = 1; h[1].made = 2; h[1].rec = 1; h[1].end = 0; h[1].cz = 1; h[1].mz = 1;
			h[1].ver = 1; h[1].g = fresh
		:: z = 1; h[1].path = 1; h[1].pz = 1; h[1].made = 4; h[1].rec = 1; h[1].end = 0; h[1].cz = 1; h[1].mz = 1;
			h[1].g = fresh
		fi;
		lo = 1; view[1] = 1; view[2] = 1; view[3] = 1;
		alive[1] = 1; alive[2] = 1; alive[3] = 1;
#if FAST
		if :: fast[1] = FAST :: skip fi;
#endif
#if CLIENTS < 3
		view[3] = 15;
#endif
		run World();
		run Leasehold(1);
#if LEASEHOLD > 1
		run Leasehold(2);
#else
		run Kazoo(2);
#endif
#if CLIENTS > 2
#if LEASEHOLD > 2
		run Leasehold(3)
#else
		run Kazoo(3)
#endif
#endif
	}
}
