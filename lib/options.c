/* SPDX-License-Identifier: MIT */
/* Options of login, create and rotate. Owns them; a token among them is wiped. */
#include <stdlib.h>
#include <string.h>

#include "options.h"
#include "validate.h"

int websess_options_new(websess_options **ret) {
        websess_options *o;

        o = calloc(1, sizeof(*o));
        if (!o)
                return error_memory();
        *ret = o;
        return 0;
}

static void list_clear(TextList *l) {
        for (size_t i = 0; i < l->n; i++)
                free(l->items[i]);
        l->n = 0;
}

void websess_options_clear(websess_options *o) {
        if (!o)
                return;
        for (size_t i = 0; i < _OPTION_TEXTS; i++) {
                if (o->texts[i])
                        wipe(o->texts[i], strlen(o->texts[i]));
                free(o->texts[i]);
                o->texts[i] = NULL;
        }
        list_clear(&o->keep_attributes);
        list_clear(&o->roles);
        list_clear(&o->methods);
        websess_values_clear(&o->attributes);
        o->given = 0;
        o->timeout_usec = 0;
}

websess_options *websess_options_free(websess_options *o) {
        if (!o)
                return NULL;
        websess_options_clear(o);
        values_done(&o->attributes);
        free(o);
        return NULL;
}

static int no_options(void) {
        return error_set(FAULT_INVALID_ARGUMENT, "There are no options to set");
}

static int set_text(websess_options *o, int which, const char *text, int (*check)(Slice, Fault *)) {
        Fault f = {};
        char *copy;

        if (!o)
                return no_options();
        if (check(slice_of(text), &f) != 0)
                return error_fault(&f);
        copy = strdup(text ?: "");
        if (!copy)
                return error_memory();
        if (o->texts[which])
                wipe(o->texts[which], strlen(o->texts[which]));
        free(o->texts[which]);
        o->texts[which] = copy;
        return 0;
}

int websess_options_remote_host(websess_options *o, const char *host) {
        return set_text(o, OPTION_REMOTE_HOST, host, validate_remote_host);
}

int websess_options_user_agent(websess_options *o, const char *agent) {
        return set_text(o, OPTION_USER_AGENT, agent, validate_user_agent);
}

int websess_options_language(websess_options *o, const char *language) {
        return set_text(o, OPTION_LANGUAGE, language, validate_language);
}

int websess_options_host(websess_options *o, const char *host) {
        return set_text(o, OPTION_HOST, host, validate_remote_host);
}

int websess_options_request_id(websess_options *o, const char *id) {
        return set_text(o, OPTION_REQUEST_ID, id, validate_request_id);
}

int websess_options_replace_token(websess_options *o, const char *token, size_t len) {
        _cleanup_(token_text_done) TokenText text = {};

        /* It comes from outside: what cannot be a token ends no session, and stops no login. */
        if (client_token_text(&text, token, len) != 0)
                text.data[0] = '\0';
        return set_text(o, OPTION_REPLACE_TOKEN, text.data, validate_token_text);
}

int websess_options_token(websess_options *o, const char *token, size_t len) {
        _cleanup_(token_text_done) TokenText text = {};
        int r = client_token_text(&text, token, len);

        return r != 0 ? r : set_text(o, OPTION_TOKEN, text.data, validate_token_text);
}

static int add(TextList *l, size_t max, const char *what, const char *text, int (*check)(Slice, Fault *)) {
        Fault f = {};
        char *copy;

        if (check(slice_of(text), &f) != 0)
                return error_fault(&f);
        if (l->n == max)
                return error_set(FAULT_INVALID_ARGUMENT, "There may be at most %zu %s", max, what);
        copy = strdup(text);
        if (!copy)
                return error_memory();
        l->items[l->n++] = copy;
        return 0;
}

static int validate_key(Slice key, Fault *f) {
        return validate_attribute(&(Attribute) { .key = key, .type = 'b' }, f);
}

int websess_options_keep_attribute(websess_options *o, const char *key) {
        return o ? add(&o->keep_attributes, LIST_MAX, "attributes to keep", key, validate_key) : no_options();
}

int websess_options_role(websess_options *o, const char *role) {
        return o ? add(&o->roles, ROLES_MAX, "roles", role, validate_role) : no_options();
}

int websess_options_auth_method(websess_options *o, const char *method) {
        return o ? add(&o->methods, METHODS_MAX, "authentication methods", method, validate_method) : no_options();
}

static int set_number(websess_options *o, unsigned which, uint64_t *member, uint64_t value) {
        if (!o)
                return no_options();
        *member = value;
        o->given |= which;
        return 0;
}

int websess_options_idle_usec(websess_options *o, uint64_t usec) {
        return o ? set_number(o, OPTION_IDLE, &o->idle_usec, usec) : no_options();
}

int websess_options_lifetime_usec(websess_options *o, uint64_t usec) {
        return o ? set_number(o, OPTION_LIFETIME, &o->lifetime_usec, usec) : no_options();
}

int websess_options_auth_time(websess_options *o, uint64_t realtime_usec) {
        return o ? set_number(o, OPTION_AUTH_TIME, &o->auth_time, realtime_usec) : no_options();
}

int websess_options_timeout_usec(websess_options *o, uint64_t usec) {
        return o ? set_number(o, 0, &o->timeout_usec, usec) : no_options();
}

int websess_options_level(websess_options *o, uint32_t level) {
        if (!o)
                return no_options();
        o->level = level;
        o->given |= OPTION_LEVEL;
        return 0;
}

int websess_options_remember(websess_options *o, int remember) {
        if (!o)
                return no_options();
        o->remember = remember;
        o->given |= OPTION_REMEMBER;
        return 0;
}

websess_values *websess_options_attributes(websess_options *o) {
        return o ? &o->attributes : NULL;
}

/* ---- into a message ---- */

static int append_list(sd_bus_message *m, const char *key, const TextList *l) {
        int r;

        if (l->n == 0)
                return 0;
        r = sd_bus_message_open_container(m, 'e', "sv");
        if (r >= 0)
                r = sd_bus_message_append(m, "s", key);
        if (r >= 0)
                r = sd_bus_message_open_container(m, 'v', "as");
        if (r >= 0)
                r = client_append_strings(m, (const char *const *) l->items, l->n);
        if (r >= 0)
                r = sd_bus_message_close_container(m);
        return r < 0 ? r : sd_bus_message_close_container(m);
}

static int append_texts(sd_bus_message *m, const websess_options *o) {
        static const struct {
                int which;
                const char *key;
        } texts[] = {
                { OPTION_REMOTE_HOST, "RemoteHost" },
                { OPTION_USER_AGENT, "UserAgent" },
                { OPTION_HOST, "Host" },
                { OPTION_REPLACE_TOKEN, "ReplaceToken" },
                { OPTION_TOKEN, "Token" },
                { OPTION_LANGUAGE, "Language" },
        };
        int r = 0;

        for (size_t i = 0; r >= 0 && i < ELEMENTSOF(texts); i++)
                r = client_append_option(m, texts[i].key, o->texts[texts[i].which]);
        return r;
}

static int append_numbers(sd_bus_message *m, const websess_options *o) {
        int r = 0;

        if (o->given & OPTION_IDLE)
                r = sd_bus_message_append(m, "{sv}", "IdleUSec", "t", o->idle_usec);
        if (r >= 0 && (o->given & OPTION_LIFETIME))
                r = sd_bus_message_append(m, "{sv}", "LifetimeUSec", "t", o->lifetime_usec);
        if (r >= 0 && (o->given & OPTION_REMEMBER))
                r = sd_bus_message_append(m, "{sv}", "Remember", "b", (int) o->remember);
        if (r >= 0 && (o->given & OPTION_LEVEL))
                r = sd_bus_message_append(m, "{sv}", "Level", "u", o->level);
        if (r >= 0 && (o->given & OPTION_AUTH_TIME))
                r = sd_bus_message_append(m, "{sv}", "AuthTime", "t", o->auth_time);
        return r;
}

static int append_attributes(sd_bus_message *m, const websess_values *v) {
        int r;

        if (v->n == 0)
                return 0;
        r = sd_bus_message_open_container(m, 'e', "sv");
        if (r >= 0)
                r = sd_bus_message_append(m, "s", "Attributes");
        if (r >= 0)
                r = sd_bus_message_open_container(m, 'v', "a{sv}");
        if (r >= 0)
                r = values_append(m, v);
        if (r >= 0)
                r = sd_bus_message_close_container(m);
        return r < 0 ? r : sd_bus_message_close_container(m);
}

int options_append(sd_bus_message *m, const websess_options *o, const char *request_id, bool with_session) {
        int r;

        r = sd_bus_message_open_container(m, 'a', "{sv}");
        if (r >= 0)
                r = client_append_option(m, "RequestId", request_id);
        if (r >= 0 && o)
                r = append_texts(m, o);
        if (r >= 0 && o)
                r = append_numbers(m, o);
        if (r >= 0 && o)
                r = append_list(m, "KeepAttributes", &o->keep_attributes);
        if (r >= 0 && o)
                r = append_list(m, "AuthMethods", &o->methods);
        if (r >= 0 && o && with_session)
                r = append_list(m, "Roles", &o->roles);
        if (r >= 0 && o && with_session)
                r = append_attributes(m, &o->attributes);
        return r < 0 ? r : sd_bus_message_close_container(m);
}
