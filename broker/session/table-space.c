/* SPDX-License-Identifier: MIT */
/* The spaces of the table's services: made when first needed, filled anew when a map grows. Owns their list. */
#include <errno.h>
#include <stdlib.h>

#include "table.h"

static void walk_space(void *userdata, Space *space, SpaceEach each) {
        Table *t = userdata;
        Slice service = space_service(space);
        Session *s;

        for (User *u = table_first_user(t, service, slice("", 0)); u && slice_equal(user_service(u), service); u = table_next_user(u))
                TAILQ_FOREACH(s, &u->sessions, of_user)
                        if (session_visible(s))
                                each(space, s);
}

static Session *find_session(void *userdata, const Ident *id) {
        return by_id_find(&((Table *) userdata)->sessions, id);
}

int table_space(Table *t, Slice service, Space **ret) {
        TableSpace *e;
        MapFacts facts;
        int r;

        LIST_FOREACH(e, &t->spaces, link)
                if (slice_equal(space_service(e->space), service)) {
                        *ret = e->space;
                        return 0;
                }

        e = calloc(1, sizeof(*e));
        if (!e)
                return -ENOMEM;
        facts = t->facts ? t->facts(t->userdata, service) : (MapFacts) { .service = service };
        r = space_new(&e->space, &(SpaceOptions) { t->lifeline, t->huge_pages, t->map_max_bytes, walk_space, find_session, t }, &facts);
        if (r < 0) {
                free(e);
                return r;
        }
        space_fill_at_once(e->space, t->loading);
        LIST_INSERT_HEAD(&t->spaces, e, link);
        *ret = e->space;
        return 0;
}

void table_loaded(Table *t) {
        TableSpace *e;

        t->loading = false;
        LIST_FOREACH(e, &t->spaces, link)
                space_fill_at_once(e->space, false);
}

uint64_t table_next_collection(const Table *t) {
        uint64_t next = UINT64_MAX;
        TableSpace *e;

        LIST_FOREACH(e, &t->spaces, link) {
                uint64_t n = space_next_collection(e->space);

                if (n < next)
                        next = n;
        }
        return next;
}

void table_collect(Table *t, uint64_t now) {
        TableSpace *e;

        LIST_FOREACH(e, &t->spaces, link)
                space_collect(e->space, now);
}

void table_free_spaces(Table *t) {
        TableSpace *e;

        while ((e = LIST_FIRST(&t->spaces))) {
                LIST_REMOVE(e, link);
                space_free(e->space);
                free(e);
        }
}
