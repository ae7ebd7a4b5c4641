/* SPDX-License-Identifier: MIT */
/* The one table of option keys, and the readers behind it. Touches nothing but the message it reads. */
#include "args.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "cleanup.h"
#include "validate.h"

void strings_done(Strings *s) {
        free(s->items);
        *s = (Strings) {};
}

void options_done(Options *o) {
        strings_done(&o->roles);
        strings_done(&o->methods);
        strings_done(&o->keep);
        attributes_done(&o->attributes);
}

/* sd-bus says 1 where we say 0: positive numbers are outcomes here. */
static int ok(int r) {
        return r < 0 ? r : 0;
}

int args_string(sd_bus_message *m, Slice *ret) {
        const char *s;
        int r;

        r = sd_bus_message_read_basic(m, 's', &s);
        if (r < 0)
                return r;
        *ret = slice_of(s);
        return 0;
}

static int append(Strings *s, Slice item) {
        Slice *items;

        if (s->n % 16 == 0) {
                items = reallocarray(s->items, s->n + 16, sizeof(*items));
                if (!items)
                        return -ENOMEM;
                s->items = items;
        }
        s->items[s->n++] = item;
        return 0;
}

/* What a list may hold. Each item is looked at as it is read, so that a list that is not taken costs hardly more than one that is. */
typedef struct ListRule {
        const char *what;
        size_t max;             /* of items, repeated ones too */
        int (*check)(Slice item, Fault *f);
} ListRule;

static int read_list(sd_bus_message *m, const ListRule *rule, Strings *ret, Fault *f) {
        const char *s;
        int r;

        strings_done(ret);
        r = sd_bus_message_enter_container(m, 'a', "s");
        if (r < 0)
                return r;
        while ((r = sd_bus_message_read_basic(m, 's', &s)) > 0) {
                if (ret->n >= rule->max)
                        return fault(f, FAULT_INVALID_ARGUMENT, "%s: too many are given: at most %zu are taken", rule->what, rule->max);
                r = rule->check ? rule->check(slice_of(s), f) : 0;
                if (r != 0)
                        return r;
                r = append(ret, slice_of(s));
                if (r < 0)
                        return r;
        }
        return r < 0 ? r : ok(sd_bus_message_exit_container(m));
}

int args_strings(sd_bus_message *m, Strings *ret) {
        return read_list(m, &(ListRule) { .max = SIZE_MAX }, ret, NULL);
}

static bool contains(const Strings *s, size_t n, Slice item) {
        for (size_t i = 0; i < n; i++)
                if (slice_equal(s->items[i], item))
                        return true;
        return false;
}

/* Keep each once, in order: for short lists. */
static int drop_repeated(Strings *s, const char *what, size_t max, Fault *f) {
        size_t n = 0;

        for (size_t i = 0; i < s->n; i++)
                if (!contains(s, n, s->items[i]))
                        s->items[n++] = s->items[i];
        s->n = n;
        if (n > max)
                return fault(f, FAULT_INVALID_ARGUMENT, "%s: %zu given, at most %zu are taken", what, n, max);
        return 0;
}

int args_roles(sd_bus_message *m, Strings *ret, Fault *f) {
        int r = read_list(m, &(ListRule) { "roles", 4 * ROLES_MAX, validate_role }, ret, f);

        return r == 0 ? drop_repeated(ret, "roles", ROLES_MAX, f) : r;
}

static int args_methods(sd_bus_message *m, Strings *ret, Fault *f) {
        int r = read_list(m, &(ListRule) { "AuthMethods", 4 * METHODS_MAX, validate_method }, ret, f);

        return r == 0 ? drop_repeated(ret, "AuthMethods", METHODS_MAX, f) : r;
}

static int check_key(Slice key, Fault *f) {
        return validate_attribute(&(Attribute) { .key = key, .type = 'b' }, f);
}

static int compare_items(const void *a, const void *b) {
        return slice_compare(*(const Slice *) a, *(const Slice *) b);
}

int args_keys(sd_bus_message *m, Strings *ret, Fault *f) {
        int r = read_list(m, &(ListRule) { "attribute names", ATTRIBUTES_MAX, check_key }, ret, f);

        if (r == 0 && ret->n > 0)
                qsort(ret->items, ret->n, sizeof(*ret->items), compare_items);
        return r;
}

bool strings_have(const Strings *sorted, Slice item) {
        return sorted->n > 0 && bsearch(&item, sorted->items, sorted->n, sizeof(item), compare_items);
}

/* ---- options ---- */

static int check_id(Slice s, Fault *f) {
        Ident id;

        if (s.size == 0 || ident_parse(s.data, s.size, &id))
                return 0;
        return fault(f, FAULT_INVALID_ARGUMENT, "a session id is 32 lower-case hex digits");
}

/* What the client came with may be rubbish, which ends nothing; but it may not be a megabyte of it. */
static int check_replaced(Slice s, Fault *f) {
        return validate_token_text(s, f);
}

static int check_optional_service(Slice s, Fault *f) {
        return s.size == 0 ? 0 : validate_service(s, f);
}

static int check_optional_user(Slice s, Fault *f) {
        return s.size == 0 ? 0 : validate_user(s, f);
}

typedef int (*ListReader)(sd_bus_message *m, Strings *ret, Fault *f);

static const struct {
        const char *name;
        const char *type;                       /* D-Bus signature of the value */
        size_t offset;                          /* in Options */
        int (*check)(Slice s, Fault *f);        /* of an s */
        ListReader list;                        /* of an as */
} keys[_OPTION_MAX] = {
        [OPTION_REMOTE_HOST] = { "RemoteHost", "s", offsetof(Options, remote_host), validate_remote_host },
        [OPTION_USER_AGENT] = { "UserAgent", "s", offsetof(Options, user_agent), validate_user_agent },
        [OPTION_HOST] = { "Host", "s", offsetof(Options, host), validate_remote_host },
        [OPTION_REPLACE_TOKEN] = { "ReplaceToken", "s", offsetof(Options, replace_token), check_replaced },
        [OPTION_REQUEST_ID] = { "RequestId", "s", offsetof(Options, request_id), validate_request_id },
        [OPTION_TOKEN] = { "Token", "s", offsetof(Options, token), validate_token_text },
        [OPTION_LANGUAGE] = { "Language", "s", offsetof(Options, language), validate_language },
        [OPTION_SERVICE] = { "Service", "s", offsetof(Options, service), check_optional_service },
        [OPTION_USER] = { "User", "s", offsetof(Options, user), check_optional_user },
        [OPTION_USER_PREFIX] = { "UserPrefix", "s", offsetof(Options, user_prefix), check_optional_user },
        [OPTION_ROLE] = { "Role", "s", offsetof(Options, role), validate_role },
        [OPTION_AFTER] = { "After", "s", offsetof(Options, after), check_id },
        [OPTION_EXCEPT] = { "Except", "s", offsetof(Options, except), check_id },
        [OPTION_ROLES] = { "Roles", "as", offsetof(Options, roles), .list = args_roles },
        [OPTION_AUTH_METHODS] = { "AuthMethods", "as", offsetof(Options, methods), .list = args_methods },
        [OPTION_KEEP_ATTRIBUTES] = { "KeepAttributes", "as", offsetof(Options, keep), .list = args_keys },
        [OPTION_ATTRIBUTES] = { "Attributes", "a{sv}", offsetof(Options, attributes) },
        [OPTION_IDLE_USEC] = { "IdleUSec", "t", offsetof(Options, idle_usec) },
        [OPTION_LIFETIME_USEC] = { "LifetimeUSec", "t", offsetof(Options, lifetime_usec) },
        [OPTION_AUTH_TIME] = { "AuthTime", "t", offsetof(Options, auth_time) },
        [OPTION_MAX_AUTH_AGE_USEC] = { "MaxAuthAgeUSec", "t", offsetof(Options, max_auth_age_usec) },
        [OPTION_LEVEL] = { "Level", "u", offsetof(Options, level) },
        [OPTION_LIMIT] = { "Limit", "u", offsetof(Options, limit) },
        [OPTION_REMEMBER] = { "Remember", "b", offsetof(Options, remember) },
        [OPTION_NO_TOUCH] = { "NoTouch", "b", offsetof(Options, no_touch) },
        [OPTION_ALLOW_ANONYMOUS] = { "AllowAnonymous", "b", offsetof(Options, allow_anonymous) },
        [OPTION_PREFIX] = { "Prefix", "b", offsetof(Options, prefix) },
        [OPTION_PASSWORD] = { "Password", "b", offsetof(Options, password) },
};

/* The message stands in the variant; its content has the key's type. */
static int read_value(sd_bus_message *m, Option o, Options *ret, Fault *f) {
        void *target = (char *) ret + keys[o].offset;
        int r, flag;

        switch (keys[o].type[0]) {
        case 's':
                r = args_string(m, target);
                return r < 0 ? r : keys[o].check(*(Slice *) target, f);
        case 'b':
                r = sd_bus_message_read_basic(m, 'b', &flag);
                *(bool *) target = r >= 0 && flag;
                return ok(r);
        case 'a':
                return keys[o].list ? keys[o].list(m, target, f) : args_attributes(m, target, f);
        default:
                return ok(sd_bus_message_read_basic(m, keys[o].type[0], target));
        }
}

static int read_entry(sd_bus_message *m, uint64_t allowed, Options *ret, Fault *f) {
        const char *name, *contents;
        char type;
        int r;

        r = sd_bus_message_read_basic(m, 's', &name);
        if (r < 0)
                return r;
        r = sd_bus_message_peek_type(m, &type, &contents);
        if (r < 0)
                return r;

        for (Option o = 0; o < _OPTION_MAX; o++) {
                if (!(allowed & OPTION_BIT(o)) || strcmp(keys[o].name, name) != 0)
                        continue;
                /* Else what one part of a program demands could be taken back by another. */
                if (ret->has & OPTION_BIT(o))
                        return fault(f, FAULT_INVALID_ARGUMENT, "option \"%s\" is given twice", keys[o].name);
                if (strcmp(contents, keys[o].type) != 0)
                        return fault(f, FAULT_INVALID_ARGUMENT, "option \"%s\" has type %s, not %s", keys[o].name,
                                     keys[o].type, contents);

                r = sd_bus_message_enter_container(m, 'v', contents);
                if (r < 0)
                        return r;
                r = read_value(m, o, ret, f);
                if (r != 0)
                        return r;
                ret->has |= OPTION_BIT(o);
                return ok(sd_bus_message_exit_container(m));
        }

        if (validate_attribute(&(Attribute) { .key = slice_of(name), .type = 'b' }, NULL) != 0)
                return fault(f, FAULT_INVALID_ARGUMENT, "unknown option (its name is not printable)");
        return fault(f, FAULT_INVALID_ARGUMENT, "unknown option \"%s\"", name);
}

int args_options(sd_bus_message *m, uint64_t allowed, Options *ret, Fault *f) {
        int r;

        r = sd_bus_message_enter_container(m, 'a', "{sv}");
        if (r < 0)
                return r;

        while ((r = sd_bus_message_enter_container(m, 'e', "sv")) > 0) {
                r = read_entry(m, allowed, ret, f);
                if (r != 0)
                        return r;
                r = sd_bus_message_exit_container(m);
                if (r < 0)
                        return r;
        }
        if (r < 0)
                return r;

        return ok(sd_bus_message_exit_container(m));
}
