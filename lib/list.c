/* SPDX-License-Identifier: MIT */
/* Walks over sessions. A walk owns its filter and, while a page is being read, the page and the connection it came
 * over. */
#include <stdlib.h>
#include <string.h>

#include "client.h"

#define PAGE_MAX 1000u          /* what the broker gives at once */

enum {
        FILTER_SERVICE,
        FILTER_USER,
        FILTER_USER_PREFIX,
        FILTER_ROLE,
        FILTER_AFTER,           /* where the next page begins */
        _FILTER_MAX,
};

static const char *const filter_keys[_FILTER_MAX] = {
        [FILTER_SERVICE] = "Service",
        [FILTER_USER] = "User",
        [FILTER_USER_PREFIX] = "UserPrefix",
        [FILTER_ROLE] = "Role",
        [FILTER_AFTER] = "After",
};

struct websess_list {
        char *filter[_FILTER_MAX];
        uint64_t limit;         /* how many in all; 0: no limit */
        uint64_t given;
        bool over;
        Conn *conn;             /* the page's: sd-bus messages hold on to their connection */
        sd_bus_message *page;   /* within its array of sessions; NULL between pages */
};

int websess_list_new(websess_list **ret) {
        websess_list *l;

        l = calloc(1, sizeof(*l));
        if (!l)
                return error_memory();
        *ret = l;
        return 0;
}

static void drop_page(websess_list *l) {
        l->page = sd_bus_message_unref(l->page);
        l->conn = conn_free(l->conn);
}

websess_list *websess_list_free(websess_list *l) {
        if (!l)
                return NULL;
        drop_page(l);
        for (size_t i = 0; i < _FILTER_MAX; i++)
                free(l->filter[i]);
        free(l);
        return NULL;
}

static int set_filter(websess_list *l, int which, const char *text) {
        char *copy;
        int r;

        if (!l || l->page)
                return error_set(FAULT_INVALID_ARGUMENT, l ? "The walk has begun" : "There is no walk");
        r = client_check_text(filter_keys[which], text);
        if (r != 0)
                return r;
        copy = strdup(text);
        if (!copy)
                return error_memory();
        free(l->filter[which]);
        l->filter[which] = copy;
        return 0;
}

int websess_list_service(websess_list *l, const char *service) {
        return set_filter(l, FILTER_SERVICE, service);
}

int websess_list_user(websess_list *l, const char *user) {
        return set_filter(l, FILTER_USER, user);
}

int websess_list_user_prefix(websess_list *l, const char *prefix) {
        return set_filter(l, FILTER_USER_PREFIX, prefix);
}

int websess_list_role(websess_list *l, const char *role) {
        return set_filter(l, FILTER_ROLE, role);
}

int websess_list_after(websess_list *l, const char *cursor) {
        return set_filter(l, FILTER_AFTER, cursor);
}

int websess_list_limit(websess_list *l, uint64_t limit) {
        if (!l)
                return error_set(FAULT_INVALID_ARGUMENT, "There is no walk");
        l->limit = limit;
        return 0;
}

const char *websess_list_cursor(const websess_list *l) {
        return l && l->filter[FILTER_AFTER] ? l->filter[FILTER_AFTER] : "";
}

static uint32_t page_size(const websess_list *l) {
        uint64_t left = l->limit ? l->limit - l->given : PAGE_MAX;

        return left < PAGE_MAX ? (uint32_t) left : PAGE_MAX;
}

static int append_filter(sd_bus_message *m, const Call *call) {
        const websess_list *l = call->in;
        int r;

        r = sd_bus_message_open_container(m, 'a', "{sv}");
        for (size_t i = 0; r >= 0 && i < _FILTER_MAX; i++)
                if (l->filter[i] && *l->filter[i])
                        r = client_append_option(m, filter_keys[i], l->filter[i]);
        if (r >= 0)
                r = sd_bus_message_append(m, "{sv}", "Limit", "u", page_size(l));
        return r < 0 ? r : sd_bus_message_close_container(m);
}

static int fetch_page(websess *w, websess_list *l) {
        Call call = { .member = "ListSessions", .append = append_filter, .in = l };
        int r;

        /* A handle for one service lists that one, unless the filter names another. */
        if (!l->filter[FILTER_SERVICE] && *w->service) {
                r = set_filter(l, FILTER_SERVICE, w->service);
                if (r != 0)
                        return r;
        }
        r = client_call_keep(w, &call, &l->conn, &l->page);
        if (r != 0)
                return r;
        r = sd_bus_message_enter_container(l->page, 'a', "a{sv}");
        if (r > 0)
                return 0;
        drop_page(l);
        return error_errno(-EBADMSG, "The broker's reply");
}

/* All sessions of the page were read: what comes behind them says where to go on. */
static int end_page(websess *w, websess_list *l) {
        const char *cursor;
        char *copy;
        int r;

        r = sd_bus_message_exit_container(l->page);
        if (r >= 0)
                r = sd_bus_message_read_basic(l->page, 's', &cursor);
        copy = r > 0 ? strdup(cursor) : NULL;
        if (!copy) {
                drop_page(l);
                return r > 0 ? error_memory() : error_errno(-EBADMSG, "The broker's reply");
        }
        free(l->filter[FILTER_AFTER]);
        l->filter[FILTER_AFTER] = copy;
        l->over = !*copy || (l->limit && l->given >= l->limit);
        l->page = sd_bus_message_unref(l->page);
        conn_pool_put(&w->pool, TAKE_PTR(l->conn));
        return 0;
}

static int next(websess *w, websess_list *l, websess_session *s) {
        int r;

        while (!l->over) {
                if (!l->page) {
                        r = fetch_page(w, l);
                        if (r != 0)
                                return r;
                }
                r = sd_bus_message_at_end(l->page, false);
                if (r == 0) {
                        r = session_read(s, l->page);
                        l->given += r == 0;
                        if (r < 0)
                                drop_page(l);
                        return r;
                }
                r = r > 0 ? end_page(w, l) : error_errno(-EBADMSG, "The broker's reply");
                if (r != 0)
                        return r;
        }
        return error_set(FAULT_NO_SESSION, "That was the last session");
}

int websess_list_next(websess *w, websess_list *l, websess_session *s) {
        if (!w || !l || !s)
                return error_set(FAULT_INVALID_ARGUMENT, "There is no %s",
                                 !w ? "handle" : !l ? "walk" : "session value to fill");
        websess_session_clear(s);
        return next(w, l, s);
}
