/* SPDX-License-Identifier: MIT */
/* The handle and its calls. Owns the handle; waits for a broker that is being restarted. */
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "client.h"
#include "validate.h"

#define DEFAULT_TIMEOUT_USEC UINT64_C(10000000)
#define LONGEST_TIMEOUT_USEC UINT64_C(86400000000)
#define FIRST_PAUSE_USEC UINT64_C(2000)
#define LONGEST_PAUSE_USEC UINT64_C(100000)

/* ---- life ---- */

static int handle_new(websess **ret, const char *service, uint64_t timeout_usec) {
        _cleanup_(websess_closep) websess *w = NULL;
        Fault f = {};

        if (service && *service && validate_service(slice_of(service), &f) != 0)
                return error_fault(&f);
        w = calloc(1, sizeof(*w));
        if (!w)
                return error_memory();
        w->service = strdup(service ?: "");
        w->cookie_name = strdup("SESSION");
        if (!w->service || !w->cookie_name)
                return error_memory();
        w->timeout_usec = timeout_usec ?: DEFAULT_TIMEOUT_USEC;
        *ret = TAKE_PTR(w);
        return 0;
}

int websess_open(websess **ret, const char *service, uint64_t timeout_usec) {
        _cleanup_(websess_closep) websess *w = NULL;
        int r;

        r = handle_new(&w, service, timeout_usec);
        if (r != 0)
                return r;
        r = route_from_environment(&w->route);
        if (r < 0)
                return r;
        *ret = TAKE_PTR(w);
        return 0;
}

int websess_open_socket(websess **ret, const char *service, const char *path, uint64_t timeout_usec) {
        _cleanup_(websess_closep) websess *w = NULL;
        int r;

        if (!path || path[0] != '/')
                return error_set(FAULT_INVALID_ARGUMENT, "The path of the broker's socket must be absolute");
        r = handle_new(&w, service, timeout_usec);
        if (r != 0)
                return r;
        r = route_to_socket(&w->route, path);
        if (r < 0)
                return r;
        *ret = TAKE_PTR(w);
        return 0;
}

websess *websess_close(websess *w) {
        if (!w)
                return NULL;
        watch_free(w->watch);
        touch_flush_now(w);
        touch_done(&w->toucher);
        map_handle_done(&w->map);
        conn_pool_done(&w->pool);
        route_done(&w->route);
        websess_need_free(w->need);
        free(w->cookie_name);
        free(w->service);
        free(w);
        return NULL;
}

const char *websess_service(const websess *w) {
        return w ? w->service : NULL;
}

int websess_set_default_need(websess *w, const websess_need *need) {
        websess_need *copy;

        if (!w)
                return error_set(FAULT_INVALID_ARGUMENT, "There is no handle");
        if (need_copy(need, &copy) < 0)
                return error_memory();
        websess_need_free(w->need);
        w->need = copy;
        return 0;
}

int websess_set_save_mode(websess *w, int save, int write) {
        if (!w || save < WEBSESS_SAVE_IMMEDIATE || save > WEBSESS_SAVE_ON_SAVE || write < WEBSESS_WRITE_ON_SET ||
            write > WEBSESS_WRITE_ALWAYS)
                return error_set(FAULT_INVALID_ARGUMENT, "No such save mode: %d, %d", save, write);
        w->save = save;
        w->write = write;
        return 0;
}

const char *client_service(const websess *w, const char *service) {
        if (!service)
                service = w->service;
        if (*service)
                return service;
        error_set(FAULT_INVALID_ARGUMENT, "The handle has no service: open it with one, or name one in the call");
        return NULL;
}

/* ---- calls ---- */

int client_connect_failed(const websess *w, int r, bool *gone) {
        const char *where = w->route.socket ?: w->route.bus;

        switch (-r) {
        case ENOENT:
                /* Where a broker has been there will be one again; where none has ever been, nobody should wait. */
                *gone = atomic_load_explicit(&w->was_there, memory_order_relaxed);
                break;
        case ECONNREFUSED:
        case ECONNRESET:
        case ENOTCONN:
        case EPIPE:
        case ESHUTDOWN:
        case EAGAIN:
        case EINTR:
                *gone = true;
                break;
        case ETIMEDOUT:
                *gone = false;
                break;
        default:
                *gone = false;
                return error_set(r, "Cannot connect to the session broker at %s: %s", where, websess_strerror(r));
        }
        return error_set(FAULT_UNAVAILABLE, "The session broker cannot be reached at %s: %s; is websessd.socket or "
                         "websessd.service running?", where, websess_strerror(r));
}

void client_pause(uint64_t usec) {
        struct timespec ts = { .tv_sec = (time_t) (usec / 1000000), .tv_nsec = (long) (usec % 1000000) * 1000 };

        (void) clock_nanosleep(CLOCK_MONOTONIC, 0, &ts, NULL);
}

/* One attempt, over an idle connection where there is one. *fresh: it was over a new one. */
static int try_once(websess *w, Call *call, uint64_t deadline, Conn **ret_conn, sd_bus_message **ret_reply,
                    bool *gone, bool *fresh) {
        _cleanup_(conn_freep) Conn *c = NULL;
        int r;

        c = conn_pool_take(&w->pool);
        *fresh = !c;
        if (!c) {
                r = conn_open(&c, &w->route, deadline);
                if (r < 0)
                        return client_connect_failed(w, r, gone);
                /* A bus that can be reached says nothing about the broker behind it. */
                if (!c->on_bus)
                        atomic_store_explicit(&w->was_there, true, memory_order_relaxed);
        }
        r = client_attempt(c, call, deadline, ret_reply, gone);
        if (*gone) {
                if (*fresh && c->on_bus && !atomic_load_explicit(&w->was_there, memory_order_relaxed))
                        *gone = false;
                call->resent = *gone;
                return r;
        }
        atomic_store_explicit(&w->was_there, true, memory_order_relaxed);
        if (r == 0)
                *ret_conn = TAKE_PTR(c);
        else if (r > 0 && r != FAULT_UNAVAILABLE)
                conn_pool_put(&w->pool, TAKE_PTR(c));
        /* After a time-out or a broken message the connection is dropped: a late reply must not meet the next call. */
        return r;
}

int client_call_keep(websess *w, Call *call, Conn **ret_conn, sd_bus_message **ret_reply) {
        uint64_t now = client_now(), span, deadline, wait = FIRST_PAUSE_USEC;
        bool gone = false, fresh = false;
        int r;

        span = call->timeout_usec ?: w->timeout_usec;
        deadline = now + (span < LONGEST_TIMEOUT_USEC ? span : LONGEST_TIMEOUT_USEC);
        call->resent = false;
        for (;;) {
                bool resent = call->resent;

                gone = false;
                r = try_once(w, call, deadline, ret_conn, ret_reply, &gone, &fresh);
                call->resent |= resent;
                if (!gone)
                        return r;
                now = client_now();
                if (now >= deadline)
                        return r;
                /* An idle connection that turned out dead says nothing: the broker may long be back. */
                if (!fresh)
                        continue;
                client_pause(wait < deadline - now ? wait : deadline - now);
                wait = 2 * wait < LONGEST_PAUSE_USEC ? 2 * wait : LONGEST_PAUSE_USEC;
        }
}

int client_call(websess *w, Call *call) {
        sd_bus_message *reply = NULL;
        Conn *c = NULL;
        int r;

        if (!w)
                return error_set(FAULT_INVALID_ARGUMENT, "There is no handle");
        r = client_call_keep(w, call, &c, &reply);
        if (r != 0)
                return r;
        r = call->read ? call->read(reply, call) : 0;
        /* In this order: a message holds on to its connection, without a lock. */
        sd_bus_message_unref(reply);
        conn_pool_put(&w->pool, c);
        touch_flush_now(w);
        return r;
}
