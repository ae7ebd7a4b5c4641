/* SPDX-License-Identifier: MIT */
/* A record out of the map into a session value: the same fields as the broker's dictionary would fill (session-read.c). Touches only the value. */
#include <errno.h>
#include <string.h>
#include <time.h>

#include "session.h"

#define STRINGS_MAX (6 + ROLES_MAX + METHODS_MAX)

static size_t add_text(websess_session *s, Slice text) {
        return arena_put(&s->text, text.data, text.size);
}

static size_t add_list(websess_session *s, const Record *r, bool (*next)(const Record *, size_t *, Slice *), size_t *items) {
        size_t at = 0, n = 0;
        Slice text;

        while (next(r, &at, &text))
                items[n++] = add_text(s, text);
        return n;
}

/* The roles are there twice: as strings, and as the verdict reads them. */
static int add_texts(websess_session *s, const Record *r, size_t size) {
        char id[IDENT_HEX_SIZE + 1];

        if (arena_reserve(&s->text, size + r->encoded_roles.size + sizeof(id) + STRINGS_MAX) < 0)
                return -ENOMEM;
        ident_format(&r->id, id);
        s->id = add_text(s, slice(id, IDENT_HEX_SIZE));
        s->service = add_text(s, r->service);
        s->user = add_text(s, r->user);
        s->remote_host = add_text(s, r->remote_host);
        s->user_agent = add_text(s, r->user_agent);
        s->creator_unit = add_text(s, r->creator_unit);
        s->n_roles = add_list(s, r, record_next_role, s->roles);
        s->n_methods = add_list(s, r, record_next_method, s->methods);
        s->encoded_roles = add_text(s, r->encoded_roles);
        s->encoded_roles_size = r->encoded_roles.size;
        return 0;
}

static int add_attributes(websess_session *s, const Record *r) {
        size_t at = 0;
        Attribute a;

        while (record_next_attribute(r, &at, &a))
                if (values_add(&s->attributes, &a) < 0)
                        return -ENOMEM;
        return 0;
}

int session_fill(websess_session *s, const Record *r, size_t size, uint64_t boottime) {
        struct timespec ts;

        if (add_texts(s, r, size) < 0 || add_attributes(s, r) < 0) {
                websess_session_clear(s);
                return error_memory();
        }
        s->uid = r->uid;
        s->creator_uid = r->creator_uid;
        s->level = r->level;
        s->created = r->created_realtime;
        s->last_seen = record_realtime(r, r->last_seen);
        s->expires = record_realtime(r, record_end(r));
        s->idle_usec = r->idle_usec;
        s->lifetime_end = record_realtime(r, r->lifetime_end);
        s->auth_time = record_realtime(r, r->auth_time);
        s->version = r->version;

        (void) clock_gettime(CLOCK_REALTIME, &ts);
        s->loaded_realtime = (uint64_t) ts.tv_sec * 1000000 + (uint64_t) ts.tv_nsec / 1000;
        s->loaded_boottime = boottime;
        s->loaded = true;
        return 0;
}
