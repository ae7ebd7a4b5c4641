/* SPDX-License-Identifier: MIT */
/* A record out of the map into a session value: the same fields as the broker's dictionary would fill (session-read.c). Touches only the value. */
#include <errno.h>

#include "session.h"

/* The strings of a record stand together, each behind its length: one copy takes them all, and a NUL goes where the next one's length begins. */
static size_t place(websess_session *s, size_t block, const Record *r, Slice text) {
        size_t offset = block + (size_t) (text.data - r->service.data);

        s->text.data[offset + text.size] = '\0';
        return offset;
}

static size_t place_list(websess_session *s, size_t block, const Record *r, bool (*next)(const Record *, size_t *, Slice *), size_t *items) {
        size_t at = 0, n = 0;
        Slice text;

        while (next(r, &at, &text))
                items[n++] = place(s, block, r, text);
        return n;
}

static int add_texts(websess_session *s, const Record *r) {
        size_t size = (size_t) (r->encoded_methods.data + r->encoded_methods.size - r->service.data), block;

        if (arena_reserve(&s->text, IDENT_HEX_SIZE + 1 + size + 1) < 0)
                return -ENOMEM;
        s->id = s->text.used;
        s->ident = r->id;
        s->id_unwritten = true;
        s->text.used += IDENT_HEX_SIZE + 1;
        block = arena_put(&s->text, r->service.data, size);
        s->service = place(s, block, r, r->service);
        s->user = place(s, block, r, r->user);
        s->remote_host = place(s, block, r, r->remote_host);
        s->user_agent = place(s, block, r, r->user_agent);
        s->creator_unit = place(s, block, r, r->creator_unit);
        s->n_roles = place_list(s, block, r, record_next_role, s->roles);
        s->n_methods = place_list(s, block, r, record_next_method, s->methods);
        return 0;
}

websess_values *session_attributes(const websess_session *s) {
        websess_session *filled = (websess_session *) s;

        if (s->unread.size > 0) {
                values_fill(&filled->attributes, &(Record) { .encoded_attributes = s->unread, .n_attributes = s->n_unread });
                filled->unread = (Slice) {};
        }
        return &filled->attributes;
}

int session_fill(websess_session *s, const Record *r, uint64_t now, uint64_t boottime) {
        if (add_texts(s, r) < 0 || values_reserve(&s->attributes, r) < 0) {
                websess_session_clear(s);
                return error_memory();
        }
        s->unread = r->encoded_attributes;
        s->n_unread = r->n_attributes;
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

        /* By the clock that the session's own times are told in, which saves reading another one. */
        s->loaded_realtime = record_realtime(r, now);
        s->loaded_boottime = boottime;
        s->loaded = true;
        return 0;
}
