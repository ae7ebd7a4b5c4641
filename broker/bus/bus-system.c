/* SPDX-License-Identifier: MIT */
/*
 * The system bus: the name, the callers on it, and coming back when the bus went away. Owns the connection and one
 * BusName per caller.
 *
 * sd-bus can't tell a caller's groups without racy reads of /proc, so the daemon is asked, once per unique name and
 * without waiting: calls are kept until it has answered. A unique name is never given to anybody else while the daemon
 * lives, so the answer holds until the name goes. A caller who vanishes meanwhile is refused.
 *
 * All callers come by the one connection, in the daemon's order. So that nobody stands behind another's flood longer than it takes to read it,
 * calls are read as they come and wait in a queue of their caller's for their turn.
 */
#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sysexits.h>
#include <bsd/sys/tree.h>

#include "bus-credentials.h"
#include "bus-internal.h"
#include "peer-size.h"
#include "span.h"

#define DAEMON "org.freedesktop.DBus"
#define DAEMON_PATH "/org/freedesktop/DBus"
#define DEFAULT_ADDRESS "unix:path=/run/dbus/system_bus_socket"
#define RETRY_USEC USEC_PER_SEC
#define KEPT_MAX 64             /* calls of one name, while its credentials are asked for */

typedef struct Kept {
        STAILQ_ENTRY(Kept) entry;
        sd_bus_message *message;
        QuotaCharge call, bytes;
} Kept;

STAILQ_HEAD(KeptList, Kept);

/* A caller by its unique name. client is NULL until its credentials are known, and calls are kept; then they wait for their turns. */
typedef struct BusName {
        RB_ENTRY(BusName) node;
        System *system;
        char *name;
        BusClient *client;
        sd_bus_slot *asking;
        Turn turn;
        struct KeptList kept;
        unsigned n_kept;
} BusName;

RB_HEAD(NameTree, BusName);

struct System {
        Bus *bus;
        char *address;
        sd_bus *connection;
        sd_event_source *retry;
        struct NameTree names;
        bool owner, complained;
};

static int name_compare(const BusName *a, const BusName *b) {
        return strcmp(a->name, b->name);
}

RB_PROTOTYPE_INTERNAL(NameTree, BusName, node, name_compare, __attribute__((unused)) static)
RB_GENERATE_INTERNAL(NameTree, BusName, node, name_compare, __attribute__((unused)) static)

/* ---- callers ---- */

static void kept_free(Kept *k) {
        quota_refund(&k->call);
        quota_refund(&k->bytes);
        sd_bus_message_unref(k->message);
        free(k);
}

static Kept *name_take_kept(BusName *n) {
        Kept *k = STAILQ_FIRST(&n->kept);

        if (k) {
                STAILQ_REMOVE_HEAD(&n->kept, entry);
                n->n_kept--;
        }
        return k;
}

static BusName *name_free(BusName *n) {
        Kept *k;

        if (!n)
                return NULL;
        while ((k = name_take_kept(n)))
                kept_free(k);
        turn_end(&n->turn);
        if (n->client)
                client_disconnect(n->client);
        client_unref(n->client);
        sd_bus_slot_unref(n->asking);
        if (n->system)
                RB_REMOVE(NameTree, &n->system->names, n);
        free(n->name);
        free(n);
        return NULL;
}

DEFINE_CLEANUP(BusName *, name_free)

static BusName *name_find(System *s, const char *name) {
        BusName key = { .name = (char *) name };

        return RB_FIND(NameTree, &s->names, &key);
}

/* Once it is known who the caller is, what waits is charged to his account. */
static int name_charge(const BusName *n, Kept *k) {
        Quota *q = n->system->bus->quota;
        int r;

        if (!n->client)
                return n->n_kept < KEPT_MAX ? 0 : FAULT_TOO_MANY;
        r = quota_charge(q, &k->call, n->client->caller.uid, QUOTA_CALLS, 1);
        return r != 0 ? r : quota_charge(q, &k->bytes, n->client->caller.uid, QUOTA_BYTES, message_size(k->message));
}

static int name_keep(BusName *n, sd_bus_message *m) {
        Kept *k = calloc(1, sizeof(*k));
        int r;

        if (!k)
                return -ENOMEM;
        k->message = sd_bus_message_ref(m);
        r = name_charge(n, k);
        if (r != 0) {
                kept_free(k);
                return r;
        }
        STAILQ_INSERT_TAIL(&n->kept, k, entry);
        n->n_kept++;
        return 0;
}

/* A call whose caller is not known: there is no client to answer through. */
static void refuse(sd_bus_message *m, int code, const char *text) {
        int r = sd_bus_reply_method_errorf(m, fault_dbus_name(code), "%s", text);

        if (r < 0 && r != -ENOTCONN && r != -ECONNRESET)
                log_error(r, "cannot send an error");
}

/* One call, in the order in which they came. */
static bool name_dispatch_kept(BusName *n) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *m = NULL;
        Kept *k = name_take_kept(n);

        if (!k)
                return false;
        m = sd_bus_message_ref(k->message);
        kept_free(k);                   /* it is not waiting any more, and is charged anew */
        bus_dispatch(n->client, m);
        return true;
}

static void name_go(Turn *t) {
        BusName *n = (BusName *) (void *) ((char *) t - offsetof(BusName, turn));

        (void) name_dispatch_kept(n);
        if (n->n_kept > 0 && n->client->n_works == 0 && bus_turn_wait(n->system->bus, t) < 0)
                while (name_dispatch_kept(n))
                        ;
}

static void name_refuse_kept(BusName *n) {
        Kept *k;

        while ((k = name_take_kept(n))) {
                refuse(k->message, FAULT_ACCESS_DENIED, "the caller's credentials could not be read");
                kept_free(k);
        }
}

static int on_credentials(sd_bus_message *reply, void *userdata, sd_bus_error *error) {
        BusName *n = userdata;
        Caller caller = CALLER_NONE;
        int r;

        n->asking = sd_bus_slot_unref(n->asking);
        r = sd_bus_message_is_method_error(reply, NULL) ? -EACCES : credentials_read(reply, &caller);
        if (r >= 0)
                r = turn_begin(&n->turn, n->system->bus->turns, caller.uid, name_go);
        if (r >= 0)
                r = client_new(&n->client, n->system->bus, &caller, n->name, false);
        if (r >= 0)
                n->client->turn = &n->turn;
        if (r >= 0 && n->n_kept > 0)
                r = bus_turn_wait(n->system->bus, &n->turn);
        caller_done(&caller);
        if (r < 0) {
                name_refuse_kept(n);
                name_free(n);           /* the next call asks again */
        }
        return 0;
}

static int name_ask(BusName *n) {
        return sd_bus_call_method_async(n->system->connection, &n->asking, DAEMON, DAEMON_PATH, DAEMON,
                                        "GetConnectionCredentials", on_credentials, n, "s", n->name);
}

static int name_new(System *s, const char *name, BusName **ret) {
        _cleanup_(name_freep) BusName *n = calloc(1, sizeof(*n));
        int r;

        if (!n)
                return -ENOMEM;
        STAILQ_INIT(&n->kept);
        n->name = strdup(name);
        if (!n->name)
                return -ENOMEM;
        n->system = s;
        RB_INSERT(NameTree, &s->names, n);
        r = name_ask(n);
        if (r < 0)
                return r;
        *ret = TAKE_PTR(n);
        return 0;
}

static void system_call(System *s, sd_bus_message *m) {
        const char *sender = sd_bus_message_get_sender(m);
        BusName *n;
        int r = 0;

        if (!sender)
                return;
        n = name_find(s, sender);
        if (!n)
                r = name_new(s, sender, &n);
        if (r == 0)
                r = name_keep(n, m);
        if (r == FAULT_TOO_MANY)
                refuse(m, r, n->client
                        ? "this user has too many calls under way: see [Limits] MaxPendingPerUser= and MaxBytesPerUser="
                        : "too many calls at once from a caller that is not known yet: try again");
        else if (r < 0)
                refuse(m, FAULT_UNAVAILABLE, "the caller's credentials cannot be asked for: try again");
        else if (n->client && n->client->n_works == 0 && bus_turn_wait(s->bus, &n->turn) < 0)
                name_go(&n->turn);
}

static int on_owner_changed(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        const char *name, *old_owner, *new_owner;
        System *s = userdata;

        if (sd_bus_message_read(m, "sss", &name, &old_owner, &new_owner) >= 0 && *new_owner == '\0')
                name_free(name_find(s, name));
        return 0;
}

static void system_forget_names(System *s) {
        BusName *n;

        while ((n = RB_ROOT(&s->names)))
                name_free(n);
}

/* ---- the connection ---- */

static void system_exit(System *s, int code) {
        (void) sd_event_exit(s->bus->event, code);
}

static void system_retry_later(System *s) {
        int r;

        s->owner = false;
        system_forget_names(s);
        if (s->bus->stopped)
                return;
        r = sd_event_source_set_time_relative(s->retry, RETRY_USEC);
        if (r >= 0)
                r = sd_event_source_set_enabled(s->retry, SD_EVENT_ONESHOT);
        if (r < 0) {
                log_error(r, "cannot come back to the system bus");
                system_exit(s, EX_OSERR);
        }
}

static int on_message(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        System *s = userdata;
        const char *name;
        uint8_t type;

        if (sd_bus_message_get_type(m, &type) < 0)
                return 0;
        if (type == SD_BUS_MESSAGE_METHOD_CALL) {
                system_call(s, m);
                return 1;
        }
        if (sd_bus_message_is_signal(m, "org.freedesktop.DBus.Local", "Disconnected") > 0) {
                log_error(-ECONNRESET, "lost the system bus, trying to come back; the private socket goes on");
                s->complained = true;
                system_retry_later(s);
        } else if (sd_bus_message_is_signal(m, DAEMON, "NameLost") > 0 && !s->bus->stopped &&
                   sd_bus_message_read(m, "s", &name) >= 0 && strcmp(name, WEBSESS_BUS_NAME) == 0) {
                log_error(-EBUSY, "lost the name %s", name);
                system_exit(s, EX_UNAVAILABLE);
        }
        return 0;
}

static int on_name(sd_bus_message *reply, void *userdata, sd_bus_error *error) {
        enum { PRIMARY_OWNER = 1, ALREADY_OWNER = 4 };
        const sd_bus_error *e = sd_bus_message_get_error(reply);
        System *s = userdata;
        uint32_t result = 0;

        if (e) {
                log_error(
                        -sd_bus_message_get_errno(reply), "cannot have the name %s: %s", WEBSESS_BUS_NAME, e->message);
                /* A daemon that goes away takes no decision about the name */
                if (sd_bus_is_open(s->connection) > 0)
                        system_exit(s, EX_NOPERM);
                return 0;
        }
        if (sd_bus_message_read(reply, "u", &result) < 0 || (result != PRIMARY_OWNER && result != ALREADY_OWNER)) {
                log_error(-EEXIST, "somebody else has the name %s", WEBSESS_BUS_NAME);
                system_exit(s, EX_UNAVAILABLE);
                return 0;
        }
        s->owner = true;
        s->complained = false;
        return 0;
}

static int system_configure(System *s, sd_bus *c) {
        const char *address = s->address ?: secure_getenv("DBUS_SYSTEM_BUS_ADDRESS") ?: DEFAULT_ADDRESS;
        int r;

        r = sd_bus_set_address(c, address);
        if (r >= 0)
                r = sd_bus_set_bus_client(c, true);
        if (r >= 0)
                r = sd_bus_negotiate_fds(c, true);
        if (r >= 0)
                r = sd_bus_start(c);
        if (r >= 0)
                r = sd_bus_attach_event(c, s->bus->event, SD_EVENT_PRIORITY_NORMAL);
        if (r >= 0)
                r = sd_bus_add_filter(c, NULL, on_message, s);
        if (r >= 0)
                r = sd_bus_add_match_async(c, NULL,
                        "type='signal',sender='" DAEMON "',path='" DAEMON_PATH "',interface='" DAEMON "',"
                        "member='NameOwnerChanged',arg2=''",
                        on_owner_changed, NULL, s);
        if (r >= 0)
                r = sd_bus_request_name_async(c, NULL, WEBSESS_BUS_NAME, 0, on_name, s);
        return r;
}

static int system_connect(System *s) {
        sd_bus *c = NULL;
        int r;

        r = sd_bus_new(&c);
        if (r < 0)
                return r;
        r = system_configure(s, c);
        if (r < 0) {
                sd_bus_detach_event(c);
                sd_bus_close_unref(c);
                return r;
        }
        s->connection = c;
        return 0;
}

static void system_disconnect(System *s) {
        if (!s->connection)
                return;
        sd_bus_detach_event(s->connection);
        s->connection = sd_bus_close_unref(s->connection);
}

static int on_retry(sd_event_source *source, uint64_t usec, void *userdata) {
        System *s = userdata;
        int r;

        system_disconnect(s);
        r = system_connect(s);
        if (r >= 0)
                return 0;
        if (!s->complained)
                log_error(r, "cannot reach the system bus, trying again; the private socket goes on");
        s->complained = true;
        system_retry_later(s);
        return 0;
}

int system_new(System **ret, Bus *b, const char *address) {
        System *s = calloc(1, sizeof(*s));
        int r;

        if (!s)
                return -ENOMEM;
        s->bus = b;
        RB_INIT(&s->names);
        r = sd_event_add_time_relative(b->event, &s->retry, CLOCK_MONOTONIC, 0, 0, on_retry, s);
        if (r >= 0)
                r = sd_event_source_set_enabled(s->retry, SD_EVENT_OFF);
        if (r >= 0 && address) {
                s->address = strdup(address);
                r = s->address ? 0 : -ENOMEM;
        }
        if (r < 0) {
                system_free(s);
                return r;
        }
        *ret = s;
        return 0;
}

System *system_free(System *s) {
        if (!s)
                return NULL;
        system_forget_names(s);
        sd_event_source_disable_unref(s->retry);
        if (s->connection)
                (void) sd_bus_flush(s->connection);
        system_disconnect(s);
        free(s->address);
        free(s);
        return NULL;
}

int system_start(System *s) {
        on_retry(NULL, 0, s);
        return 0;
}

void system_stop_reading(System *s) {
        BusName *n;

        /* What has been read already is handled still */
        RB_FOREACH(n, NameTree, &s->names)
                while (n->client && name_dispatch_kept(n))
                        ;
        (void) sd_event_source_set_enabled(s->retry, SD_EVENT_OFF);
        /* Calls from now on start the next broker; those that come in still are answered Unavailable */
        if (s->connection && s->owner)
                (void) sd_bus_release_name_async(s->connection, NULL, WEBSESS_BUS_NAME, NULL, NULL);
}

int system_flush(System *s, uint64_t deadline) {
        uint64_t n = 0;

        while (s->connection && sd_bus_get_n_queued_write(s->connection, &n) >= 0 && n > 0) {
                struct pollfd pollfd = { .fd = sd_bus_get_fd(s->connection), .events = POLLOUT };
                uint64_t now = bus_now();
                int r;

                if (now >= deadline)
                        return -ETIMEDOUT;
                if (poll(&pollfd, 1, (int) ((deadline - now) / USEC_PER_MSEC) + 1) < 0)
                        return -errno;
                r = sd_bus_process(s->connection, NULL);
                if (r < 0)
                        return r;
        }
        return 0;
}

bool system_is_on_bus(const System *s) {
        return s->owner;
}

bool system_is_joining(const System *s) {
        return !s->owner && s->connection && sd_bus_is_open(s->connection) > 0;
}

sd_bus *system_connection(const System *s) {
        return s->connection;
}
