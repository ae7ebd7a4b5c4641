/* SPDX-License-Identifier: MIT */
/*
 * The protocol of include/websess-map.h as a model: a broker that inserts, changes in place, moves and deletes, grows into another map, takes the old one's memory
 * back, and may die between any two stores; and a reader of that one map. Checked by spin(1) over every interleaving.
 *
 * Two sessions, each in the chain of a bucket of its own, share three cells, so that a cell that leaves one chain turns up in the other under a
 * reader's feet. A place of a bucket is a chain of one; its tag is written and read between the same two looks at the sequence as its link, and with it
 * stands for one word here. A session's state has a version that counts up; a record holds it twice, as two words. `begun` is the version the broker is about to
 * show, `acked` the last one it acknowledged. What a look-up may return: a version that was in force at some moment between its start and its
 * end. After the map was superseded, or its broker died, versions go on elsewhere (`elsewhere`), and this map stays as it is.
 *
 * With -DBREAK=n the protocol lacks something, and spin must find out (tests/model/run).
 */
#ifndef BREAK
#define BREAK 0
#endif
#ifndef CHANGES
#define CHANGES 3
#endif

#define CELLS 3
#define CHAIN_MAX 3
#define TRIES 2

/* ---- the map ---- */
byte sequence[2] = 2;           /* of a bucket */
byte first[2];                  /* cell + 1 */
byte id[CELLS], word0[CELLS], word1[CELLS], next[CELLS];
bool owner = true;              /* the broker lives */
bool live = true;               /* state == MAP_LIVE */

/* ---- the truth ---- */
byte begun[2], acked[2];        /* versions; 0: not there yet */
byte absent[2];                 /* the last version begun at which the session was not there */
bool used[CELLS];               /* broker's own */
byte place[2];                  /* cell + 1 of a session, 0: not there; broker's own */
byte done;                      /* changes made */
bool stopped;                   /* the broker makes no changes in this map any more */

inline begin(s, gone) {
        d_step {
                begun[s]++;
                if
                :: gone -> absent[s] = begun[s]
                :: else
                fi
        }
}

inline take(c) {
        d_step {
                c = 0;
                do
                :: used[c] -> c++
                :: else -> break
                od;
                used[c] = true
        }
}

/* What a record of the second session holds is no version of the first. */
#define WORD(s, version) (version + 64 * s)

/* Stores between the two increments may become visible in any order. */
inline write_slot(c, s, version) {
        if
        :: id[c] = s + 1; word0[c] = WORD(s, version); word1[c] = WORD(s, version)
        :: word1[c] = WORD(s, version); id[c] = s + 1; word0[c] = WORD(s, version)
        fi
}

inline open(s) {
#if BREAK == 1
        skip
#else
        sequence[s]++
#endif
}

inline close(s) {
#if BREAK == 1
        skip
#else
        sequence[s]++
#endif
}

/* The broker may die anywhere: so each of its steps can be its last one, simply by never being taken. */
proctype broker() {
        byte s, c, old;

        do
        :: done < CHANGES ->
                done++;
                if
                :: s = 0
                :: s = 1
                fi;
                if
                :: place[s] == 0 ->                     /* insert */
                        begin(s, false);
                        take(c);
                        open(s);
                        write_slot(c, s, begun[s]);
                        next[c] = first[s];
                        first[s] = c + 1;
                        close(s);
                        place[s] = c + 1;
                        acked[s] = begun[s]
                :: place[s] != 0 ->                     /* in place */
                        begin(s, false);
                        open(s);
                        c = place[s] - 1;
                        write_slot(c, s, begun[s]);
                        close(s);
                        acked[s] = begun[s]
                :: place[s] != 0 ->                     /* larger or smaller: into another cell */
                        begin(s, false);
                        old = place[s] - 1;
                        take(c);
                        open(s);
                        write_slot(c, s, begun[s]);
                        next[c] = next[old];
                        first[s] = c + 1;
                        close(s);
                        used[old] = false;
                        place[s] = c + 1;
                        acked[s] = begun[s]
                :: place[s] != 0 ->                     /* delete */
                        begin(s, true);
                        old = place[s] - 1;
#if BREAK == 6
                        first[s] = next[old];
#else
                        open(s);
                        first[s] = next[old];
                        close(s);
#endif
                        place[s] = 0;
                        used[old] = false;
                        acked[s] = begun[s]
                fi
        :: true ->                                      /* a new map takes this one's place */
#if BREAK == 2
                stopped = true;
#endif
                live = false;
                stopped = true;
                /* after the grace the memory goes, page by page in any order */
                atomic { id[0] = 0; id[1] = 0; id[2] = 0; word0[0] = 0; word0[1] = 0; word0[2] = 0 };
                atomic { word1[0] = 0; word1[1] = 0; word1[2] = 0; next[0] = 0; next[1] = 0; next[2] = 0 };
                first[0] = 0; sequence[0] = 0;
                first[1] = 0; sequence[1] = 0;
                break
        :: break
        od
}

/* The kernel marks the owner's word before the lock on the state folder is free, which the next broker waits for. */
proctype death() {
        atomic { owner = false };
        stopped = true
}

/* Whoever is in force after this map: the new map's writer, or the next broker. It knows what was acknowledged and changes it. */
proctype elsewhere() {
        stopped;
        atomic { begun[0]++; absent[0] = begun[0] };
        acked[0] = begun[0];
        atomic { begun[0]++ };
        acked[0] = begun[0]
}

/* One look-up, which may begin at any time: readers keep nothing from one to the next. */
proctype reader() {
        byte b, at, v0, v1, seen, tries, hops;
        bool found, astray;

        seen = acked[0];                        /* what had been acknowledged when the look-up began */
        tries = 0;
again:
        found = false;
        astray = false;
        hops = 0;
        b = sequence[0];
        if
        :: b == 0 || b % 2 == 1 -> goto retry
        :: else
        fi;
        at = first[0];
        do
        :: at == 0 -> break
        :: at != 0 && hops == CHAIN_MAX -> astray = true; break
        :: at != 0 && hops < CHAIN_MAX ->
                hops++;
                if
                :: id[at - 1] == 1 ->
                        if
                        :: v0 = word0[at - 1]; v1 = word1[at - 1]
                        :: v1 = word1[at - 1]; v0 = word0[at - 1]
                        fi;
                        found = true;
                        break
                :: else -> at = next[at - 1]
                fi
        od;
#if BREAK != 3
        if
        :: sequence[0] != b -> goto retry
        :: else
        fi;
#endif
#if BREAK != 4
        if
        :: !owner -> goto ask
        :: else
        fi;
#endif
#if BREAK != 5
        if
        :: !live -> goto ask
        :: else
        fi;
#endif
        if
        :: astray -> goto ask
        :: else
        fi;
        if
        :: found ->
                assert(v0 == v1);               /* not torn */
                assert(v0 >= seen);             /* nothing that had been replaced or revoked before */
                assert(v0 <= begun[0])
        :: else ->
                assert(absent[0] >= seen)       /* no false miss */
        fi;
        goto ask;
retry:
        tries++;
        if
        :: tries < TRIES -> goto again
        :: else
        fi;
ask:
        skip
}

init {
        atomic {
                run broker();
                run death();
                run elsewhere();
                run reader()
        }
}
