/* What the leader has committed, the transactions that clients send it, and who
 * acts on a lease by then. */

/* -------- The history -------- */

/* What was committed, and when. The number of an entry is its zxid. */
typedef Entry {
	unsigned at   : 3;   /* tick of the commit */
	unsigned path : 1;   /* the lease path exists */
	unsigned made : 5;   /* children ever created below it */
	unsigned pz   : 4;   /* pzxid: last creation or deletion below it */
	unsigned q    : 6;   /* lock nodes, lowest first: clients, base 4 */
	unsigned g    : 5;   /* the grant node's name, 0 for none; and the former */
	unsigned until : 4;  /*   end in it, 0 if that was over at the commit */
	unsigned rec  : 1;   /* the record exists: */
	unsigned hold : 2;   /*   its holder, 0 for somebody outside */
	unsigned end  : 4;   /*   its end; 0 is 1970 */
	unsigned ver  : 3;   /*   its version */
	unsigned cz   : 4;   /*   czxid */
	unsigned mz   : 4;   /*   mzxid */
	unsigned stamp : 3;  /*   mtime, by the leader's clock, */
	unsigned ahead : 1   /*   which was ahead by this */
};

Entry h[COMMITS + 1];
unsigned z : 4;          /* the last commit */
unsigned lo : 4;         /* the oldest that can still be read anywhere */

byte view[4];            /* how far each client's session has read; 15: it is done */
bit alive[4];            /* its session, as the server sees it */
bit asking[4];           /* it may be about to write on what it has read */

#define has(q, c)  (((q) & 3) == c || (((q) >> 2) & 3) == c || ((q) >> 4) == c)
#define head(q)    ((q) & 3)

/* Only the administrator needs to know who is asking. */
#define asks(c, b) asking[c] = REMOVALS * b

/* begins a new entry of the history, in which a transaction then works */
inline next() {
	h[z+1].path = h[z].path; h[z+1].made = h[z].made; h[z+1].pz = h[z].pz;
	h[z+1].q = h[z].q; h[z+1].g = h[z].g; h[z+1].until = h[z].until; h[z+1].rec = h[z].rec;
	h[z+1].hold = h[z].hold; h[z+1].end = h[z].end; h[z+1].ver = h[z].ver;
	h[z+1].cz = h[z].cz; h[z+1].mz = h[z].mz; h[z+1].stamp = h[z].stamp; h[z+1].ahead = h[z].ahead;
	z++;
	h[z].at = now
}

inline noRecord() {
	h[z].rec = 0; h[z].hold = 0; h[z].end = 0; h[z].ver = 0;
	h[z].cz = 0; h[z].mz = 0; h[z].stamp = 0; h[z].ahead = 0
}

#define room (z < COMMITS)

/* is to follow every commit and tick: forgets what nobody can read any more */
inline forget() {
	do
	:: lo < z && (h[lo+1].at + LAG <= now || expiries == 0 &&
		view[1] > lo && view[2] > lo && view[3] > lo) ->
		h[lo].at = 0; h[lo].path = 0; h[lo].made = 0; h[lo].pz = 0; h[lo].q = 0;
		h[lo].g = 0; h[lo].until = 0; h[lo].rec = 0; h[lo].hold = 0; h[lo].end = 0;
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
#define KEEPS   6  /* an undo that leaves the grant node */
#define AGAIN   8  /* added to these three: in a new grant node, guarded */

/* The multi whose reply is lost: in the network, or committed. */
typedef Multi {
	unsigned kind : 4;
	unsigned who  : 2;
	unsigned made : 5;  /* the count that the guard expects */
	unsigned rec  : 1;  /* there was a record, */
	unsigned ver  : 3;  /*   of this version */
	unsigned g    : 5;  /* the grant node to delete or check */
	unsigned hold : 2;
	unsigned end  : 4;  /* what the record is to say */
	unsigned fend : 4   /* the former end in the new grant node's name */
};
Multi o;

inline forgetMulti() {
	o.kind = 0; o.who = 0; o.made = 0; o.rec = 0; o.ver = 0; o.g = 0; o.hold = 0; o.end = 0; o.fend = 0
}

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
	:: o.kind == QUEUED && o.who == c -> forgetMulti()  /* can't be committed any more */
	:: else
	fi
}

/* The name of a grant node: of a lost one the client's number, else unique by
 * its zxid. */
#define fresh (3 + z)  /* zxids begin at 1 */

#define guardHolds(n)     (h[z].made == n || broken(NO_GUARD))
#define fenceHolds(c)     (has(h[z].q, c) || broken(NO_FENCE))
#define grantHolds(g_)    (h[z].g == g_ || broken(RECORD_VERSION_ONLY))
#define recordHolds(e, v) (h[z].rec == e && (!e || h[z].ver == v))
#define listHolds(g_)     (g_ == 0 || h[z].g == g_)

bit ok;
/* commits a multi, or fails: ok */
inline commit(kind_, by_, made_, rec_, ver_, g_, hold_, end_, fend_, lost_) {
	ok = 0;
	if
	:: kind_ == GUARDED && h[z].path && guardHolds(made_) && recordHolds(rec_, ver_) && listHolds(g_) -> ok = 1
	:: kind_ == CREATES && !h[z].path -> ok = 1
	:: kind_ == QUEUED && h[z].path && fenceHolds(by_) && recordHolds(rec_, ver_) && listHolds(g_) -> ok = 1
	:: kind_ >= RENEWS && kind_ < AGAIN && grantHolds(g_) && h[z].rec && h[z].ver == ver_ -> ok = 1
	:: kind_ > AGAIN && h[z].path && guardHolds(made_) && h[z].rec && h[z].ver == ver_ && listHolds(g_) -> ok = 1
	:: else
	fi;
	printf("%d: client %d's multi of kind %d, holder %d, end %d: %d\n", now, by_, kind_, hold_, end_, ok);
	if
	:: ok ->
		next();
		if
		:: kind_ <= QUEUED ->
			if :: kind_ == QUEUED && has(h[z].q, by_) -> dequeue(by_) :: else fi;
			h[z].path = 1; h[z].made = h[z].made + 2; h[z].pz = z;
			h[z].rec = 1; h[z].ver = 1; h[z].cz = z;
			if :: lost_ -> h[z].g = by_ :: else -> h[z].g = fresh fi;
			if :: fend_ > now + lead -> h[z].until = fend_ :: else -> h[z].until = 0 fi
		:: kind_ == RENEWS || kind_ == KEEPS -> h[z].ver++
		:: kind_ == ENDS ->
			h[z].ver++; h[z].pz = z; h[z].g = 0; h[z].until = 0
		:: kind_ > AGAIN ->
			h[z].ver++; h[z].pz = z; h[z].made++; h[z].until = 0;
			if :: kind_ == ENDS + AGAIN -> h[z].g = 0 :: else -> h[z].g = fresh fi
		fi;
		h[z].hold = hold_; h[z].end = end_; h[z].mz = z;
		h[z].stamp = now + lead; h[z].ahead = lead;
		if :: kind_ != ENDS && kind_ != KEEPS -> slipped[by_] = 0 :: else fi;
		forget()
	:: else
	fi
}

/* -------- Who acts -------- */

byte until[4];           /* the client may act while now < until, as it counts; */
bit doubted[4];          /*   not if it knows that its clock stood still, */
bit paused[4];           /*   nor can it know better once it was paused */
byte slipped[4];         /* ticks that its clock missed since its newest commit */

#define acts(c) (now < until[c] && !doubted[c] && !paused[c])

/* Nobody else acts. */
inline alone(c) {
	assert(!acts(c) || (c == 1 || !acts(1)) && (c == 2 || !acts(2)) && (c == 3 || !acts(3)))
}

/* The client counts until t, by a commit of its own. If it was paused since, it
 * counts too long, until its next commit or the end of its session shows that:
 * guarantees.md says so. */
inline believe(c, t) {
	until[c] = t + slipped[c];
	paused[c] = (slipped[c] > 0);
	printf("%d: client %d may act until %d\n", now, c, until[c]);
	alone(c)
}

/* A tick has passed, and the client's clock stood still. */
inline standStill(c) {
	paused[c] = 1; slipped[c] = slipped[c] + 1;
	if :: until[c] >= now -> until[c] = until[c] + 1 :: else fi
}

/* The session has expired, and the client has another, which knows nothing. If
 * it was paused, too little time has passed by its clock. */
inline newSession(c) {
	if
	:: !alive[c] ->
		alive[c] = 1; view[c] = lo;
		if
		:: paused[c] ->
			paused[c] = 0; doubted[c] = !broken(MISSING_IGNORED); sure = 0;
			printf("%d: client %d finds that time is missing\n", now, c);
			alone(c)
		:: else
		fi
	:: else
	fi
}
