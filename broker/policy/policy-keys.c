/* SPDX-License-Identifier: MIT */
/* The two tables, and what puts a line of a file on its row. Pure but for the look-ups of users and groups that the
 * parsers do. */
#include "policy-keys.h"

#include <stddef.h>
#include <string.h>

#include "token.h"
#include "validate.h"

#define GIB (UINT64_C(1) << 30)
#define SERVICE(field) offsetof(Service, field)
#define SETTING(field) offsetof(Settings, field)
#define THROTTLE(kind, field) SETTING(throttle.rules[kind].field)

_Static_assert(sizeof(Users) == sizeof(int) && sizeof(OnLimit) == sizeof(int) && sizeof(OnRoleChange) == sizeof(int) &&
        sizeof(Preset) == sizeof(int),
        "parse_enum");

static const KeyWord users_words[] = { { "unix", USERS_UNIX }, { "app", USERS_APP }, {} };
static const KeyWord preset_words[] = {
        { "none", PRESET_NONE }, { "aal1", PRESET_AAL1 }, { "aal2", PRESET_AAL2 }, { "aal3", PRESET_AAL3 }, {},
};
static const KeyWord on_limit_words[] = { { "evict", ON_LIMIT_EVICT }, { "refuse", ON_LIMIT_REFUSE }, {} };
static const KeyWord on_role_change_words[] = {
        { "revoke", ON_ROLE_CHANGE_REVOKE }, { "update", ON_ROLE_CHANGE_UPDATE }, {},
};
static const KeyWord same_site_words[] = { { "Lax", 0 }, { "Strict", 0 }, { "None", 0 }, {} };

static const KeyRange any_count = { 0, 1000000 };
static const KeyRange level_count = { 1, 1000 };
static const KeyRange step_up_level_count = { 0, 1000 };
static const KeyRange positive_count = { 1, 1000000 };
static const KeyRange failure_count = { 0, 10000 };
static const KeyRange helper_count = { 1, 256 };        /* the socket's MaxConnections= */
static const KeyRange store_size = { UINT64_C(1) << 20, 16384 * GIB };
static const KeyRange reserve_size = { UINT64_C(1) << 16, GIB };
static const KeyRange map_size = { UINT64_C(1) << 16, 16384 * GIB };
static const KeyRange queue_size = { UINT64_C(1) << 18, 4 * GIB };      /* at least one message */

/* A file of /etc/pam.d: what may name a service of ours may name one of PAM's. */
static int check_pam_service(const char *value, Fault *f) {
        return validate_service(slice_of(value), f);
}

static int check_role(const char *value, Fault *f) {
        return validate_role(slice_of(value), f);
}

/* RFC 6265's cookie-octet, since the token travels in one. */
static int check_token_prefix(const char *value, Fault *f) {
        if (strlen(value) > TOKEN_PREFIX_MAX)
                return fault(f, FAULT_INVALID_ARGUMENT, "longer than %u characters", TOKEN_PREFIX_MAX);
        for (const char *c = value; *c; c++)
                if (*c <= ' ' || *c >= 0x7f || strchr("\",;\\", *c))
                        return fault(f, FAULT_INVALID_ARGUMENT,
                                "a cookie cannot hold white space, quotes, commas, semicolons, backslashes, "
                                "or anything but ASCII");
        return 0;
}

static int check_step_up_pam_service(const char *value, Fault *f) {
        return *value ? check_pam_service(value, f) : 0;
}

static int check_absolute_path(const char *value, Fault *f) {
        return *value == '/' ? 0 : fault(f, FAULT_INVALID_ARGUMENT, "\"%s\" must be an absolute path", value);
}

static const KeyCheck absolute_path = { check_absolute_path };
static const KeyCheck pam_service = { check_pam_service };
static const KeyCheck step_up_pam_service = { check_step_up_pam_service };
static const KeyCheck role_name = { check_role };
static const KeyCheck token_prefix = { check_token_prefix };
static const KeyCheck cookie_name = { check_cookie_name };
static const KeyCheck cookie_path = { check_cookie_path };
static const KeyCheck cookie_domain = { check_cookie_domain };

const Key service_keys[] = {
        { "Service", "Users",            parse_enum,     SERVICE(users),               "unix",     users_words },
        { "Service", "PAMService",       parse_name,     SERVICE(pam_service),         "websess",  &pam_service },
        { "Service", "Language",         parse_languages, SERVICE(languages),          "",         .reset = methods_reset },
        { "Service", "AuthMethods",      parse_methods,  SERVICE(methods),             "",         .reset = methods_reset },
        { "Service", "Level",            parse_unsigned, SERVICE(level),               "1",        &level_count },
        { "Service", "StepUpPAMService", parse_name,     SERVICE(step_up_pam_service), "",         &step_up_pam_service },
        { "Service", "StepUpAuthMethods", parse_methods, SERVICE(step_up_methods),     "",         .reset = methods_reset },
        { "Service", "StepUpLevel",      parse_unsigned, SERVICE(step_up_level),       "0",        &step_up_level_count },
        { "Service", "Anonymous",        parse_bool,     SERVICE(anonymous),           "no" },
        { "Service", "AnonymousIdleSec", parse_span,     SERVICE(anonymous_idle_usec), "1h" },
        { "Service", "Preset",           parse_enum,     SERVICE(preset),              "none",     preset_words },
        { "Service", "IdleSec",          parse_span,     SERVICE(idle_usec),           "2h" },
        { "Service", "LifetimeSec",      parse_span,     SERVICE(lifetime_usec),       "24h" },
        { "Service", "RememberSec",      parse_span,     SERVICE(remember_usec),       "30d" },
        { "Service", "TouchSec",         parse_span,     SERVICE(touch_usec),          "30s" },
        { "Service", "MaxSessions",      parse_unsigned, SERVICE(max_sessions),        "5",        &any_count },
        { "Service", "OnLimit",          parse_enum,     SERVICE(on_limit),            "evict",    on_limit_words },
        { "Service", "OnRoleChange",     parse_enum,     SERVICE(on_role_change),      "revoke",   on_role_change_words },
        { "Service", "TokenPrefix",      parse_name,     SERVICE(token_prefix),        "",         &token_prefix },
        /* A right is never given by leaving something out: an empty AdminRole= is none. */
        { "Service", "AdminRole",        parse_name,     SERVICE(admin_role),          "ADMIN",    &role_name, .flags = KEY_EMPTY },
        { "Roles",   NULL,               parse_role,     0,                            "",         .reset = roles_reset, .flags = KEY_ANY },
        { "Cookie",  "Name",             parse_name,     SERVICE(cookie.name),         "SESSION",  &cookie_name },
        { "Cookie",  "Path",             parse_name,     SERVICE(cookie.path),         "/",        &cookie_path },
        { "Cookie",  "Domain",           parse_name,     SERVICE(cookie.domain),       "",         &cookie_domain },
        { "Cookie",  "DomainPattern",    parse_domain_pattern, SERVICE(cookie),        "" },
        { "Cookie",  "MaxAge",           parse_max_age,  SERVICE(cookie),              "lifetime" },
        { "Cookie",  "Secure",           parse_bool,     SERVICE(cookie.secure),       "yes" },
        { "Cookie",  "HttpOnly",         parse_bool,     SERVICE(cookie.http_only),    "yes" },
        { "Cookie",  "SameSite",         parse_word,     SERVICE(cookie.same_site),    "Lax",      same_site_words },
        { "Access",  "Login",            parse_access,   SERVICE(access[RIGHT_LOGIN]),   "",       .reset = access_list_reset },
        { "Access",  "Resolve",          parse_access,   SERVICE(access[RIGHT_RESOLVE]), "",       .reset = access_list_reset },
        { "Access",  "Map",              parse_access,   SERVICE(access[RIGHT_MAP]),     "",       .reset = access_list_reset },
        { "Access",  "Create",           parse_access,   SERVICE(access[RIGHT_CREATE]),  "",       .reset = access_list_reset },
        { "Access",  "Manage",           parse_access,   SERVICE(access[RIGHT_MANAGE]),  "",       .reset = access_list_reset },
        {},
};
_Static_assert(sizeof(service_keys) / sizeof(service_keys[0]) <= SERVICE_KEYS_MAX, "SERVICE_KEYS_MAX");

const Key settings_keys[] = {
        { "Store",  "MaxSize",               parse_size,     SETTING(store_max_bytes),          "16G",  &store_size },
        { "Store",  "Reserve",               parse_size,     SETTING(store_reserve_bytes),      "4M",   &reserve_size },
        { "Map",    "MaxMemory",             parse_size,     SETTING(map_max_bytes),            "64G",  &map_size },
        { "Limits", "MaxConnections",        parse_unsigned, SETTING(max_connections),          "4096", &positive_count },
        { "Limits", "MaxConnectionsPerUser", parse_unsigned, SETTING(max_connections_per_user), "1024", &positive_count },
        { "Limits", "MaxPendingPerUser",     parse_unsigned, SETTING(max_pending_per_user),     "4096", &positive_count },
        { "Limits", "MaxLoginsPerUser",      parse_unsigned, SETTING(max_logins_per_user),      "64",   &positive_count },
        { "Limits", "MaxSessionsPerCreator", parse_unsigned, SETTING(max_sessions_per_creator), "0",    &any_count },
        { "Limits", "MaxBytesPerUser",       parse_size,     SETTING(max_bytes_per_user),       "16M",  &queue_size },
        { "PAM",    "IdleHelpers",           parse_unsigned, SETTING(idle_helpers),             "2",    &any_count },
        { "PAM",    "MaxHelpers",            parse_unsigned, SETTING(max_helpers),              "64",   &helper_count },
        { "PAM",    "LoginTimeoutSec",       parse_span,     SETTING(login_timeout_usec),       "60s" },
        { "PAM",    "QueueTimeoutSec",       parse_span,     SETTING(queue_timeout_usec),       "10s" },
        { "PAM",    "ConversationSec",       parse_span,     SETTING(conversation_usec),        "2min" },
        { "PAM",    "FailureDelaySec",       parse_span,     SETTING(failure_delay_usec),       "2s" },
        { "Accounts", "CheckSec",        parse_span,     SETTING(account_check_usec),       "5min" },
        { "Throttle", "UserHostFailures",   parse_unsigned, THROTTLE(THROTTLE_USER_HOST, failures), "10", &failure_count },
        { "Throttle", "UserHostRecoverSec", parse_span,     THROTTLE(THROTTLE_USER_HOST, recover_usec), "30s" },
        { "Throttle", "HostFailures",       parse_unsigned, THROTTLE(THROTTLE_HOST, failures), "50", &failure_count },
        { "Throttle", "HostRecoverSec",     parse_span,     THROTTLE(THROTTLE_HOST, recover_usec), "10s" },
        { "Throttle", "UserFailures",       parse_unsigned, THROTTLE(THROTTLE_USER, failures), "100", &failure_count },
        { "Throttle", "UserRecoverSec",     parse_span,     THROTTLE(THROTTLE_USER, recover_usec), "30s" },
        { "Throttle", "CallerFailures",     parse_unsigned, THROTTLE(THROTTLE_CALLER, failures), "1000", &failure_count },
        { "Throttle", "CallerRecoverSec",   parse_span,     THROTTLE(THROTTLE_CALLER, recover_usec), "1s" },
        { "Throttle", "KnownHostSec",       parse_span,     SETTING(throttle.known_host_usec), "30d" },
        { "Metrics",  "File",               parse_name,     SETTING(metrics_file), "", &absolute_path },
        { "Metrics",  "IntervalSec",        parse_span,     SETTING(metrics_interval_usec), "15s" },
        {},
};

static void *field_of(const Key *key, void *object) {
        return (char *) object + key->offset;
}

static int reset(const Key *key, void *object, Fault *f) {
        const ConfigItem item = {
                .path = "(default)", .section = key->section, .key = key->name, .value = key->initial
        };

        if (key->reset) {
                key->reset(field_of(key, object));
                return 0;       /* what is emptied has nothing for a default */
        }
        return key->parse(key, &item, field_of(key, object), f);
}

int keys_reset_all(const Key *keys, void *object, Fault *f) {
        int k;

        for (; keys->section; keys++) {
                k = reset(keys, object, f);
                if (k != 0)
                        return k;
        }
        return 0;
}

/* Why no row fits: help whoever put a right key under a wrong heading. */
static int refuse_unknown(const Key *keys, const ConfigItem *item, Fault *f) {
        const char *elsewhere = NULL;
        bool known = false;

        for (; keys->section; keys++) {
                known = known || strcmp(keys->section, item->section) == 0;
                if (keys->name && strcmp(keys->name, item->key) == 0)
                        elsewhere = keys->section;
        }
        if (elsewhere)
                return fault(
                        f, FAULT_INVALID_ARGUMENT, "unknown key in [%s]: it belongs in [%s]", item->section, elsewhere);
        if (known)
                return fault(f, FAULT_INVALID_ARGUMENT, "unknown key in [%s]", item->section);
        return fault(f, FAULT_INVALID_ARGUMENT, "unknown section [%s]", item->section);
}

static const Key *find_key(const Key *keys, const ConfigItem *item) {
        for (; keys->section; keys++)
                if (strcmp(keys->section, item->section) == 0 &&
                        ((keys->flags & KEY_ANY) || strcmp(keys->name, item->key) == 0))
                        return keys;
        return NULL;
}

int keys_apply(const Key *keys, const ConfigItem *item, void *object, const Key **ret, Fault *f) {
        const Key *key = find_key(keys, item);

        if (!key)
                return refuse_unknown(keys, item, f);
        *ret = key;
        if (!*item->value && !(key->flags & (KEY_EMPTY | KEY_ANY)))
                return reset(key, object, f);
        return key->parse(key, item, field_of(key, object), f);
}
