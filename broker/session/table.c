/* SPDX-License-Identifier: MIT */
/* The indexes and the timer wheel. Owns Session, User, Owner and Request objects; does no I/O and reads no clock. */
#include "table.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "cleanup.h"
#include "span.h"

static int compare_slices(Slice a, Slice b) {
        size_t n = a.size < b.size ? a.size : b.size;
        int r = n ? memcmp(a.data, b.data, n) : 0;

        return r ? r : (a.size > b.size) - (a.size < b.size);
}

/* A User that exists only to be searched for has no text of its own; searching is done with a key instead. */
static int compare_user_to(const User *u, Slice service, Slice name) {
        int r = compare_slices(user_service(u), service);

        return r ? r : compare_slices(user_name(u), name);
}

static int compare_users(User *a, User *b) {
        return compare_user_to(a, user_service(b), user_name(b));
}

static int compare_owners(Owner *a, Owner *b) {
        return (a->uid > b->uid) - (a->uid < b->uid);
}

static int compare_requests(Request *a, Request *b) {
        return memcmp(a->tag, b->tag, sizeof(a->tag));
}

RB_GENERATE_INTERNAL(UserTree, User, link, compare_users, __attribute__((unused)) static)
RB_GENERATE_INTERNAL(OwnerTree, Owner, link, compare_owners, __attribute__((unused)) static)
RB_GENERATE_INTERNAL(RequestTree, Request, link, compare_requests, __attribute__((unused)) static)

Slice user_service(const User *u) {
        return space_service(u->space);
}

Slice user_name(const User *u) {
        return slice(u->name, u->name_size);
}

int table_new(Table **ret, const TableOptions *o) {
        Table *t = calloc(1, sizeof(*t));

        if (!t)
                return -ENOMEM;

        t->store = o->store;
        t->lifeline = o->lifeline;
        t->huge_pages = o->huge_pages;
        t->map_max_bytes = o->map_max_bytes;
        t->facts = o->facts;
        t->events = o->events;
        t->userdata = o->userdata;
        RB_INIT(&t->users);
        RB_INIT(&t->owners);
        RB_INIT(&t->requests);
        TAILQ_INIT(&t->requests_by_time);
        LIST_INIT(&t->spaces);
        STAILQ_INIT(&t->finishing);
        wheel_init(&t->wheel, o->now_steady / USEC_PER_SEC);

        *ret = t;
        return 0;
}

/* ---- users and owners come and go with their sessions ---- */

User *table_first_user(Table *t, Slice service, Slice name) {
        User *u = RB_ROOT(&t->users), *found = NULL;

        while (u) {
                int r = compare_user_to(u, service, name);

                if (r >= 0)
                        found = u;
                if (r == 0)
                        break;
                u = r > 0 ? RB_LEFT(u, link) : RB_RIGHT(u, link);
        }

        return found;
}

User *table_next_user(User *u) {
        return RB_NEXT(UserTree, NULL, u);
}

User *table_find_user(Table *t, Slice service, Slice name) {
        User *u = table_first_user(t, service, name);

        return u && compare_user_to(u, service, name) == 0 ? u : NULL;
}

static User *get_user(Table *t, Slice service, Slice name) {
        User *u = table_find_user(t, service, name);
        Space *space;

        if (u)
                return u;

        if (table_space(t, service, &space) < 0)
                return NULL;
        u = malloc(offsetof(User, name) + name.size);
        if (!u)
                return NULL;

        TAILQ_INIT(&u->sessions);
        u->space = space;
        u->name_size = (uint16_t) name.size;
        if (name.size > 0)
                memcpy(u->name, name.data, name.size);
        RB_INSERT(UserTree, &t->users, u);
        return u;
}

static void put_user(Table *t, User *u) {
        if (u && TAILQ_EMPTY(&u->sessions)) {
                RB_REMOVE(UserTree, &t->users, u);
                free(u);
        }
}

Owner *table_find_owner(Table *t, uid_t uid) {
        return RB_FIND(OwnerTree, &t->owners, &(Owner) { .uid = uid });
}

uint64_t table_created_by(Table *t, uid_t uid) {
        Owner *o = table_find_owner(t, uid);

        return o ? o->n_created : 0;
}

Owner *table_next_owner(Table *t, const uid_t *after) {
        if (!after)
                return RB_MIN(OwnerTree, &t->owners);
        return *after < (uid_t) -1 ? RB_NFIND(OwnerTree, &t->owners, &(Owner) { .uid = *after + 1 }) : NULL;
}

static Owner *get_owner(Table *t, uid_t uid) {
        Owner *o = table_find_owner(t, uid);

        if (o)
                return o;

        o = calloc(1, sizeof(*o));
        if (!o)
                return NULL;

        o->uid = uid;
        TAILQ_INIT(&o->sessions);
        RB_INSERT(OwnerTree, &t->owners, o);
        return o;
}

static void put_owner(Table *t, Owner *o) {
        if (o && TAILQ_EMPTY(&o->sessions) && o->n_created == 0) {
                RB_REMOVE(OwnerTree, &t->owners, o);
                free(o);
        }
}

/* ---- requests that may come again ---- */

static void drop_request(Table *t, Request *q) {
        if (!q)
                return;

        RB_REMOVE(RequestTree, &t->requests, q);
        TAILQ_REMOVE(&t->requests_by_time, q, by_time);
        q->session->more->request = NULL;
        free(q);
}

static void forget_old_requests(Table *t, uint64_t now) {
        Request *q;

        while ((q = TAILQ_FIRST(&t->requests_by_time)) && now > q->time + REQUEST_WINDOW_USEC)
                drop_request(t, q);
}

Session *table_find_request(Table *t, const uint8_t tag[static RECORD_TAG_SIZE], uint64_t now) {
        Request key, *q;

        forget_old_requests(t, now);
        memcpy(key.tag, tag, sizeof(key.tag));
        q = RB_FIND(RequestTree, &t->requests, &key);
        return q && now <= q->time + REQUEST_WINDOW_USEC && q->session->n_removing == 0 ? q->session : NULL;
}

static SessionMore *get_more(Session *s) {
        if (!s->more)
                s->more = calloc(1, sizeof(*s->more));
        return s->more;
}

/* The record's tag, where it has one, leads to the session for as long as a repetition is to be recognised. */
static int index_request(Table *t, Session *s, const Record *r) {
        static const uint8_t none[RECORD_TAG_SIZE];
        Request *q = s->more ? s->more->request : NULL, *old;

        if (q && memcmp(q->tag, r->request_tag, RECORD_TAG_SIZE) == 0)
                return 0;

        drop_request(t, q);
        if (memcmp(r->request_tag, none, sizeof(none)) == 0)
                return 0;

        q = get_more(s) ? calloc(1, sizeof(*q)) : NULL;
        if (!q)
                return -ENOMEM;

        memcpy(q->tag, r->request_tag, sizeof(q->tag));
        q->time = r->request_time;
        q->session = s;
        old = RB_FIND(RequestTree, &t->requests, q);
        drop_request(t, old);
        RB_INSERT(RequestTree, &t->requests, q);
        TAILQ_INSERT_TAIL(&t->requests_by_time, q, by_time);
        s->more->request = q;
        return 0;
}

/* ---- sessions ---- */

Session *table_find(Table *t, const Ident *id) {
        Session *s = by_id_find(&t->sessions, id);

        return s && session_visible(s) ? s : NULL;
}

Session *table_next(Table *t, const Ident *after) {
        Session *s = by_id_next(&t->sessions, after);

        while (s && !session_visible(s))
                s = by_id_next(&t->sessions, &s->id);
        return s;
}

static void leave_owners(Table *t, Session *s) {
        Owner *owner = session_owner(s);

        if (owner)
                TAILQ_REMOVE(&owner->sessions, s, more->of_owner);
        if (s->creator)
                s->creator->n_created--;
        if (owner && owner != s->creator)
                put_owner(t, owner);
        put_owner(t, s->creator);
        if (s->more)
                s->more->owner = NULL;
        s->creator = NULL;
}

/* From here on it is dead, with its space in the place of its user. */
static void detach(Table *t, Session *s) {
        User *u = s->user;

        by_id_remove(&t->sessions, s);
        if (u) {
                s->space = u->space;
                TAILQ_REMOVE(&u->sessions, s, of_user);
                put_user(t, u);
        }
        leave_owners(t, s);
        drop_request(t, s->more ? s->more->request : NULL);
        wheel_remove(&t->wheel, &s->timer);
        s->dead = true;
}

static void session_free(Session *s) {
        if (s->data)
                space_drop(s->space, s);
        free(s->more);
        free(s);
}

static int join_owners(Table *t, Session *s, const Record *r) {
        s->creator = get_owner(t, r->creator_uid);
        if (!s->creator)
                return -ENOMEM;
        s->creator->n_created++;
        if (r->uid == RECORD_NO_UID)
                return 0;
        if (!get_more(s))
                return -ENOMEM;
        s->more->owner = get_owner(t, r->uid);
        if (!s->more->owner)
                return -ENOMEM;
        TAILQ_INSERT_TAIL(&s->more->owner->sessions, s, more->of_owner);
        return 0;
}

int table_add(Table *t, const Record *r, Session **ret) {
        Session *s = calloc(1, sizeof(*s));
        int k;

        if (!s)
                return -ENOMEM;

        s->id = r->id;
        s->timer = WHEEL_TIMER_NONE;
        s->last_seen = r->last_seen;
        k = by_id_add(&t->sessions, s);
        if (k < 0) {
                free(s);
                return k;
        }

        s->user = get_user(t, r->service, r->user);
        if (!s->user)
                goto fail;
        TAILQ_INSERT_TAIL(&s->user->sessions, s, of_user);

        if (join_owners(t, s, r) < 0 || index_request(t, s, r) < 0)
                goto fail;

        ident_seen(&t->idents, &s->id);
        *ret = s;
        return 0;

fail:
        detach(t, s);
        session_free(s);
        return -ENOMEM;
}

void table_remove(Table *t, Session *s) {
        if (s->dead)
                return;

        if (s->data) {
                t->n_visible--;
                space_count(s->user->space, -1);
                space_hide(s->user->space, s);
        }
        detach(t, s);
        if (s->n_staged == 0)
                session_free(s);
}

void table_release(Session *s) {
        if (--s->n_staged == 0 && s->dead)
                session_free(s);
}

int table_set_record(Table *t, Session *s, uint8_t *data, size_t size) {
        bool first = !s->data;
        Record r;
        int k, index;

        k = record_decode_trusted(data, size, &r);
        if (k < 0) {
                free(data);
                return k;
        }
        if (r.last_seen > s->last_seen)
                s->last_seen = r.last_seen;
        else
                r.last_seen = s->last_seen;

        index = index_request(t, s, &r);
        table_arm(t, s, &r);
        space_put(s->user->space, s, data, size);
        if (first) {
                t->n_visible++;
                space_count(s->user->space, 1);
        }
        return index;
}

int table_load(Table *t, const Ident *id, const void *data, size_t size, uint64_t now) {
        _cleanup_free_ uint8_t *copy = NULL;
        Session *s;
        Record r;
        int k;

        k = record_decode(data, size, &r);
        if (k < 0)
                return k;
        if (ident_compare(&r.id, id) != 0)
                return -EBADMSG;

        copy = malloc(size);
        if (!copy)
                return -ENOMEM;
        memcpy(copy, data, size);

        t->loading = true;
        k = table_add(t, &r, &s);
        if (k < 0)
                return k;

        k = table_set_record(t, s, TAKE_PTR(copy), size);
        forget_old_requests(t, now);
        return k;
}

/* ---- time ---- */

void table_arm(Table *t, Session *s, const Record *r) {
        wheel_add(&t->wheel, &s->timer, record_end(r) / USEC_PER_SEC + 1);
}

Session *table_pop_due(Table *t, uint64_t now) {
        WheelTimer *timer = wheel_pop(&t->wheel, now / USEC_PER_SEC);

        return timer ? (Session *) (void *) ((char *) timer - offsetof(Session, timer)) : NULL;
}

uint64_t table_next_due(const Table *t) {
        uint64_t tick = wheel_next(&t->wheel);

        return tick > UINT64_MAX / USEC_PER_SEC ? UINT64_MAX : tick * USEC_PER_SEC;
}

void table_touch(Table *t, Session *s, uint64_t now, uint64_t touch_usec) {
        Record r;

        session_view(s, &r);
        if (touch_usec > r.idle_usec / 4)
                touch_usec = r.idle_usec / 4;
        if (now <= s->last_seen || now - s->last_seen < touch_usec)
                return;

        /* The timer is not moved: when it fires, the sweep sees that the end has moved and arms it anew. */
        s->last_seen = now;
        space_touch(s->user->space, s);
        table_set_touched(t, s);
}

void table_set_touched(Table *t, Session *s) {
        if (!s->is_touched && touched_add(&t->touched, &s->id) == 0)
                s->is_touched = true;
}

Table *table_free(Table *t) {
        TableSpace *e;
        Session *s;

        if (!t)
                return NULL;

        LIST_FOREACH(e, &t->spaces, link)
                space_close(e->space);

        while ((s = by_id_next(&t->sessions, NULL))) {
                s->n_staged = 0;
                table_remove(t, s);
        }
        table_free_spaces(t);
        touched_done(&t->touched);
        free(t);
        return NULL;
}
