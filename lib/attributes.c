/* SPDX-License-Identifier: MIT */
/* Writing attributes: one by one, collected, or by token. Touches the session value's pending changes and nothing
 * else of it
 * before the broker has said yes. */
#include <string.h>

#include "client.h"

typedef struct Change {
        const char *service;
        const char *token;
        size_t token_size;
        const websess_values *set;
        const websess_values *unset;            /* its keys … */
        const char *const *unset_keys;          /* … or these */
        size_t n_unset_keys;
        const websess_values *context;          /* the session's attributes, of which some are written again … */
        int write;                              /* … by this WEBSESS_WRITE_* */
        uint64_t if_version;
} Change;

/* ---- one write ---- */

static bool is_written_again(const Change *c, const Value *value, Slice key) {
        if (c->write == WEBSESS_WRITE_ON_SET || (c->write == WEBSESS_WRITE_ON_GET && !value->read))
                return false;
        return !values_find(c->set, key) && !values_find(c->unset, key);
}

static int append_set(sd_bus_message *m, const Change *c) {
        int r;

        r = sd_bus_message_open_container(m, 'a', "{sv}");
        for (size_t i = 0; r >= 0 && c->context && i < c->context->n; i++) {
                Attribute a = values_get(c->context, &c->context->entries[i]);

                if (is_written_again(c, &c->context->entries[i], a.key))
                        r = attribute_append(m, &a);
        }
        for (size_t i = 0; r >= 0 && c->set && i < c->set->n; i++) {
                Attribute a = values_get(c->set, &c->set->entries[i]);

                r = attribute_append(m, &a);
        }
        return r < 0 ? r : sd_bus_message_close_container(m);
}

static int append_unset(sd_bus_message *m, const Change *c) {
        int r;

        if (!c->unset)
                return client_append_strings(m, c->unset_keys, c->n_unset_keys);
        r = sd_bus_message_open_container(m, 'a', "s");
        for (size_t i = 0; r >= 0 && i < c->unset->n; i++)
                r = sd_bus_message_append(m, "s", websess_values_key_at(c->unset, i));
        return r < 0 ? r : sd_bus_message_close_container(m);
}

static int append_change(sd_bus_message *m, const Call *call) {
        const Change *c = call->in;
        int r;

        r = client_append_token(m, c->service, c->token_size);
        if (r >= 0)
                r = append_set(m, c);
        if (r >= 0)
                r = append_unset(m, c);
        return r < 0 ? r : sd_bus_message_append(m, "t", c->if_version);
}

static int read_version(sd_bus_message *m, const Call *call) {
        int r;

        r = sd_bus_message_read_basic(m, 't', call->out);
        return r <= 0 ? error_errno(-EBADMSG, "The broker's reply") : 0;
}

static int write_change(websess *w, Change *c, uint64_t *version, bool *resent) {
        Call call = {
                .member = "SetAttributes",
                .is_secret = true,
                .secret = slice(c->token, c->token_size),
                .secret_index = 1,
                .append = append_change,
                .read = read_version,
                .in = c,
                .out = version,
        };
        int r;

        c->service = client_service(w, NULL);
        if (!c->service)
                return FAULT_INVALID_ARGUMENT;
        r = client_call(w, &call);
        *resent = call.resent;
        return r;
}

/* ---- a session value ---- */

/* Take pending changes over into what the value says. */
static int settle(websess_session *s, int write) {
        websess_values *attributes = session_attributes(s);

        for (size_t i = 0; i < s->pending.n; i++) {
                Attribute a = values_get(&s->pending, &s->pending.entries[i]);
                int r = values_set(attributes, &a);

                if (r != 0)
                        return r;
        }
        for (size_t i = 0; i < s->unset.n; i++) {
                Attribute a = values_get(&s->unset, &s->unset.entries[i]);

                values_remove(attributes, a.key);
        }
        for (size_t i = 0; write && i < attributes->n; i++)
                attributes->entries[i].read = false;
        return 0;
}

static void forget_pending(websess_session *s) {
        websess_values_clear(&s->pending);
        websess_values_clear(&s->unset);
}

static int check_session(const websess *w, const websess_session *s) {
        if (!w || !s)
                return error_set(FAULT_INVALID_ARGUMENT, "There is no %s", w ? "session value" : "handle");
        if (!s->loaded)
                return error_set(FAULT_NO_SESSION, "The session value is empty");
        if (s->token_size == 0)
                return error_set(FAULT_INVALID_ARGUMENT,
                                 "Attributes are written by token, and this session was found by its id");
        return 0;
}

static int save(websess *w, websess_session *s) {
        Change c = {
                .token = s->token,
                .token_size = s->token_size,
                .set = &s->pending,
                .unset = &s->unset,
                .context = session_attributes(s),
                .write = w->write,
        };
        uint64_t version = 0;
        bool resent;
        int r;

        r = write_change(w, &c, &version, &resent);
        if (r != 0)
                return r;
        s->version = version;
        r = settle(s, true);
        forget_pending(s);
        return r;
}

/* Is there an attribute that the save mode writes although nobody set it? */
static bool has_reads(const websess *w, const websess_session *s) {
        const websess_values *attributes = session_attributes(s);

        if (w->write == WEBSESS_WRITE_ALWAYS)
                return attributes->n > 0;
        for (size_t i = 0; w->write == WEBSESS_WRITE_ON_GET && i < attributes->n; i++)
                if (attributes->entries[i].read)
                        return true;
        return false;
}

int websess_session_save(websess *w, websess_session *s) {
        int r;

        r = check_session(w, s);
        if (r != 0)
                return r;
        if (s->pending.n == 0 && s->unset.n == 0 && !has_reads(w, s))
                return 0;
        return save(w, s);
}

/* A change has been put into pending or unset: write it now, or show it and wait. */
static int changed(websess *w, websess_session *s) {
        int r;

        if (w->save == WEBSESS_SAVE_ON_SAVE)
                return settle(s, false);
        r = save(w, s);
        if (r != 0)
                forget_pending(s);
        return r;
}

static int session_set(websess *w, websess_session *s, const Attribute *a) {
        int r;

        r = check_session(w, s);
        if (r == 0)
                r = values_set(&s->pending, a);
        if (r != 0)
                return r;
        values_remove(&s->unset, a->key);
        return changed(w, s);
}

int websess_session_unset(websess *w, websess_session *s, const char *key) {
        int r;

        r = check_session(w, s);
        if (r == 0)
                r = values_set(&s->unset, &(Attribute) { .key = slice_of(key), .type = 'b' });
        if (r != 0)
                return r;
        values_remove(&s->pending, slice_of(key));
        return changed(w, s);
}

int websess_session_set_bool(websess *w, websess_session *s, const char *key, int value) {
        return session_set(w, s, &(Attribute) { .key = slice_of(key), .type = 'b', .boolean = value });
}

int websess_session_set_int64(websess *w, websess_session *s, const char *key, int64_t value) {
        return session_set(w, s, &(Attribute) { .key = slice_of(key), .type = 'x', .integer = value });
}

int websess_session_set_double(websess *w, websess_session *s, const char *key, double value) {
        return session_set(w, s, &(Attribute) { .key = slice_of(key), .type = 'd', .real = value });
}

int websess_session_set_string(websess *w, websess_session *s, const char *key, const char *value, size_t len) {
        return session_set(w, s,
                           &(Attribute) { .key = slice_of(key), .type = 's',
                                          .bytes = slice(value ?: "", value ? len : 0) });
}

int websess_session_set_bytes(websess *w, websess_session *s, const char *key, const void *value, size_t len) {
        return session_set(w, s,
                           &(Attribute) { .key = slice_of(key), .type = 'y',
                                          .bytes = slice(value ?: "", value ? len : 0) });
}

int websess_session_set_strings(websess *w, websess_session *s, const char *key, const char *const *values,
                                size_t count) {
        _cleanup_free_ char *buffer = NULL;
        Attribute a;
        int r;

        r = attribute_from_strings(key, values, count, &buffer, &a);
        return r != 0 ? r : session_set(w, s, &a);
}

/* ---- reading, as WEBSESS_WRITE_ON_GET wants to know it ---- */

static const websess_values *reading(websess_session *s, const char *key) {
        Value *value = s ? values_find(session_attributes(s), slice_of(key)) : NULL;

        if (value)
                value->read = true;
        return websess_session_attributes(s);
}

int websess_session_get_bool(websess_session *s, const char *key, int *ret) {
        return websess_values_get_bool(reading(s, key), key, ret);
}

int websess_session_get_int64(websess_session *s, const char *key, int64_t *ret) {
        return websess_values_get_int64(reading(s, key), key, ret);
}

int websess_session_get_double(websess_session *s, const char *key, double *ret) {
        return websess_values_get_double(reading(s, key), key, ret);
}

int websess_session_get_string(websess_session *s, const char *key, const char **ret, size_t *ret_len) {
        return websess_values_get_string(reading(s, key), key, ret, ret_len);
}

int websess_session_get_bytes(websess_session *s, const char *key, const void **ret, size_t *ret_len) {
        return websess_values_get_bytes(reading(s, key), key, ret, ret_len);
}

int websess_session_get_strings(websess_session *s, const char *key, const char *const **ret, size_t *ret_count) {
        return websess_values_get_strings(reading(s, key), key, ret, ret_count);
}

/* ---- by token ---- */

/* Does the session stand as the change would have left it, one version on? */
static bool is_done(websess *w, const TokenText *token, const Change *c) {
        _cleanup_(websess_session_freep) websess_session *s = NULL;
        _cleanup_(websess_need_freep) websess_need *n = NULL;

        if (websess_session_new(&s) < 0 || websess_need_new(&n) < 0)
                return false;
        n->need.flags = NEED_NO_TOUCH | NEED_ALLOW_ANONYMOUS;
        if (client_resolve_plain(w, token, n, s) != 0 || s->version != c->if_version + 1)
                return false;
        for (size_t i = 0; c->set && i < c->set->n; i++) {
                Attribute a = values_get(c->set, &c->set->entries[i]);
                const Value *value = values_find(session_attributes(s), a.key);
                Attribute b;

                if (!value)
                        return false;
                b = values_get(session_attributes(s), value);
                if (!attribute_equal(&a, &b))
                        return false;
        }
        for (size_t i = 0; i < c->n_unset_keys; i++)
                if (values_find(session_attributes(s), slice_of(c->unset_keys[i])))
                        return false;
        return true;
}

int websess_set_attributes(websess *w, const char *token, size_t len, const websess_values *set,
                           const char *const *unset, size_t n_unset, uint64_t if_version, uint64_t *ret_version) {
        _cleanup_(token_text_done) TokenText text = {};
        Change c = { .token = text.data, .set = set, .unset_keys = unset, .n_unset_keys = n_unset,
                     .if_version = if_version };
        uint64_t version = 0;
        bool resent = false;
        int r;

        if (!w)
                return error_set(FAULT_INVALID_ARGUMENT, "There is no handle");
        r = client_token_text(&text, token, len);
        c.token_size = text.size;
        for (size_t i = 0; r == 0 && i < n_unset; i++)
                r = client_check_text("A key to unset", unset[i]);
        if (r == 0)
                r = write_change(w, &c, &version, &resent);
        if (r == FAULT_CONFLICT && resent && if_version > 0 && is_done(w, &text, &c)) {
                version = if_version + 1;
                r = 0;
        }
        if (r == 0 && ret_version)
                *ret_version = version;
        return r;
}
