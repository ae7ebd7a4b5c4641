/* SPDX-License-Identifier: MIT */
/* JSON, by jansson: it refuses malformed UTF-8, keeps the order of keys and can write plain ASCII. Only this file sees
 * it. */
#include <errno.h>
#include <jansson.h>
#include <math.h>
#include <string.h>

#include "json.h"

/* Jansson's setters take the value over, also when they fail, and fail for a NULL value: so errors need one look, at
 * the end. */
typedef struct Object {
        json_t *json;
        bool failed;
} Object;

static void put(Object *o, const char *key, json_t *value) {
        if (json_object_set_new(o->json, key, value) < 0)
                o->failed = true;
}

/* A text that is absent is left out; one that is no UTF-8 cannot be JSON and fails. */
static void put_text(Object *o, const char *key, const char *text) {
        if (text)
                put(o, key, json_string(text));
}

static void put_number(Object *o, const char *key, uint64_t value) {
        put(o, key, value > INT64_MAX ? json_null() : json_integer((json_int_t) value));
}

static json_t *array_of_strings(const char *const *items, size_t n) {
        json_t *array = json_array();

        for (size_t i = 0; array && i < n; i++) {
                if (json_array_append_new(array, json_string(items[i])) < 0) {
                        json_decref(array);
                        return NULL;
                }
        }
        return array;
}

static json_t *array_of_bytes(const unsigned char *bytes, size_t n) {
        json_t *array = json_array();

        for (size_t i = 0; array && i < n; i++) {
                if (json_array_append_new(array, json_integer(bytes[i])) < 0) {
                        json_decref(array);
                        return NULL;
                }
        }
        return array;
}

static json_t *value_at(const websess_values *v, const char *key) {
        const char *const *strings = NULL;
        const char *text = NULL;
        const void *bytes = NULL;
        int64_t integer = 0;
        double number = 0;
        size_t n = 0;
        int boolean = 0;

        switch (websess_values_type(v, key)) {
        case 'b':
                (void) websess_values_get_bool(v, key, &boolean);
                return json_boolean(boolean);
        case 'x':
                (void) websess_values_get_int64(v, key, &integer);
                return json_integer(integer);
        case 'd':
                (void) websess_values_get_double(v, key, &number);
                return isfinite(number) ? json_real(number) : json_null();
        case 's':
                (void) websess_values_get_string(v, key, &text, &n);
                return json_stringn(text, n);
        case 'y':
                (void) websess_values_get_bytes(v, key, &bytes, &n);
                return array_of_bytes(bytes, n);
        case 'a':
                (void) websess_values_get_strings(v, key, &strings, &n);
                return array_of_strings(strings, n);
        default:
                return NULL;
        }
}

static Object object_of_values(const websess_values *v) {
        Object o = { .json = json_object() };

        for (size_t i = 0; i < websess_values_count(v); i++)
                put(&o, websess_values_key_at(v, i), value_at(v, websess_values_key_at(v, i)));
        return o;
}

static json_t *array_by(const websess_session *s, size_t n, const char *(*at)(const websess_session *s, size_t i)) {
        json_t *array = json_array();

        for (size_t i = 0; array && i < n; i++) {
                if (json_array_append_new(array, json_string(at(s, i))) < 0) {
                        json_decref(array);
                        return NULL;
                }
        }
        return array;
}

static void put_session(Object *o, const websess_session *s) {
        const char *user = websess_session_user(s);
        Object attributes = object_of_values(websess_session_attributes(s));

        put_text(o, "Id", websess_session_id(s));
        put_text(o, "Service", websess_session_service(s));
        put_text(o, "User", user ? user : "");
        put_number(o, "Uid", websess_session_uid(s));
        put(o, "Roles", array_by(s, websess_session_role_count(s), websess_session_role_at));
        put(o, "Attributes", attributes.json);
        o->failed = o->failed || attributes.failed;
        put_number(o, "Created", websess_session_created(s));
        put_number(o, "LastSeen", websess_session_last_seen(s));
        put_number(o, "Expires", websess_session_expires(s));
        put_number(o, "IdleUSec", websess_session_idle_usec(s));
        put_number(o, "LifetimeEnd", websess_session_lifetime_end(s));
        put_number(o, "AuthTime", websess_session_auth_time(s));
        put(o, "AuthMethods", array_by(s, websess_session_auth_method_count(s), websess_session_auth_method_at));
        put_number(o, "Level", websess_session_level(s));
        put_text(o, "RemoteHost", websess_session_remote_host(s));
        put_text(o, "UserAgent", websess_session_user_agent(s));
        put_number(o, "CreatorUid", websess_session_creator_uid(s));
        put_text(o, "CreatorUnit", websess_session_creator_unit(s));
        put_number(o, "Version", websess_session_version(s));
        put_text(o, "Token", websess_session_token(s));
        put_text(o, "SetCookie", websess_session_set_cookie(s));
}

/* json: taken over. */
static int dump(FILE *out, CtlJson mode, json_t *json) {
        _cleanup_(json_decrefp) json_t *owned = json;
        size_t flags = JSON_ENSURE_ASCII | JSON_ENCODE_ANY | (mode == CTL_JSON_PRETTY ? JSON_INDENT(4) : 0);

        return json_dumpf(owned, out, flags) < 0 ? -EIO : 0;
}

static int dump_object(FILE *out, CtlJson mode, Object o) {
        if (!o.json || o.failed) {
                json_decref(o.json);
                return -EBADMSG;
        }
        return dump(out, mode, o.json);
}

int json_session(FILE *out, CtlJson mode, const websess_session *s) {
        Object o = { .json = json_object() };

        put_session(&o, s);
        return dump_object(out, mode, o);
}

int json_values(FILE *out, CtlJson mode, const websess_values *v) {
        return dump_object(out, mode, object_of_values(v));
}

int json_explanation(FILE *out, CtlJson mode, const websess_values *v, const websess_session *s) {
        Object o = object_of_values(v), session = { .json = json_object() };

        if (websess_session_id(s)) {
                put_session(&session, s);
                put(&o, "Session", session.json);
        } else {
                put(&o, "Session", json_null());
                json_decref(session.json);
        }
        o.failed = o.failed || session.failed;
        return dump_object(out, mode, o);
}

int json_strings(FILE *out, CtlJson mode, const char *const *items, size_t n) {
        json_t *array = array_of_strings(items, n);

        return array ? dump(out, mode, array) : -EBADMSG;
}

static json_t *row(const char *const *keys, size_t n_keys, const char *const *cells) {
        Object o = { .json = json_object() };

        for (size_t i = 0; i < n_keys; i++)
                put_text(&o, keys[i], cells[i]);
        if (!o.failed)
                return o.json;
        json_decref(o.json);
        return NULL;
}

int json_rows(FILE *out, CtlJson mode, const char *const *keys, size_t n_keys, const char *const *cells, size_t n_rows) {
        json_t *array = json_array();

        for (size_t i = 0; array && i < n_rows; i++) {
                if (json_array_append_new(array, row(keys, n_keys, cells + i * n_keys)) < 0) {
                        json_decref(array);
                        return -EBADMSG;
                }
        }
        return array ? dump(out, mode, array) : -ENOMEM;
}

int json_number(FILE *out, CtlJson mode, const char *key, uint64_t value) {
        Object o = { .json = json_object() };

        put_number(&o, key, value);
        return dump_object(out, mode, o);
}

int json_texts(FILE *out, CtlJson mode, uint64_t realtime_usec, const char *const *pairs) {
        Object o = { .json = json_object() };

        put_number(&o, "Time", realtime_usec);
        for (; *pairs; pairs += 2)
                put_text(&o, pairs[0], pairs[1]);
        return dump_object(out, mode, o);
}
