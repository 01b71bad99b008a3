/* A Leasehold client. */

/* The rule, by the record that was read; and by the grant node that was: a grant
 * that was made before another's lease had ended counts for nobody until then. */
#define mayHave   (!e || hold == c || end <= now + fast[c])
#define heldUntil (ver && list && !broken(HELD_UNTIL_IGNORED) -> luntil : 0)
#define mayWrite  (mayHave && heldUntil <= now + fast[c])

inline readRecord() {
	catchUpRecord(c);
	e = V.rec; hold = V.hold; end = V.end; ver = V.ver; cz = V.cz; mz = V.mz;
	printf("%d: client %d reads the record of %d: exists %d, holder %d, end %d, version %d\n", now, c, view[c], e, hold, end, ver)
}
inline readBelow() {
	catchUpBelow(c);
	made = V.made; list = V.g; luntil = V.until;
	printf("%d: client %d reads the children of %d: count %d, locks %d, grant %d, until %d\n", now, c, view[c], made, V.q, list, luntil)
}
inline dropRecord() { e = 0; hold = 0; end = 0; ver = 0; cz = 0; mz = 0 }
inline dropBelow()  { made = 0; list = 0; luntil = 0 }

/* A session that the server has ended is noticed at the next read, and the
 * attempt begins anew in another. */
#define sessionLost (!alive[c] && !broken(TWO_SESSIONS))

/* notes what a grant is to say, and what it replaces: to be put back, and until
 * when it was another's */
inline former() {
	to = now + fast[c] + DURATION;
	if :: e && hold == c && end > to -> to = end :: else fi;
	keep = heldUntil;
	if
	:: e && hold != c && end >= keep -> fend = end
	:: else -> fend = keep
	fi;
	if
	:: e -> uhold = hold; uend = end
	:: else -> uhold = c; uend = 0
	fi
}

#define mayLose(what_) (lost && !o.kind && (what_ >= ENDS || !LOSTENDS))

/* sends a multi whose reply will not come */
inline lose(kind_, made_, rec_, ver_, g_, hold_, end_, fend_) {
	lost--; printf("%d: client %d gets no reply to what it sent, kind %d\n", now, c, kind_);
	sure = 1;
	o.kind = kind_; o.who = c; o.made = made_; o.rec = rec_; o.ver = ver_; o.g = g_; o.hold = hold_; o.end = end_; o.fend = fend_
}

/* By how much a holder stops before the end, by the store's clock: the limit, and
 * by how much its own clock is ahead, since a kazoo host's may be ahead of that. */
#define clockLead (fast[c] <= lead || broken(STORES_CLOCK_ONLY) -> 0 : (fast[c] - lead < SKEW -> fast[c] - lead : SKEW))
#define margin    ((broken(NO_MARGIN) -> 0 : SKEW) + clockLead)

/* takes the reply to a grant */
inline answer() {
	view[c] = z; dropRecord(); dropBelow(); to = 0;
	if
	:: ok -> g = h[z].g; tok = z; myver = 1; myend = h[z].end; myahead = lead; mycut = margin; at = now + lead; sure = 1; ok = 0
	:: !ok -> if :: failed < 2 -> failed++ :: else fi
	fi
}

/* Is the lease far from its end, so that nobody can take it on old knowledge? By
 * its clock and by the store's, and for a kazoo client whose clock is ahead. */
#define before       (broken(LAG_WITHOUT_MARGIN) -> 0 : mycut)
#define farByOwn     (now + LAG + before <= until[c] + mycut)
#define farByStore   (now + lead + LAG + before <= myend || broken(OWN_CLOCK_ONLY))
#define farWhenSent  (broken(LAG_WHEN_SENT) && left >= LAG)

proctype Leasehold(byte c) {
	unsigned e : 1; unsigned hold : 2; unsigned end : 4;    /* the record as read */
	unsigned ver : 3; unsigned cz : 4; unsigned mz : 4;
	unsigned made : 5; unsigned list : 5; unsigned luntil : 4; /* count and grant node, as read */
	unsigned failed : 2;                   /* of the guard, in this call */
	bit unknown;                           /* o is of this call, */
	unsigned oldcz : 4;                    /*   on the record with this czxid */
	unsigned uend : 4; unsigned uhold : 2; /* the record that a grant replaces, */
	unsigned fend : 4; unsigned keep : 4;  /*   until when it was another's, and by its grant node */
	unsigned grants : 3 = GRANTS + (c == 1 -> MORE : 0);
	unsigned renewals : 2;
	unsigned g : 5; unsigned tok : 4;      /* the lease: grant node, the record's czxid, */
	unsigned myver : 3; unsigned myend : 4; /*  version, end; of the newest commit: */
	unsigned myahead : 1; unsigned mycut : 3; /* the leader's clock, the margin, */
	unsigned at : 3;                       /*   and the grant's stamp */
	unsigned what : 3;                     /* what is written: RENEWS, ENDS or KEEPS, */
	unsigned tohold : 2; unsigned to : 4;  /*   and the record's holder and end */
	unsigned left : 3;                     /* time left, when sent */
	bit sure;                              /* its clock has not stood still since, so far as it knows */
	bit again;                             /* after withdrawing: another attempt */

idle:	/* No call is under way; a lease may be held, and be left alone. */
	atomic {
		assert(!alive[c] || !has(h[z].q, c));
		dropRecord(); dropBelow(); failed = 0; unknown = 0; oldcz = 0;
		uend = 0; uhold = 0; fend = 0; keep = 0; renewals = 0; g = 0; tok = 0; myver = 0; myend = 0;
		myahead = 0; mycut = 0; at = 0; what = 0; tohold = 0; to = 0; left = 0; sure = 0; again = 0;
		asks(c, 0)
	}
	if
	:: grants > 0
	:: grants == 0 -> goto done
	fi;

begin:	/* Read the record: first of all; after a lost reply, behind a sync. */
	atomic {
		room;
		asks(c, 1);
		newSession(c);
		if :: unknown -> view[c] = z :: else fi;
		readRecord()
	}

	/* Deny by it, unless a commit on that very record may still arrive. Else
	 * read the children. */
	atomic {
		room;
		if
		:: sessionLost -> dropRecord(); goto begin
		:: else -> newSession(c)
		fi;
		if
		:: !mayHave && !(unknown && cz == oldcz) -> goto idle
		:: else -> readBelow()
		fi;
		if
		:: !V.path -> dropBelow(); dropRecord(); goto create
		:: V.path && unknown && V.g == c -> goto recover
		:: V.path && !(unknown && V.g == c) && (V.q || failed == 2 || unknown) -> goto queue
		:: else
		fi;
		if
		:: broken(RECORD_BEFORE_CHILDREN) || e == V.rec && (!e || V.pz <= mz) -> goto guarded
		:: else
		fi
	}

	/* Read it again, where it may be older than the children. */
	atomic {
		room;
		if
		:: sessionLost -> dropRecord(); dropBelow(); goto begin
		:: else -> newSession(c); readRecord()
		fi
	}

guarded:
	atomic {
		room;
		if
		:: !mayWrite -> goto idle
		:: mayWrite -> former();
			commit(GUARDED, c, made, e, ver, list, c, to, fend, false);
			answer();
			if :: g -> goto judge :: else -> goto begin fi
		:: mayWrite && mayLose(GUARDED) -> former();
			lose(GUARDED, made, e, ver, list, c, to, fend);
			goto noAnswer
		fi
	}

create:	/* There is no path: make it. */
	atomic {
		room;
		if
		:: former(); commit(CREATES, c, 0, 0, 0, 0, c, to, 0, false);
			answer();
			if :: g -> goto judge :: else -> goto begin fi
		:: mayLose(CREATES) -> former();
			lose(CREATES, 0, 0, 0, 0, c, to, 0);
			goto noAnswer
		fi
	}

queue:	/* Create a lock node. */
	atomic {
		room;
		dropRecord(); dropBelow();
		if
		:: sessionLost || !h[z].path -> goto begin
		:: else -> newSession(c); enqueue(c); view[c] = z; forget()
		fi
	}

ahead:	/* Read the children: wait, unless it is the lowest. */
	atomic {
		room;
		if
		:: sessionLost -> goto begin
		:: else -> newSession(c); readBelow(); made = 0
		fi;
		if
		:: !has(V.q, c) -> dropBelow(); goto begin
		:: has(V.q, c) && unknown && V.g == c -> goto recover
		:: has(V.q, c) && !(unknown && V.g == c) && head(V.q) == c
		:: has(V.q, c) && !(unknown && V.g == c) && head(V.q) != c ->
			readRecord();
			if
			:: !mayWrite -> goto withdraw
			:: mayWrite -> dropRecord(); dropBelow(); goto ahead
			fi
		fi
	}

	/* The lowest: only now read the record. */
	atomic {
		room;
		if
		:: sessionLost -> dropBelow(); goto begin
		:: else -> newSession(c); readRecord()
		fi
	}

	/* Commit, together with the removal of the own lock node. */
	atomic {
		room;
		if
		:: !mayWrite -> goto withdraw
		:: mayWrite -> former();
			commit(QUEUED, c, 0, e, ver, list, c, to, fend, false);
			again = !ok; answer();
			if :: again -> goto withdraw :: else -> goto judge fi
		:: mayWrite && mayLose(QUEUED) -> former();
			lose(QUEUED, 0, e, ver, list, c, to, fend);
			again = 1;
			goto noAnswer
		fi
	}

withdraw:  /* Remove the lock node; the end of the session does it too. */
	atomic {
		room;
		dropRecord(); dropBelow();
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
		unknown = 1; oldcz = cz; dropRecord(); dropBelow(); to = 0;
		if
		:: again -> goto withdraw
		:: else -> goto begin
		fi
	}

recover:  /* The grant node of the lost reply was seen. When was it made? */
	atomic {
		room;
		dropRecord(); dropBelow();
		if
		:: sessionLost -> goto begin
		:: else -> newSession(c); catchUpBelow(c)
		fi;
		if
		:: V.g == c -> cz = V.cz
		:: else -> unknown = 0; oldcz = 0
		fi
	}

	/* Is the record still that of the grant, and what was sent? */
	atomic {
		room;
		if
		:: sessionLost -> dropRecord(); goto begin
		:: else -> newSession(c); catchUpRecord(c)
		fi;
		if
		:: unknown && V.rec && V.ver && V.cz == cz && V.hold == c ->
			dropRecord();
			g = c; tok = V.cz; myver = V.ver; myend = V.end; myahead = V.ahead; mycut = margin; at = V.stamp;
			if
			:: has(h[z].q, c) -> next(); dequeue(c); view[c] = z; forget()
			:: else
			fi;
			goto judge
		:: else ->
			dropRecord(); unknown = 0; oldcz = 0;
			if
			:: has(h[z].q, c) -> again = 1; goto withdraw
			:: else -> goto begin
			fi
		fi
	}

judge:	/* A grant stands only if its stamp is not before the former end, if the
	 * clock is off by the limit at most, and if there is time left. */
	atomic {
		failed = 0; unknown = 0; oldcz = 0; again = 0; grants--; asks(c, 0);
		if
		:: at < fend && !broken(NO_EARLY_CHECK) || fast[c] > myahead + SKEW || myahead > fast[c] + SKEW ||
			now + myahead + mycut >= myend + slipped[c] || !sure -> goto undo
		:: else
		fi;
		doubted[c] = 0;
		at = 0; fend = 0; keep = 0; uend = 0; uhold = 0;
		renewals = RENEWALS;
		believe(c, myend - myahead - mycut)
	}

held:
	if
	:: renewals > 0 && now < until[c]
	:: atomic { paused[c] && !alive[c] -> newSession(c); goto held }
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
		what = RENEWS; tohold = c; to = now + myahead + DURATION;
		if :: to < myend -> to = myend :: else fi;
		if :: broken(LAG_WHEN_SENT) -> left = until[c] - now :: else fi
	}

send:	/* Check the grant node, and write the record. */
	atomic {
		room;
		if
		:: commit(what, c, 0, 1, myver, g, tohold, to, 0, false)
		:: mayLose(what) ->
			lose(what, 0, 1, myver, g, tohold, to, 0);
			if :: what == RENEWS -> goto look :: else -> goto idle fi
		fi;
		view[c] = z;
		if
		:: !ok && h[z].g != g -> goto reclaim
		:: !ok && h[z].g == g -> goto look
		:: ok
		fi
	}

sent:	/* The reply to it has come at once. */
	atomic {
		ok = 0; myver++;
		if :: what != RENEWS -> goto idle :: else fi;
		myahead = h[z].ahead; sure = 1;
		if
		:: now >= until[c] && !broken(LATE_COUNTS) -> goto loseIt
		:: now >= until[c] && broken(LATE_COUNTS) || broken(NO_CONFIRM) || farWhenSent || farByOwn && farByStore && !broken(LAG_WHEN_SENT) -> goto extend
		:: else
		fi
	}

confirm:  /* Is a client of kazoo at work? */
	atomic {
		room;
		if
		:: now >= until[c] -> goto loseIt
		:: else
		fi;
		if
		:: !alive[c] -> newSession(c); view[c] = z  /* by a sync */
		:: else
		fi;
		catchUpBelow(c);
		if
		:: !V.path -> goto loseIt
		:: V.path && broken(TOKEN_BEFORE_LOCKS) && V.pz == tok -> goto extend
		:: V.path && !(broken(TOKEN_BEFORE_LOCKS) && V.pz == tok) && V.q -> goto confirm
		:: V.path && !(broken(TOKEN_BEFORE_LOCKS) && V.pz == tok) && !V.q
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
		myend = to; to = 0; left = 0; mycut = margin;
		if :: sure -> doubted[c] = 0 :: else fi;
		believe(c, myend - myahead - mycut);
		goto held
	}

look:	/* Whose is the record, after a lost reply or a failure? Then send again. */
	atomic {
		room;
		newSession(c); view[c] = z;  /* by a sync */
		if
		:: h[z].path && h[z].rec && h[z].cz == tok && h[z].g == g && (what != RENEWS || now < until[c]) ->
			myver = h[z].ver; goto send
		:: else -> goto loseIt
		fi
	}

reclaim:  /* The grant node is gone. Was the lease taken over too early? The
	   * takeover was taken back, and the record is ours in another node, or it
	   * is there, and its grant node has our end. Read the children. */
	atomic {
		room;
		asks(c, 1);
		if
		:: what == RENEWS && now >= until[c] -> goto loseIt
		:: (what != RENEWS || now < until[c]) && !alive[c] -> newSession(c); goto send
		:: else -> readBelow()
		fi;
		if
		:: !V.path -> goto loseIt
		:: V.path && V.q -> dropBelow(); goto send
		:: V.path && !V.q
		fi
	}

	/* Read the record. */
	atomic {
		room;
		if
		:: !alive[c] -> dropBelow(); goto send
		:: else -> readRecord()
		fi;
		if
		:: e && ver && (broken(RECLAIM_ANYTHING) || cz != tok &&
			(!list && hold == c && end == myend || list && luntil && luntil == myend))
		:: else -> goto loseIt
		fi
	}

	/* Make a new grant node. */
	atomic {
		room;
		tok = cz; myver = ver;
		if
		:: commit(what + AGAIN, c, made, 1, ver, list, tohold, to, 0, false);
			view[c] = z; dropRecord(); dropBelow();
			if
			:: ok -> g = h[z].g; asks(c, 0); goto sent
			:: else -> goto reclaim
			fi
		:: mayLose(what) -> lose(what + AGAIN, made, 1, ver, list, tohold, to, 0); goto loseIt
		fi
	}

loseIt:
	atomic {
		if :: what == RENEWS -> until[c] = 0 :: else fi;
		goto idle
	}

release:
	atomic { until[c] = 0; what = ENDS; tohold = c; to = 0; goto send }

undo:	/* Put the former record back, unless the host dies before it can. A grant
	 * node that says until when the former counts for nobody stays. */
	atomic {
		tohold = uhold; to = uend;
		if
		:: at < keep && !broken(UNDO_FORGETS) -> what = KEEPS
		:: else -> what = ENDS
		fi;
		at = 0; fend = 0; keep = 0; uend = 0; uhold = 0;
		if
		:: deaths -> deaths--; printf("%d: client %d dies\n", now, c); goto idle
		:: goto send
		fi
	}

done:
	view[c] = 15
}
