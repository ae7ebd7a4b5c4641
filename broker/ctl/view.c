/* SPDX-License-Identifier: MIT */
/* How a session looks on a terminal. Only prints; asks nobody. */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "attr.h"
#include "json.h"
#include "span.h"
#include "text.h"
#include "view.h"

#define NOBODY UINT32_MAX

void view_field(const char *key, const char *value) {
        _cleanup_free_ char *escaped = value && *value ? text_escape(value, strlen(value)) : NULL;

        if (escaped)
                printf("%13s: %s\n", key, escaped);
}

void view_time(const char *key, uint64_t usec, uint64_t now) {
        char relative[TEXT_RELATIVE_MAX], absolute[TEXT_TIME_MAX];

        text_relative(relative, usec, now);
        text_time(absolute, usec);
        printf("%13s: %s (%s)\n", key, absolute, relative);
}

/* items with blanks between, to be freed. */
static char *join(const websess_session *s, size_t n, const char *(*at)(const websess_session *s, size_t i)) {
        size_t size = 1;
        char *text, *end;

        for (size_t i = 0; i < n; i++)
                size += strlen(at(s, i)) + 1;
        text = end = malloc(size);
        if (!text)
                return NULL;
        for (size_t i = 0; i < n; i++) {
                if (i > 0)
                        *end++ = ' ';
                end = stpcpy(end, at(s, i));
        }
        *end = '\0';
        return text;
}

static char *roles_of(const websess_session *s) {
        return join(s, websess_session_role_count(s), websess_session_role_at);
}

static void view_user(const websess_session *s) {
        const char *user = websess_session_user(s);
        uint32_t uid = websess_session_uid(s);
        _cleanup_free_ char *line = NULL;

        if (!user) {
                view_field("User", "(a visitor)");
                return;
        }
        if (uid != NOBODY && asprintf(&line, "%s (uid %" PRIu32 ")", user, uid) < 0)
                line = NULL;
        view_field("User", line ? line : user);
}

static void view_login(const websess_session *s, uint64_t now) {
        _cleanup_free_ char *methods = join(s, websess_session_auth_method_count(s), websess_session_auth_method_at);
        _cleanup_free_ char *line = NULL;

        if (asprintf(&line, "level %" PRIu32 "%s%s", websess_session_level(s), methods && *methods ? ", by " : "",
                     methods ? methods : "") < 0)
                line = NULL;
        view_field("Login", line);
        if (websess_session_auth_time(s) > 0)
                view_time("Login time", websess_session_auth_time(s), now);
}

static void view_creator(const websess_session *s) {
        const char *unit = websess_session_creator_unit(s);
        _cleanup_free_ char *line = NULL;

        if (asprintf(&line, "uid %" PRIu32 "%s%s", websess_session_creator_uid(s), unit && *unit ? ", " : "",
                     unit ? unit : "") < 0)
                line = NULL;
        view_field("Creator", line);
}

static void view_attributes(const websess_session *s) {
        const websess_values *v = websess_session_attributes(s);

        for (size_t i = 0; i < websess_values_count(v); i++) {
                const char *key = websess_values_key_at(v, i);
                _cleanup_free_ char *value = attr_format(v, key), *line = NULL;
                const char type[] = { ':', (char) websess_values_type(v, key), '\0' };

                /* As --attr takes it, so that it can be copied. */
                if (asprintf(&line, "%s%s=%s", key, type[1] == 's' ? "" : type, value ? value : "") < 0)
                        line = NULL;
                view_field(i == 0 ? "Attributes" : "", line);
        }
}

static void view_session_text(const websess_session *s) {
        uint64_t now = text_now();
        _cleanup_free_ char *roles = roles_of(s);
        char idle[32], version[24];

        view_field("Session", websess_session_id(s));
        view_field("Service", websess_session_service(s));
        view_user(s);
        view_field("Roles", roles);
        view_time("Created", websess_session_created(s), now);
        view_time("Last seen", websess_session_last_seen(s), now);
        view_time("Ends", websess_session_expires(s), now);
        span_format(websess_session_idle_usec(s), idle);
        view_field("May idle", idle);
        view_time("Ends at last", websess_session_lifetime_end(s), now);
        view_login(s, now);
        view_field("Remote host", websess_session_remote_host(s));
        view_field("User agent", websess_session_user_agent(s));
        view_creator(s);
        snprintf(version, sizeof(version), "%" PRIu64, websess_session_version(s));
        view_field("Version", version);
        view_attributes(s);
        view_field("Token", websess_session_token(s));
        view_field("Set-Cookie", websess_session_set_cookie(s));
}

int view_session(const Ctl *c, const websess_session *s) {
        int r;

        if (c->o.json == CTL_JSON_OFF) {
                view_session_text(s);
                return 0;
        }
        r = json_session(stdout, c->o.json, s);
        putchar('\n');
        return r;
}

int view_token(const Ctl *c, const websess_session *s) {
        if (!c->o.quiet)
                return view_session(c, s);
        return puts(websess_session_token(s)) == EOF ? -errno : 0;
}

const char *const view_list_titles[] = { "ID", "SERVICE", "USER", "ROLES", "LAST SEEN", "ENDS", "HOST" };

int view_list_row(Grid *g, const websess_session *s, uint64_t now_usec) {
        _cleanup_free_ char *roles = roles_of(s);
        char seen[TEXT_RELATIVE_MAX], ends[TEXT_RELATIVE_MAX];
        const char *cells[] = {
                websess_session_id(s), websess_session_service(s), websess_session_user(s), roles, seen, ends,
                websess_session_remote_host(s),
        };

        _Static_assert(ELEMENTSOF(cells) == VIEW_LIST_COLUMNS, "a cell for each column");
        if (!roles)
                return -ENOMEM;
        text_relative(seen, websess_session_last_seen(s), now_usec);
        text_relative(ends, websess_session_expires(s), now_usec);
        for (size_t i = 0; i < ELEMENTSOF(cells); i++) {
                if (grid_add(g, cells[i]) < 0)
                        return -ENOMEM;
        }
        return 0;
}

static void view_value(int width, const char *key, const char *value) {
        _cleanup_free_ char *escaped = value ? text_escape(value, strlen(value)) : NULL;

        printf("%*s: %s\n", width, key, escaped ? escaped : "");
}

/* A point in time among the broker's properties, as one of a session looks. */
static bool view_value_time(int width, const websess_values *v, const char *key) {
        char relative[TEXT_RELATIVE_MAX], absolute[TEXT_TIME_MAX];
        int64_t usec = 0;

        if (strcmp(key, "Started") != 0 || websess_values_get_int64(v, key, &usec) != 0 || usec <= 0)
                return false;
        text_relative(relative, (uint64_t) usec, text_now());
        text_time(absolute, (uint64_t) usec);
        printf("%*s: %s (%s)\n", width, key, absolute, relative);
        return true;
}

/* Lines of their own, one below the other. */
static bool view_value_lines(int width, const websess_values *v, const char *key) {
        const char *const *lines = NULL;
        bool are_lines = false;
        size_t n = 0;

        (void) websess_values_get_strings(v, key, &lines, &n);
        for (size_t i = 0; i < n; i++)
                are_lines = are_lines || strchr(lines[i], ' ');
        for (size_t i = 0; are_lines && i < n; i++)
                view_value(width, i == 0 ? key : "", lines[i]);
        return are_lines;
}

static void view_values_text(const websess_values *v) {
        size_t width = 0;

        for (size_t i = 0; i < websess_values_count(v); i++) {
                size_t size = text_width(websess_values_key_at(v, i));

                width = size > width ? size : width;
        }
        for (size_t i = 0; i < websess_values_count(v); i++) {
                const char *key = websess_values_key_at(v, i);
                _cleanup_free_ char *value = attr_format(v, key);

                if (!view_value_time((int) width, v, key) && !view_value_lines((int) width, v, key))
                        view_value((int) width, key, value);
        }
}

int view_values(const Ctl *c, const websess_values *v) {
        int r;

        if (c->o.json == CTL_JSON_OFF) {
                view_values_text(v);
                return 0;
        }
        r = json_values(stdout, c->o.json, v);
        putchar('\n');
        return r;
}

int view_count(const Ctl *c, const char *key, uint64_t n, const char *noun, const char *what) {
        int r;

        if (c->o.quiet)
                return 0;
        if (c->o.json == CTL_JSON_OFF) {
                printf("%" PRIu64 " %s%s %s\n", n, noun, n == 1 ? "" : "s", what);
                return 0;
        }
        r = json_number(stdout, c->o.json, key, n);
        putchar('\n');
        return r;
}
