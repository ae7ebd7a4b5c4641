/* SPDX-License-Identifier: MIT */
/* The fake broker's session and its answers. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "lib-broker-internal.h"

int *fake_counter(FakeBroker *t, const char *member, bool effects) {
        size_t i = 0;

        while (t->members[i].name[0] && strcmp(t->members[i].name, member) != 0)
                assert(++i < MEMBERS);
        snprintf(t->members[i].name, sizeof(t->members[i].name), "%s", member);
        return effects ? &t->members[i].effects : &t->members[i].calls;
}

/* ---- the session ---- */

static void append_words(sd_bus_message *m, const char *words) {
        char copy[300], *save = NULL;

        snprintf(copy, sizeof(copy), "%s", words);
        assert(sd_bus_message_open_container(m, 'a', "s") >= 0);
        for (char *w = strtok_r(copy, " ", &save); w; w = strtok_r(NULL, " ", &save))
                assert(sd_bus_message_append(m, "s", w) >= 0);
        assert(sd_bus_message_close_container(m) >= 0);
}

static void append_variant(sd_bus_message *m, const char *key, const char *type, const void *value) {
        assert(sd_bus_message_open_container(m, 'e', "sv") >= 0);
        assert(sd_bus_message_append(m, "s", key) >= 0);
        assert(sd_bus_message_open_container(m, 'v', type) >= 0);
        if (type[0] == 'a' && type[1] == 's')
                append_words(m, value);
        else
                assert(values_append(m, value) >= 0);
        assert(sd_bus_message_close_container(m) >= 0);
        assert(sd_bus_message_close_container(m) >= 0);
}

static void append_session(FakeBroker *t, sd_bus_message *m, const char *id, bool with_cookie) {
        assert(sd_bus_message_open_container(m, 'a', "{sv}") >= 0);
        assert(sd_bus_message_append(m, "{sv}{sv}{sv}{sv}", "Id", "s", id, "Service", "s", "shop", "User", "s", t->user,
                                     "Uid", "u", 1000u) >= 0);
        append_variant(m, "Roles", "as", t->roles);
        append_variant(m, "Attributes", "a{sv}", &t->attributes);
        assert(sd_bus_message_append(m, "{sv}{sv}{sv}{sv}{sv}{sv}", "Created", "t", UINT64_C(11), "LastSeen", "t",
                                     UINT64_C(12),
                                     "Expires", "t", UINT64_C(13), "IdleUSec", "t", UINT64_C(14), "LifetimeEnd", "t",
                                     UINT64_C(15), "AuthTime", "t", t->auth_time) >= 0);
        append_variant(m, "AuthMethods", "as", "pwd otp");
        assert(sd_bus_message_append(m, "{sv}{sv}{sv}{sv}{sv}{sv}", "Level", "u", t->level, "RemoteHost", "s",
                                     "192.0.2.7",
                                     "UserAgent", "s", "Lynx", "CreatorUid", "u", 33u, "CreatorUnit", "s",
                                     "shop.service",
                                     "Version", "t", t->version) >= 0);
        assert(sd_bus_message_append(m, "{sv}", "FromTheFuture", "(sb)", "x", 1) >= 0);
        if (with_cookie)
                assert(sd_bus_message_append(m, "{sv}", "SetCookie", "s", "SESSION=abc; Path=/") >= 0);
        assert(sd_bus_message_close_container(m) >= 0);
}

/* "Key=value;" of an a{sv}, and RequestId by itself; *ok: do the Roles of it let the session pass? */
static void note_options(FakeBroker *t, sd_bus_message *m, bool *ok) {
        struct websess_values v = {};
        const char *const *roles;
        const char *s;
        size_t n;

        t->request_id[0] = t->options[0] = '\0';
        assert(values_read(&v, m) >= 0);
        for (size_t i = 0; i < v.n; i++) {
                const char *key = websess_values_key_at(&v, i);
                size_t at = strlen(t->options);
                int64_t x = 0;
                int b = 0;

                if (strcmp(key, "RequestId") == 0 && websess_values_get_string(&v, key, &s, NULL) == 0)
                        snprintf(t->request_id, sizeof(t->request_id), "%s", s);
                else if (websess_values_get_string(&v, key, &s, NULL) == 0)
                        snprintf(t->options + at, sizeof(t->options) - at, "%s=%s;", key, s);
                else if (websess_values_get_int64(&v, key, &x) == 0)
                        snprintf(t->options + at, sizeof(t->options) - at, "%s=%lld;", key, (long long) x);
                else if (websess_values_get_bool(&v, key, &b) == 0)
                        snprintf(t->options + at, sizeof(t->options) - at, "%s=%s;", key, b ? "yes" : "no");
        }
        if (ok && websess_values_get_strings(&v, "Roles", &roles, &n) == 0) {
                char padded[310], word[80];

                snprintf(padded, sizeof(padded), " %s ", t->roles);
                *ok = t->admin[0] != '\0' && strstr(t->roles, t->admin);
                for (size_t i = 0; i < n; i++) {
                        snprintf(word, sizeof(word), " %s ", roles[i]);
                        *ok |= strstr(padded, word) != NULL;
                }
        }
        values_done(&v);
}

/* ---- calls ---- */

static int answer(FakeBroker *t, Client *c, sd_bus_message *m, const char *member, sd_bus_message *reply);

static int fail(sd_bus_message *m, const char *name, const char *text) {
        char full[80];

        snprintf(full, sizeof(full), "org.websess1.Error.%s", name);
        return sd_bus_reply_method_errorf(m, full, "%s", text);
}

int fake_on_call(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        const char *member = sd_bus_message_get_member(m);
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
        Client *c = userdata;
        FakeBroker *t = c->fake;
        int r = 0;

        if (!sd_bus_message_is_method_call(m, NULL, NULL))
                return 0;
        pthread_mutex_lock(&t->lock);
        ++*fake_counter(t, member, false);
        if (t->drop_before > 0) {
                t->drop_before--;
                r = -ECONNABORTED;
        } else if (!t->hang) {
                bool drop = t->drop_after > 0;

                assert(sd_bus_message_new_method_return(m, &reply) >= 0);
                r = answer(t, c, m, member, reply);
                t->drop_after -= drop;
                if (drop)
                        r = -ECONNABORTED;
                else if (r == 0)
                        r = sd_bus_send(NULL, reply, NULL);
        }
        pthread_mutex_unlock(&t->lock);
        if (r == -ECONNABORTED) {
                sd_bus_close(c->bus);
                return 1;
        }
        assert(r >= 0);
        return 1;
}

static void new_token(FakeBroker *t) {
        snprintf(t->token, sizeof(t->token), "token-%d", ++t->tokens);
}

static int answer_token(FakeBroker *t, sd_bus_message *m, const char *member, sd_bus_message *reply) {
        static const char id[] = "000102030405060708090a0b0c0d0e0f";
        char before[160];
        const char *service, *user;

        assert(sd_bus_message_read(m, "ss", &service, &user) > 0);
        if (strcmp(member, "Rotate") != 0)
                snprintf(t->user, sizeof(t->user), "%s", user);
        if (strcmp(member, "Login") == 0) {
                const char *secret;

                assert(sd_bus_message_read(m, "s", &secret) > 0);
                if (strcmp(secret, "wrong") == 0)
                        return fail(m, "AuthenticationFailed", "no");
        } else if (strcmp(member, "CreateSession") == 0) {
                assert(sd_bus_message_skip(m, "as") >= 0);
                websess_values_clear(&t->attributes);
                assert(values_read(&t->attributes, m) >= 0);
        }
        snprintf(before, sizeof(before), "%s", t->request_id);
        note_options(t, m, NULL);
        /* A repeat by its RequestId makes nothing new. */
        if (strcmp(before, t->request_id) != 0) {
                ++*fake_counter(t, member, true);
                t->version++;
        }
        new_token(t);
        assert(sd_bus_message_append(reply, "s", t->token) >= 0);
        append_session(t, reply, id, true);
        return 0;
}

static int answer_attributes(FakeBroker *t, sd_bus_message *m, sd_bus_message *reply) {
        const char *service, *token, *key;
        struct websess_values set = {};
        uint64_t if_version;
        char **unset = NULL;

        assert(sd_bus_message_read(m, "ss", &service, &token) > 0);
        assert(values_read(&set, m) >= 0);
        assert(sd_bus_message_read_strv(m, &unset) >= 0);
        assert(sd_bus_message_read(m, "t", &if_version) > 0);
        if (if_version != 0 && if_version != t->version) {
                values_done(&set);
                for (char **p = unset; p && *p; p++)
                        free(*p);
                free(unset);
                return fail(m, "Conflict", "version");
        }
        t->options[0] = '\0';
        for (size_t i = 0; i < set.n; i++) {
                Attribute a = values_get(&set, &set.entries[i]);
                size_t at = strlen(t->options);

                key = websess_values_key_at(&set, i);
                snprintf(t->options + at, sizeof(t->options) - at, "%s;", key);
                assert(values_set(&t->attributes, &a) == 0);
        }
        for (char **p = unset; p && *p; p++) {
                size_t at = strlen(t->options);

                snprintf(t->options + at, sizeof(t->options) - at, "-%s;", *p);
                values_remove(&t->attributes, slice_of(*p));
                free(*p);
        }
        free(unset);
        values_done(&set);
        ++*fake_counter(t, "SetAttributes", true);
        return sd_bus_message_append(reply, "t", ++t->version) < 0;
}

static int answer_resolve(FakeBroker *t, sd_bus_message *m, sd_bus_message *reply) {
        const char *service, *token;
        bool ok = true;

        assert(sd_bus_message_read(m, "ss", &service, &token) > 0);
        note_options(t, m, &ok);
        if (strncmp(token, "token-", 6) != 0)
                return fail(m, "NoSession", "There is no such session");
        if (!ok)
                return fail(m, "Forbidden", "role missing");
        append_session(t, reply, "000102030405060708090a0b0c0d0e0f", false);
        return 0;
}

/* Seven sessions in pages of at most three. */
static int answer_list(FakeBroker *t, sd_bus_message *m, sd_bus_message *reply) {
        int64_t after = 0, limit = 3, last = 0;
        struct websess_values v = {};
        const char *cursor;
        char id[33];

        assert(values_read(&v, m) >= 0);
        if (websess_values_get_string(&v, "After", &cursor, NULL) == 0)
                after = atoi(cursor);
        if (websess_values_get_int64(&v, "Limit", &limit) != 0 || limit > 3)
                limit = 3;
        values_done(&v);
        assert(sd_bus_message_open_container(reply, 'a', "a{sv}") >= 0);
        for (last = after; last < 7 && last < after + limit; last++) {
                snprintf(id, sizeof(id), "%032d", (int) last);
                append_session(t, reply, id, false);
        }
        assert(sd_bus_message_close_container(reply) >= 0);
        snprintf(id, sizeof(id), "%d", (int) last);
        return sd_bus_message_append(reply, "s", last < 7 ? id : "") < 0;
}

static int answer(FakeBroker *t, Client *c, sd_bus_message *m, const char *member, sd_bus_message *reply) {
        static const char *const counted[] = { "RevokeUser", "RevokeAll", "SetUserRoles" };

        if (strcmp(member, "Login") == 0 || strcmp(member, "CreateSession") == 0 || strcmp(member, "Rotate") == 0)
                return answer_token(t, m, member, reply);
        if (strcmp(member, "SetAttributes") == 0)
                return answer_attributes(t, m, reply);
        if (strcmp(member, "Resolve") == 0)
                return answer_resolve(t, m, reply);
        if (strcmp(member, "ListSessions") == 0)
                return answer_list(t, m, reply);
        ++*fake_counter(t, member, true);
        if (strcmp(member, "RevokeSession") == 0 && *fake_counter(t, member, true) > 1)
                return fail(m, "NoSession", "There is no such session");
        if (strcmp(member, "GetSession") == 0)
                append_session(t, reply, "000102030405060708090a0b0c0d0e0f", false);
        for (size_t i = 0; i < ELEMENTSOF(counted); i++)
                if (strcmp(member, counted[i]) == 0)
                        return sd_bus_message_append(reply, "u", 3u) < 0;
        if (strcmp(member, "SetRoles") == 0)
                return sd_bus_message_append(reply, "t", ++t->version) < 0;
        if (strcmp(member, "GetAll") == 0)
                return sd_bus_message_append(reply, "a{sv}", 4, "Version", "s", "0.1", "Services", "as", 2, "shop",
                                             "mail",
                                             "SessionCount", "t", UINT64_C(7), "Healthy", "b", 1) < 0;
        if (strcmp(member, "Reload") == 0)
                return fail(m, "AccessDenied", "uid 998 (shop.service) lacks the right to reload: ask root");
        if (strcmp(member, "Subscribe") == 0)
                c->subscribed = true;
        return 0;
}
