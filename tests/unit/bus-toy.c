/* SPDX-License-Identifier: MIT */
/* See bus-toy.h. The thread owns Bus and event loop; tests reach into it by toy_run() only. */
#include <errno.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <cmocka.h>

#include "bus-toy.h"
#include "cleanup.h"
#include "websess-names.h"

static int on_echo(BusCall *call, sd_bus_message *m, void *object, void *userdata, Fault *f) {
        const char *s;
        Toy *t = userdata;
        int r = sd_bus_message_read(m, "s", &s);

        t->n_calls++;
        return r < 0 ? r : bus_call_reply(call, "s", s);
}

static int on_keep(BusCall *call, sd_bus_message *m, void *object, void *userdata, Fault *f) {
        Toy *t = userdata;

        t->n_calls++;
        if (t->n_kept == ELEMENTSOF(t->kept))
                return fault(f, FAULT_LIMIT_REACHED, "enough");
        t->kept[t->n_kept++] = bus_call_ref(call);
        return 0;
}

static int on_release(BusCall *call, sd_bus_message *m, void *object, void *userdata, Fault *f) {
        Toy *t = userdata;

        for (unsigned i = 0; i < t->n_kept; i++) {
                (void) bus_call_reply(t->kept[i], "s", bus_call_is_gone(t->kept[i]) ? "gone" : "kept");
                bus_call_unref(t->kept[i]);
        }
        t->n_kept = 0;
        return bus_call_reply(call, NULL);
}

static int on_fail(BusCall *call, sd_bus_message *m, void *object, void *userdata, Fault *f) {
        int code;
        int r = sd_bus_message_read(m, "i", &code);

        if (r < 0)
                return r;
        return code > 0 ? fault(f, code, "as you wish") : code;
}

static int on_who(BusCall *call, sd_bus_message *m, void *object, void *userdata, Fault *f) {
        const Caller *c = bus_client_caller(bus_call_client(call));

        return bus_call_reply(call, "uusb", (uint32_t) c->uid, (uint32_t) c->n_gids, c->unit ?: "",
                bus_client_is_private(bus_call_client(call)));
}

static int on_descriptor(BusCall *call, sd_bus_message *m, void *object, void *userdata, Fault *f) {
        int fd, r = sd_bus_message_read(m, "h", &fd);

        if (r < 0)
                return r;
        if (write(fd, "here", 4) != 4)
                return -errno;
        return bus_call_reply(call, "h", fd);
}

static int on_big(BusCall *call, sd_bus_message *m, void *object, void *userdata, Fault *f) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
        uint32_t size;
        void *p;
        int r = sd_bus_message_read(m, "u", &size);

        if (r >= 0)
                r = bus_call_new_reply(call, &reply);
        if (r >= 0)
                r = sd_bus_message_append_array_space(reply, 'y', size, &p);
        if (r < 0)
                return r;
        memset(p, 'x', size);
        return bus_call_send(call, reply);
}

typedef struct Work {
        Toy *toy;
        uint32_t left;                  /* steps; UINT32_MAX: until it is enough */
        int code;
} Work;

static void work_done(void *state) {
        Work *w = state;

        w->toy->n_done++;
        free(w);
}

static int long_step(BusCall *call, void *state, bool *more, Fault *f) {
        Work *w = state;

        w->toy->n_steps++;
        *more = w->left == UINT32_MAX ? !w->toy->enough : --w->left > 0;
        if (*more)
                return 0;
        if (w->code != 0)
                return w->code > 0 ? fault(f, w->code, "in the end") : w->code;
        return bus_call_reply(call, "u", (uint32_t) w->toy->n_done);
}

static int on_long(BusCall *call, sd_bus_message *m, void *object, void *userdata, Fault *f) {
        Work *w = calloc(1, sizeof(*w));
        int r;

        assert_non_null(w);
        w->toy = userdata;
        r = sd_bus_message_read(m, "ui", &w->left, &w->code);
        assert_true(r >= 0);
        return bus_call_work(call, long_step, w, work_done);
}

static int on_subscribe(BusCall *call, sd_bus_message *m, void *object, void *userdata, Fault *f) {
        bus_client_subscribe(bus_call_client(call), true);
        return bus_call_reply(call, NULL);
}

static bool may_see(void *userdata, const BusClient *client, const void *subject) {
        return strcmp(subject, "secret") != 0;
}

static int on_emit(BusCall *call, sd_bus_message *m, void *object, void *userdata, Fault *f) {
        Toy *t = userdata;
        const char *what;
        int r = sd_bus_message_read(m, "s", &what);

        if (r >= 0)
                r = bus_signal(t->bus, WEBSESS_MANAGER_INTERFACE, "Happened", may_see, what, "su", what, 7u);
        return r < 0 ? r : bus_call_reply(call, NULL);
}

static int on_name(BusCall *call, sd_bus_message *m, void *object, void *userdata, Fault *f) {
        return bus_call_reply(call, "s", (const char *) object);
}

static int get_version(const BusClient *client, sd_bus_message *reply, void *object, void *userdata) {
        return sd_bus_message_append(reply, "s", "1.2");
}

static int get_services(const BusClient *client, sd_bus_message *reply, void *object, void *userdata) {
        return sd_bus_message_append(reply, "as", 2, "shop", "mail");
}

static int get_name(const BusClient *client, sd_bus_message *reply, void *object, void *userdata) {
        return sd_bus_message_append(reply, "s", (const char *) object);
}

static const BusInterface manager = {
        .name = WEBSESS_MANAGER_INTERFACE,
        .methods = (const BusMethod[]) {
                { "Echo", "s", "text", "s", "text", on_echo },
                { "Secret", "s", "text", "s", "text", on_echo, .secret = true },
                { "Keep", .out = "s", .handler = on_keep },
                { "KeepDescriptor", "h", "in", "s", "state", on_keep },
                { "Release", .handler = on_release },
                { "Fail", .in = "i", .in_names = "code", .handler = on_fail },
                { "Who", .out = "uusb", .out_names = "uid groups unit private", .handler = on_who },
                { "Descriptor", "h", "in", "h", "out", on_descriptor },
                { "Big", "u", "size", "ay", "bytes", on_big },
                { "Long", "ui", "steps code", "u", "before", on_long },
                { "Subscribe", .handler = on_subscribe },
                { "Emit", .in = "s", .in_names = "what", .handler = on_emit },
                {},
        },
        .properties = (const BusProperty[]) {
                { "Version", "s", get_version },
                { "Services", "as", get_services },
                {},
        },
        .signals = (const BusSignal[]) {
                { "Happened", "su", "what number" },
                {},
        },
};

static const BusInterface session = {
        .name = WEBSESS_SESSION_INTERFACE,
        .methods = (const BusMethod[]) {
                { "Name", .out = "s", .out_names = "name", .handler = on_name },
                {},
        },
        .properties = (const BusProperty[]) {
                { "Id", "s", get_name },
                {},
        },
};

static int find_session(void *userdata, const BusClient *client, const char *child, void **ret, Fault *f) {
        if (strcmp(child, "forbidden") == 0)
                return fault(f, FAULT_ACCESS_DENIED, "not yours");
        *ret = strcmp(child, "a1") == 0 ? (char *) "a1" : strcmp(child, "b2") == 0 ? (char *) "b2" : NULL;
        return 0;
}

/* One at a time. */
static int session_children(void *userdata, const BusClient *client, char cursor[static BUS_CURSOR_SIZE], BusChild each, void *to) {
        bool first = cursor[0] == '\0';

        each(to, first ? "a1" : "b2");
        snprintf(cursor, BUS_CURSOR_SIZE, "%s", first ? "a1" : "");
        return 0;
}

static const BusObject objects[] = {
        { WEBSESS_MANAGER_PATH, .interfaces = (const BusInterface *const[]) { &manager, NULL } },
        { WEBSESS_SESSION_PATH, true, (const BusInterface *const[]) { &session, NULL }, find_session,
                session_children },
        {},
};

static void on_gone(void *userdata, BusClient *client) {
        Toy *t = userdata;

        t->n_gone++;
}

static int on_wake(sd_event_source *source, int fd, uint32_t revents, void *userdata) {
        Toy *t = userdata;
        uint64_t n;

        assert_int_equal(read(fd, &n, sizeof(n)), sizeof(n));
        if (t->do_it)
                t->do_it(t);
        return t->do_it ? 0 : sd_event_exit(t->event, 0);
}

static int toy_listen(Toy *t) {
        struct sockaddr_un a = { .sun_family = AF_UNIX };
        int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

        strcpy(t->folder, "/tmp/websess-bus-XXXXXX");
        assert_non_null(mkdtemp(t->folder));
        snprintf(t->socket, sizeof(t->socket), "%s/sock", t->folder);
        snprintf(t->address, sizeof(t->address), "unix:path=%s", t->socket);
        strcpy(a.sun_path, t->socket);
        assert_int_equal(bind(fd, (struct sockaddr *) &a, sizeof(a)), 0);
        assert_int_equal(listen(fd, SOMAXCONN), 0);
        assert_int_equal(chmod(t->folder, 0755), 0);
        assert_int_equal(chmod(t->socket, 0666), 0);
        return fd;
}

typedef struct Start {
        Toy *toy;
        const ToyOptions *options;
        int socket;
        pthread_barrier_t ready;
} Start;

static void *toy_thread(void *userdata) {
        Start *s = userdata;
        Toy *t = s->toy;
        BusOptions options = {
                .socket_fd = s->socket,
                .address = s->options->bus_address ?: "",
                .objects = objects,
                .userdata = t,
                .limits = s->options->limits,
                .gone = on_gone,
                .timeout_usec = s->options->timeout_usec,
        };

        assert_true(sd_event_new(&t->event) >= 0);
        assert_true(sd_event_add_io(t->event, NULL, t->wake, POLLIN, on_wake, t) >= 0);
        assert_int_equal(bus_new(&t->bus, t->event, &options), 0);
        assert_int_equal(bus_start(t->bus), 0);
        pthread_barrier_wait(&s->ready);
        t->exit_code = sd_event_loop(t->event);
        t->bus = bus_free(t->bus);
        /* calls that outlive their Bus answer nobody and touch nothing */
        for (unsigned i = 0; i < t->n_kept; i++)
                bus_call_unref(t->kept[i]);
        sd_event_unref(t->event);
        return NULL;
}

void toy_start(Toy *t, const ToyOptions *options) {
        Start s = { .toy = t, .options = options };

        *t = (Toy) { .wake = eventfd(0, EFD_CLOEXEC) };
        s.socket = toy_listen(t);
        pthread_barrier_init(&s.ready, NULL, 2);
        assert_int_equal(pthread_create(&t->thread, NULL, toy_thread, &s), 0);
        pthread_barrier_wait(&s.ready);
        pthread_barrier_destroy(&s.ready);
}

static void toy_wake(Toy *t) {
        uint64_t one = 1;

        assert_int_equal(write(t->wake, &one, sizeof(one)), sizeof(one));
}

void toy_stop(Toy *t) {
        t->do_it = NULL;
        toy_wake(t);
        pthread_join(t->thread, NULL);
        close_fd(t->wake);
        unlink(t->socket);
        rmdir(t->folder);
}

static pthread_barrier_t run_barrier;
static void (*run_it)(Toy *t);

static void run_and_tell(Toy *t) {
        run_it(t);
        pthread_barrier_wait(&run_barrier);
}

void toy_run(Toy *t, void (*do_it)(Toy *t)) {
        pthread_barrier_init(&run_barrier, NULL, 2);
        run_it = do_it;
        t->do_it = run_and_tell;
        toy_wake(t);
        pthread_barrier_wait(&run_barrier);
        pthread_barrier_destroy(&run_barrier);
}

sd_bus *toy_connect(Toy *t, bool bus_client) {
        sd_bus *bus = NULL;

        assert_true(sd_bus_new(&bus) >= 0);
        assert_true(sd_bus_set_address(bus, t->address) >= 0);
        assert_true(sd_bus_set_bus_client(bus, bus_client) >= 0);
        assert_true(sd_bus_negotiate_fds(bus, true) >= 0);
        assert_true(sd_bus_set_method_call_timeout(bus, 10000000) >= 0);
        assert_true(sd_bus_start(bus) >= 0);
        return bus;
}

int toy_raw(Toy *t) {
        struct sockaddr_un a = { .sun_family = AF_UNIX };
        int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

        assert_true(fd >= 0);
        strcpy(a.sun_path, t->socket);
        assert_int_equal(connect(fd, (struct sockaddr *) &a, sizeof(a)), 0);
        return fd;
}

/* Credentials are a thread's own for the kernel, which libc hides: so one thread may connect as somebody else. */
void toy_be(uid_t uid) {
        assert_int_equal(syscall(SYS_setresuid, (uid_t) -1, uid, (uid_t) -1), 0);
}

int toy_raw_hello(Toy *t) {
        static const char hello[] = "\0AUTH EXTERNAL\r\nDATA\r\nNEGOTIATE_UNIX_FD\r\nBEGIN\r\n";
        char answer[256];
        size_t n = 0;
        int fd = toy_raw(t);

        assert_int_equal(write(fd, hello, sizeof(hello) - 1), sizeof(hello) - 1);
        do {
                ssize_t r = read(fd, answer + n, sizeof(answer) - 1 - n);

                assert_true(r > 0);
                n += (size_t) r;
                answer[n] = '\0';
        } while (!strstr(answer, "AGREE_UNIX_FD\r\n"));
        assert_int_equal(strncmp(answer, "DATA\r\nOK ", 9), 0);
        return fd;
}

void toy_wait_eof(int fd) {
        struct pollfd p = { .fd = fd, .events = POLLIN };
        char buffer[4096];
        ssize_t n;

        do {
                assert_int_equal(poll(&p, 1, 10000), 1);
                n = read(fd, buffer, sizeof(buffer));
        } while (n > 0);
        assert_true(n == 0 || errno == ECONNRESET);
}

static BusStatus status;

static void take_status(Toy *t) {
        bus_status(t->bus, &status);
}

BusStatus toy_status(Toy *t) {
        toy_run(t, take_status);
        return status;
}

void toy_wait_connections(Toy *t, unsigned n) {
        /* each turn is a round trip through the loop, in which it handles what has come meanwhile */
        for (unsigned i = 0; i < 100000; i++)
                if (toy_status(t).connections == n)
                        return;
        fail_msg("%u connections, not %u", toy_status(t).connections, n);
}
