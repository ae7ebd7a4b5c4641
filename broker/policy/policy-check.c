/* SPDX-License-Identifier: MIT */
/* Checks that take more than one key. A fault names the line that was written last of those that do not fit. Pure. */
#include "policy-check.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "span.h"

void loading_done(Loading *l) {
        for (size_t i = 0; i < SERVICE_KEYS_MAX; i++)
                free(l->origins[i].path);
}

int loading_remember(Loading *l, const Key *key, const ConfigItem *item) {
        struct Origin *o = &l->origins[key - l->keys];

        free(o->path);
        *o = (struct Origin) {};
        if (!*item->value && !(key->flags & (KEY_EMPTY | KEY_ANY)))
                return 0;       /* reset: as if nobody had said anything */
        o->path = strdup(item->path);
        if (!o->path)
                return -ENOMEM;
        o->line = item->line;
        o->at = ++l->n_lines;
        return 0;
}

/* Of these keys of a section ("A B C"; "" for all of it) the row that was written last; NULL when none was. */
static const Key *last_written(const Loading *l, const char *section, const char *names) {
        const Key *last = NULL;
        unsigned at = 0;

        for (const Key *key = l->keys; key->section; key++) {
                const char *cursor = names;
                bool asked = !*names;
                Slice word;

                while (!asked && next_word(&cursor, &word))
                        asked = key->name && slice_equal(slice_of(key->name), word);
                if (!asked || strcmp(key->section, section) != 0 || l->origins[key - l->keys].at <= at)
                        continue;
                last = key;
                at = l->origins[key - l->keys].at;
        }
        return last;
}

/* The defaults fit each other, so one of the keys was written. */
static int refuse(const Loading *l, const char *section, const char *names, Fault *f, const char *reason) {
        const Key *key = last_written(l, section, names);

        if (!key)
                return -EINVAL;
        return config_refuse(
                f, l->origins[key - l->keys].path, l->origins[key - l->keys].line, key->name, "%s", reason);
}

/* A default bows to what was written; what was written is never bent in silence. */
static bool written(const Loading *l, const char *section, const char *name) {
        return last_written(l, section, name) != NULL;
}

int settings_check(const Loading *l, const Settings *s, Fault *f) {
        if (s->store_reserve_bytes >= s->store_max_bytes)
                return refuse(l, "Store", "MaxSize Reserve", f, "Reserve= must be smaller than MaxSize=");
        if (written(l, "Limits", "MaxConnectionsPerUser") && s->max_connections_per_user > s->max_connections)
                return refuse(l, "Limits", "MaxConnections MaxConnectionsPerUser", f,
                        "MaxConnectionsPerUser= must not exceed MaxConnections=");
        if (written(l, "PAM", "IdleHelpers") && s->idle_helpers > s->max_helpers)
                return refuse(l, "PAM", "IdleHelpers MaxHelpers", f, "IdleHelpers= must not exceed MaxHelpers=");
        return 0;
}

/* The application's users are in no group of this machine, so such a line would give nobody anything. */
static int check_app_roles(const Service *s, Fault *f) {
        for (size_t i = 0; i < s->n_roles; i++)
                if (s->roles[i].groups)
                        return fault(f, FAULT_INVALID_ARGUMENT,
                                "%s: %s: \"@%s\": the users of a service with Users=app have no groups",
                                s->roles[i].origin, s->roles[i].role, s->roles[i].groups[0]);
        return 0;
}

/* NIST SP 800-63B-4, section 2: how long until somebody has to authenticate again, in all and without activity. Its
 * level 1 has no limit to inactivity of its own. */
static const struct {
        uint64_t idle_usec, lifetime_usec;
} presets[_PRESET_MAX] = {
        [PRESET_AAL1] = { 30 * USEC_PER_DAY, 30 * USEC_PER_DAY },
        [PRESET_AAL2] = { USEC_PER_HOUR, 24 * USEC_PER_HOUR },
        [PRESET_AAL3] = { 15 * USEC_PER_MINUTE, 12 * USEC_PER_HOUR },
};

void service_preset(const Loading *l, Service *s) {
        const uint64_t idle = presets[s->preset].idle_usec, lifetime = presets[s->preset].lifetime_usec;

        if (s->preset == PRESET_NONE)
                return;
        if (!written(l, "Service", "LifetimeSec"))
                s->lifetime_usec = lifetime;
        if (!written(l, "Service", "IdleSec"))
                s->idle_usec = idle;
        if (!written(l, "Service", "RememberSec"))
                s->remember_usec = lifetime;
}

/* A level of assurance that longer times undo would be one in name only. */
static int check_preset(const Loading *l, const Service *s, Fault *f) {
        const uint64_t idle = presets[s->preset].idle_usec, lifetime = presets[s->preset].lifetime_usec;

        if (s->preset == PRESET_NONE)
                return 0;
        if (s->lifetime_usec > lifetime)
                return refuse(l, "Service", "LifetimeSec Preset", f, "LifetimeSec= is longer than Preset= allows");
        if (s->idle_usec > idle)
                return refuse(l, "Service", "IdleSec Preset", f, "IdleSec= is longer than Preset= allows");
        if (s->remember_usec > lifetime)
                return refuse(l, "Service", "RememberSec Preset", f, "RememberSec= is longer than Preset= allows");
        return 0;
}

int service_check(const Loading *l, const Service *s, Fault *f) {
        Fault reason = {};

        if (check_preset(l, s, f) != 0)
                return FAULT_INVALID_ARGUMENT;

        if (written(l, "Service", "IdleSec") && s->lifetime_usec < s->idle_usec)
                return refuse(l, "Service", "IdleSec LifetimeSec", f, "LifetimeSec= must not be shorter than IdleSec=");
        if (written(l, "Service", "AnonymousIdleSec") && s->lifetime_usec < s->anonymous_idle_usec)
                return refuse(l, "Service", "AnonymousIdleSec LifetimeSec", f,
                        "LifetimeSec= must not be shorter than AnonymousIdleSec=");
        if (s->users == USERS_APP && check_app_roles(s, f) != 0)
                return FAULT_INVALID_ARGUMENT;
        if (cookie_rules_check(&s->cookie, &reason) != 0)
                return refuse(l, "Cookie", "", f, reason.text);
        return 0;
}

static void lower_count(unsigned *value, unsigned limit) {
        if (*value > limit)
                *value = limit;
}

void settings_complete(Settings *s) {
        lower_count(&s->max_connections_per_user, s->max_connections);
        lower_count(&s->idle_helpers, s->max_helpers);
}

static void lower(uint64_t *value, uint64_t limit) {
        if (*value > limit)
                *value = limit;
}

int service_complete(Service *s) {
        if (s->methods.n == 0) {
                s->methods.names[0] = strdup("pwd");
                if (!s->methods.names[0])
                        return -ENOMEM;
                s->methods.n = 1;
        }
        lower(&s->idle_usec, s->lifetime_usec);
        lower(&s->anonymous_idle_usec, s->lifetime_usec);
        /* A session whose touches come rarer than its idle time would end under its user's hands. */
        lower(&s->touch_usec, s->idle_usec / 4);
        if (s->anonymous)
                lower(&s->touch_usec, s->anonymous_idle_usec / 4);
        if (s->access[RIGHT_MAP].n_rules == 0)
                return access_list_copy(&s->access[RIGHT_MAP], &s->access[RIGHT_RESOLVE]);
        return 0;
}
