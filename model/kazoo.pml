/* A kazoo client. Every request of it is made while its session lives. */

#define lives (alive[c] || broken(KAZOO_STALLS))

proctype Kazoo(byte c) {
	unsigned e : 1;         /* there was a record */
	unsigned end : 4;       /* that it writes */
	unsigned grants : 2 = GRANTS;
	bit sure;               /* (its clock never stands still) */

begin:	/* Make the path, create a lock node. */
	atomic {
		room && grants;
		e = 0; end = 0; asks(c, 1);
		newSession(c);
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
		printf("%d: client %d (kazoo) reads the record of %d: exists %d, holder %d, end %d\n", now, c, view[c], V.rec, V.hold, V.end);
		if
		:: V.rec && V.hold != c && now + fast[c] < V.end -> goto unlock
		:: else -> e = V.rec; end = now + fast[c] + DURATION
		fi
	}

	/* Delete it, whatever its version. */
	atomic {
		room;
		if
		:: !lives -> goto begin
		:: lives && e && !h[z].rec -> goto unlock
		:: lives && e && h[z].rec ->
			printf("%d: client %d (kazoo) deletes the record\n", now, c);
			next(); noRecord(); h[z].pz = z; view[c] = z; forget()
		:: lives && !e
		fi
	}

	/* Create another. */
	atomic {
		room;
		if
		:: !lives -> goto begin
		:: lives && (h[z].rec || !h[z].path) -> goto unlock
		:: lives && !h[z].rec && h[z].path ->
			printf("%d: client %d (kazoo) creates the record\n", now, c);
			next(); h[z].rec = 1; h[z].hold = c; h[z].end = end; h[z].cz = z; h[z].mz = z;
			h[z].stamp = now + lead; h[z].ahead = lead;
			h[z].pz = z; h[z].made++; view[c] = z; forget();
			grants--;
			believe(c, end - fast[c])
		fi
	}

unlock:
	atomic {
		room;
		e = 0; end = 0; asks(c, 0);
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
