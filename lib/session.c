/* SPDX-License-Identifier: MIT */
/* Session values: their life and what they say. Owns their buffers; makes no calls. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "session.h"

int websess_session_new(websess_session **ret) {
        websess_session *s;

        s = calloc(1, sizeof(*s));
        if (!s)
                return error_memory();
        websess_session_clear(s);
        *ret = s;
        return 0;
}

websess_session *websess_session_free(websess_session *s) {
        if (!s)
                return NULL;
        websess_session_clear(s);
        arena_done(&s->text);
        values_done(&s->attributes);
        values_done(&s->pending);
        values_done(&s->unset);
        free(s);
        return NULL;
}

void websess_session_clear(websess_session *s) {
        if (!s)
                return;
        s->loaded = s->token_is_new = s->admin = false;
        arena_clear(&s->text);
        s->id = s->service = s->user = s->remote_host = s->user_agent = s->creator_unit = s->set_cookie = ARENA_NONE;
        s->id_unwritten = false;
        s->n_roles = s->n_methods = 0;
        s->uid = s->creator_uid = RECORD_NO_UID;
        s->level = 0;
        s->created = s->last_seen = s->expires = s->idle_usec = s->lifetime_end = s->auth_time = s->version = 0;
        s->unread = (Slice) {};
        websess_values_clear(&s->attributes);
        websess_values_clear(&s->pending);
        websess_values_clear(&s->unset);
        wipe(s->token, s->token_size);
        s->token_size = 0;
}

void session_keep_token(websess_session *s, const char *token, size_t size, bool is_new) {
        memmove(s->token, token, size);
        s->token[size] = '\0';
        s->token_size = size;
        s->token_is_new = is_new;
}

static const char *text(const websess_session *s, size_t offset) {
        return arena_at(&s->text, offset);
}

const char *websess_session_id(const websess_session *s) {
        websess_session *filled = (websess_session *) s;

        if (!s)
                return NULL;
        if (s->id_unwritten) {
                ident_format(&s->ident, filled->text.data + s->id);
                filled->id_unwritten = false;
        }
        return text(s, s->id);
}

const char *websess_session_service(const websess_session *s) {
        return s ? text(s, s->service) : NULL;
}

const char *websess_session_user(const websess_session *s) {
        const char *user = s ? text(s, s->user) : NULL;

        return user && *user ? user : NULL;
}

/* Only the one plain way to write a number counts, so that no two names are the same user. */
static bool parse_plain_integer(const char *p, int64_t *ret) {
        bool negative = *p == '-';
        uint64_t value = 0;

        p += negative;
        if (*p == '\0' || (*p == '0' && (p[1] != '\0' || negative)))
                return false;
        for (; *p; p++) {
                if (*p < '0' || *p > '9' || value > (uint64_t) INT64_MAX / 10)
                        return false;
                value = value * 10 + (uint64_t) (*p - '0');
        }
        if (value > (uint64_t) INT64_MAX + negative)
                return false;
        *ret = (int64_t) (negative ? 0 - value : value);
        return true;
}

int websess_session_user_id(const websess_session *s, int64_t *ret) {
        const char *user = websess_session_user(s);
        int64_t id;

        if (!user)
                return error_set(FAULT_NO_SESSION, "Nobody is logged in");
        if (!parse_plain_integer(user, &id))
                return error_set(FAULT_NO_SESSION, "The user \"%s\" is not a number", user);
        if (ret)
                *ret = id;
        return 0;
}

uint32_t websess_session_uid(const websess_session *s) {
        return s ? s->uid : RECORD_NO_UID;
}

const char *websess_session_role(const websess_session *s) {
        return websess_session_role_at(s, 0);
}

size_t websess_session_role_count(const websess_session *s) {
        return s ? s->n_roles : 0;
}

const char *websess_session_role_at(const websess_session *s, size_t index) {
        return s && index < s->n_roles ? text(s, s->roles[index]) : NULL;
}

int websess_session_has_role(const websess_session *s, const char *role) {
        for (size_t i = 0; role && i < websess_session_role_count(s); i++) {
                const char *held = websess_session_role_at(s, i);

                if (held && strcmp(held, role) == 0)
                        return 1;
        }
        return 0;
}

size_t websess_session_auth_method_count(const websess_session *s) {
        return s ? s->n_methods : 0;
}

const char *websess_session_auth_method_at(const websess_session *s, size_t index) {
        return s && index < s->n_methods ? text(s, s->methods[index]) : NULL;
}

uint64_t websess_session_created(const websess_session *s) {
        return s ? s->created : 0;
}

uint64_t websess_session_last_seen(const websess_session *s) {
        return s ? s->last_seen : 0;
}

uint64_t websess_session_expires(const websess_session *s) {
        return s ? s->expires : 0;
}

uint64_t websess_session_idle_usec(const websess_session *s) {
        return s ? s->idle_usec : 0;
}

uint64_t websess_session_lifetime_end(const websess_session *s) {
        return s ? s->lifetime_end : 0;
}

uint64_t websess_session_auth_time(const websess_session *s) {
        return s ? s->auth_time : 0;
}

uint64_t websess_session_version(const websess_session *s) {
        return s ? s->version : 0;
}

uint32_t websess_session_level(const websess_session *s) {
        return s ? s->level : 0;
}

uint32_t websess_session_creator_uid(const websess_session *s) {
        return s ? s->creator_uid : RECORD_NO_UID;
}

const char *websess_session_remote_host(const websess_session *s) {
        return s ? text(s, s->remote_host) : NULL;
}

const char *websess_session_user_agent(const websess_session *s) {
        return s ? text(s, s->user_agent) : NULL;
}

const char *websess_session_creator_unit(const websess_session *s) {
        return s ? text(s, s->creator_unit) : NULL;
}

const char *websess_session_token(const websess_session *s) {
        return s && s->token_is_new ? s->token : NULL;
}

const char *websess_session_set_cookie(const websess_session *s) {
        return s ? text(s, s->set_cookie) : NULL;
}

const websess_values *websess_session_attributes(const websess_session *s) {
        return s && s->loaded ? session_attributes(s) : NULL;
}
