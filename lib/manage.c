/* SPDX-License-Identifier: MIT */
/* Looking after sessions and the broker: by id, by user, as a whole. Owns nothing. */
#include <stdlib.h>
#include <string.h>

#include "client.h"
#include "websess-names.h"

#define TOUCHES_PER_CALL 1000u          /* keeps a message well below what the broker takes */

typedef struct Request {
        const char *service, *id, *user, *except, *host;
        const char *const *strings;
        size_t n_strings;
        uint32_t flags;
        int fd;
} Request;

static int append_id(sd_bus_message *m, const Call *call) {
        const Request *q = call->in;

        return sd_bus_message_append(m, "s", q->id);
}

static int append_service(sd_bus_message *m, const Call *call) {
        const Request *q = call->in;

        return sd_bus_message_append(m, "s", q->service);
}

static int append_user(sd_bus_message *m, const Call *call) {
        const Request *q = call->in;
        int r;

        r = sd_bus_message_append(m, "ss", q->service, q->user);
        if (r >= 0)
                r = sd_bus_message_open_container(m, 'a', "{sv}");
        if (r >= 0)
                r = client_append_option(m, "Except", q->except);
        if (r >= 0 && (q->flags & WEBSESS_REVOKE_PREFIX))
                r = sd_bus_message_append(m, "{sv}", "Prefix", "b", 1);
        if (r >= 0 && (q->flags & WEBSESS_REVOKE_PASSWORD))
                r = sd_bus_message_append(m, "{sv}", "Password", "b", 1);
        return r < 0 ? r : sd_bus_message_close_container(m);
}

static int append_id_roles(sd_bus_message *m, const Call *call) {
        const Request *q = call->in;
        int r;

        r = sd_bus_message_append(m, "s", q->id);
        return r < 0 ? r : client_append_strings(m, q->strings, q->n_strings);
}

static int append_user_roles(sd_bus_message *m, const Call *call) {
        const Request *q = call->in;
        int r;

        r = sd_bus_message_append(m, "ss", q->service, q->user);
        return r < 0 ? r : client_append_strings(m, q->strings, q->n_strings);
}

static int append_ids(sd_bus_message *m, const Call *call) {
        const Request *q = call->in;
        int r;

        r = sd_bus_message_append(m, "s", q->service);
        return r < 0 ? r : client_append_strings(m, q->strings, q->n_strings);
}

static int append_throttle(sd_bus_message *m, const Call *call) {
        const Request *q = call->in;

        return sd_bus_message_append(m, "sss", q->service, q->user, q->host);
}

static int append_interface(sd_bus_message *m, const Call *call) {
        return sd_bus_message_append(m, "s", WEBSESS_MANAGER_INTERFACE);
}

static int append_fd(sd_bus_message *m, const Call *call) {
        const Request *q = call->in;

        return sd_bus_message_append(m, "h", q->fd);
}

static int read_number(sd_bus_message *m, const Call *call, char type) {
        uint64_t ignored;
        int r;

        r = sd_bus_message_read_basic(m, type, call->out ?: (void *) &ignored);
        return r <= 0 ? error_errno(-EBADMSG, "The broker's reply") : 0;
}

static int read_count(sd_bus_message *m, const Call *call) {
        return read_number(m, call, 'u');
}

static int read_version(sd_bus_message *m, const Call *call) {
        return read_number(m, call, 't');
}

static int read_session(sd_bus_message *m, const Call *call) {
        websess_session_clear(call->out);
        return session_read(call->out, m);
}

static int read_values(sd_bus_message *m, const Call *call) {
        int r;

        websess_values_clear(call->out);
        r = values_read(call->out, m);
        return r < 0 ? error_errno(r, "The broker's reply") : 0;
}

static int check(const websess *w, const char *what, const char *text) {
        return w ? client_check_text(what, text) : error_set(FAULT_INVALID_ARGUMENT, "There is no handle");
}

int websess_get(websess *w, const char *id, websess_session *s) {
        Request q = { .id = id };
        Call call = { .member = "GetSession", .append = append_id, .read = read_session, .in = &q, .out = s };
        int r;

        if (!s)
                return error_set(FAULT_INVALID_ARGUMENT, "There is no session value to fill");
        r = check(w, "The id", id);
        if (r == 0)
                r = client_call(w, &call);
        if (r != 0)
                websess_session_clear(s);
        return r;
}

int websess_revoke(websess *w, const char *id) {
        Request q = { .id = id };
        Call call = { .member = "RevokeSession", .append = append_id, .in = &q };
        int r;

        r = check(w, "The id", id);
        if (r == 0)
                r = client_call(w, &call);
        /* Gone at the second attempt: the first one's reply was lost. */
        return r == FAULT_NO_SESSION && call.resent ? 0 : r;
}

int websess_revoke_user(websess *w, const char *service, const char *user, const char *except_id, uint32_t flags,
                        uint32_t *ret_revoked) {
        Request q = { .user = user, .except = except_id, .flags = flags };
        Call call = { .member = "RevokeUser", .append = append_user, .read = read_count, .in = &q, .out = ret_revoked };
        int r;

        r = check(w, "The user", user);
        if (r == 0 && service)
                r = check(w, "The service", service);
        if (r == 0 && except_id)
                r = check(w, "The id to keep", except_id);
        if (r == 0 && (flags & ~(uint32_t) (WEBSESS_REVOKE_PREFIX | WEBSESS_REVOKE_PASSWORD)))
                r = error_set(FAULT_INVALID_ARGUMENT, "Unknown flags %#x for revoking", flags);
        if (r != 0)
                return r;
        /* Here "" is a service of its own: all of them. */
        q.service = service && !*service ? service : client_service(w, service);
        return q.service ? client_call(w, &call) : FAULT_INVALID_ARGUMENT;
}

int websess_revoke_all(websess *w, const char *service, uint32_t *ret_revoked) {
        Request q = {};
        Call call = { .member = "RevokeAll", .append = append_service, .read = read_count, .in = &q,
                      .out = ret_revoked };
        int r;

        r = check(w, "The service", service ?: "");
        if (r != 0)
                return r;
        q.service = client_service(w, service);
        return q.service ? client_call(w, &call) : FAULT_INVALID_ARGUMENT;
}

static int check_roles(const websess *w, const char *const *roles, size_t n_roles) {
        int r = 0;

        for (size_t i = 0; r == 0 && i < n_roles; i++)
                r = check(w, "A role", roles[i]);
        return r;
}

int websess_set_roles(websess *w, const char *id, const char *const *roles, size_t n_roles, uint64_t *ret_version) {
        Request q = { .id = id, .strings = roles, .n_strings = n_roles };
        Call call = { .member = "SetRoles", .append = append_id_roles, .read = read_version, .in = &q,
                      .out = ret_version };
        int r;

        r = check(w, "The id", id);
        if (r == 0)
                r = check_roles(w, roles, n_roles);
        return r == 0 ? client_call(w, &call) : r;
}

int websess_set_user_roles(websess *w, const char *service, const char *user, const char *const *roles, size_t n_roles,
                           uint32_t *ret_changed) {
        Request q = { .user = user, .strings = roles, .n_strings = n_roles };
        Call call = { .member = "SetUserRoles", .append = append_user_roles, .read = read_count, .in = &q,
                      .out = ret_changed };
        int r;

        r = check(w, "The user", user);
        if (r == 0)
                r = check(w, "The service", service ?: "");
        if (r == 0)
                r = check_roles(w, roles, n_roles);
        if (r != 0)
                return r;
        q.service = client_service(w, service);
        return q.service ? client_call(w, &call) : FAULT_INVALID_ARGUMENT;
}

int websess_touch(websess *w, const char *const *ids, size_t n_ids) {
        Request q = {};
        Call call = { .member = "Touch", .append = append_ids, .in = &q };
        int r;

        for (size_t i = 0; i < n_ids; i++) {
                r = check(w, "An id", ids[i]);
                if (r != 0)
                        return r;
        }
        if (!w)
                return check(w, "", "");
        q.service = client_service(w, NULL);
        if (!q.service)
                return FAULT_INVALID_ARGUMENT;
        for (size_t done = 0; done < n_ids; done += q.n_strings) {
                q.strings = ids + done;
                q.n_strings = n_ids - done < TOUCHES_PER_CALL ? n_ids - done : TOUCHES_PER_CALL;
                r = client_call(w, &call);
                if (r != 0)
                        return r;
        }
        return 0;
}

int websess_status(websess *w, websess_values *v) {
        Call call = {
                .interface = "org.freedesktop.DBus.Properties",
                .member = "GetAll",
                .append = append_interface,
                .read = read_values,
                .out = v,
        };

        if (!v)
                return error_set(FAULT_INVALID_ARGUMENT, "There are no values to fill");
        return client_call(w, &call);
}

int websess_inspect(websess *w, websess_values *v) {
        Call call = { .member = "Inspect", .read = read_values, .out = v };

        if (!v)
                return error_set(FAULT_INVALID_ARGUMENT, "There are no values to fill");
        return client_call(w, &call);
}

int websess_reload(websess *w) {
        Call call = { .member = "Reload" };

        return client_call(w, &call);
}

int websess_reset_throttle(websess *w, const char *service, const char *user, const char *remote_host,
                           uint32_t *ret_buckets) {
        Request q = { .service = service ?: "", .user = user ?: "", .host = remote_host ?: "" };
        Call call = { .member = "ResetThrottle", .append = append_throttle, .read = read_count, .in = &q, .out = ret_buckets };
        int r;

        r = check(w, "The service", q.service);
        if (r == 0)
                r = check(w, "The user", q.user);
        if (r == 0)
                r = check(w, "The remote host", q.host);
        return r == 0 ? client_call(w, &call) : r;
}

int websess_backup(websess *w, int fd) {
        Request q = { .fd = fd };
        Call call = { .member = "Backup", .append = append_fd, .in = &q };

        if (fd < 0)
                return error_set(FAULT_INVALID_ARGUMENT, "There is no file to write the backup to");
        return client_call(w, &call);
}
