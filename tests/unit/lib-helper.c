/* SPDX-License-Identifier: MIT */
/* Owns the socket, the helpers' ends of the connections, and the event loop of one test. */
#include "lib-helper.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "cleanup.h"

uint64_t boottime(void) {
        struct timespec t;

        clock_gettime(CLOCK_BOOTTIME, &t);
        return (uint64_t) t.tv_sec * USEC_PER_SEC + (uint64_t) t.tv_nsec / 1000;
}

/* ---- the helpers ---- */

static void say(int fd, const AuthMessage *m) {
        static uint8_t packet[AUTH_MESSAGE_MAX];
        size_t size;

        assert_int_equal(auth_message_encode(m, packet, sizeof(packet), &size), 0);
        assert_int_equal(send(fd, packet, size, MSG_NOSIGNAL), size);
}

void hang_up(World *w, size_t i) {
        w->connections[i].io = sd_event_source_disable_unref(w->connections[i].io);
        w->connections[i].fd = close_fd(w->connections[i].fd);
}

static void answer_begin(World *w, size_t i, const AuthMessage *m) {
        static const Slice groups[] = { { "staff", 5 }, { "sudo", 4 } }, methods[] = { { "pwd", 3 } };
        AuthMessage success = {
                .operation = AUTH_RESULT, .user = m->user, .uid = 1000, .delay_usec = PATIENCE,
                .groups = groups, .n_groups = 2, .methods = methods, .n_methods = 1,
        };
        AuthMessage failure = {
                .operation = AUTH_RESULT, .outcome = FAULT_AUTHENTICATION_FAILED, .pam_result = 7,
                .text = slice_of("pam_authenticate: no"),
        };
        int fd = w->connections[i].fd;

        snprintf(w->secret, sizeof(w->secret), "%.*s", (int) m->secret.size, m->secret.data);
        snprintf(w->remote_host, sizeof(w->remote_host), "%.*s", (int) m->remote_host.size, m->remote_host.data);
        if (slice_equal(m->user, slice_of("alice")))
                say(fd, &success);
        else if (slice_equal(m->user, slice_of("mapped")))
                success.user = slice_of("alice"), say(fd, &success);
        else if (slice_equal(m->user, slice_of("nameless")))
                success.user = slice(NULL, 0), say(fd, &success);
        else if (slice_equal(m->user, slice_of("odd")))
                success.user = slice_of("a\nb"), say(fd, &success);
        else if (slice_equal(m->user, slice_of("slow")))
                failure.delay_usec = 3 * FLOOR, say(fd, &failure);
        else if (slice_equal(m->user, slice_of("eternal")))
                failure.delay_usec = UINT64_MAX, say(fd, &failure);
        else if (slice_equal(m->user, slice_of("otp")))
                failure.outcome = FAULT_CONVERSATION_REQUIRED, say(fd, &failure);
        else if (slice_equal(m->user, slice_of("strange")))
                failure.outcome = 77, say(fd, &failure);
        else if (slice_equal(m->user, slice_of("again")))
                say(fd, &(AuthMessage) { .operation = AUTH_READY });
        else if (slice_equal(m->user, slice_of("rubbish")))
                send(fd, "<html>", 6, MSG_NOSIGNAL);
        else if (slice_equal(m->user, slice_of("crash")))
                hang_up(w, i);
        else if (!slice_equal(m->user, slice_of("silent")))
                say(fd, &failure);
}

static int on_helper(sd_event_source *source, int fd, uint32_t revents, void *userdata) {
        static uint8_t packet[AUTH_MESSAGE_MAX];
        World *w = userdata;
        ssize_t n = recv(fd, packet, sizeof(packet), MSG_DONTWAIT);
        AuthMessage m;
        size_t i = 0;

        while (w->connections[i].fd != fd)
                i++;
        if (n <= 0) {
                w->hangups++;
                hang_up(w, i);
                return 0;
        }
        assert_int_equal(auth_message_decode(packet, (size_t) n, &m), 0);
        assert_int_equal(m.operation, AUTH_BEGIN);
        answer_begin(w, i, &m);
        return 0;
}

static int on_accept(sd_event_source *source, int listener, uint32_t revents, void *userdata) {
        World *w = userdata;
        int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
        size_t i = 0;

        assert_true(fd >= 0);
        w->accepted++;
        while (w->connections[i].fd >= 0)
                assert_true(++i < CONNECTIONS_MAX);
        if (w->manner == DIES_AT_ONCE) {
                close(fd);
                return 0;
        }
        w->connections[i].fd = fd;
        assert_true(sd_event_add_io(w->event, &w->connections[i].io, fd, EPOLLIN, on_helper, w) >= 0);
        if (w->manner == SAYS_RUBBISH)
                send(fd, "220 mail ready", 14, MSG_NOSIGNAL);
        else
                say(fd, &(AuthMessage) { .operation = AUTH_READY });
        if (w->manner == DIES_WHEN_READY)
                hang_up(w, i);
        return 0;
}

/* ---- the world ---- */

int set_up(void **state) {
        World *w = calloc(1, sizeof(*w));

        strcpy(w->folder, "/tmp/websess-test-XXXXXX");
        assert_non_null(mkdtemp(w->folder));
        w->address.sun_family = AF_UNIX;
        snprintf(w->address.sun_path, sizeof(w->address.sun_path), "%s/pam.sock", w->folder);
        assert_true(sd_event_new(&w->event) >= 0);
        for (size_t i = 0; i < CONNECTIONS_MAX; i++)
                w->connections[i].fd = -1;
        w->listener = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
        assert_int_equal(bind(w->listener, (const struct sockaddr *) &w->address, sizeof(w->address)), 0);
        assert_int_equal(listen(w->listener, 64), 0);
        assert_true(sd_event_add_io(w->event, &w->accepting, w->listener, EPOLLIN, on_accept, w) >= 0);
        *state = w;
        return 0;
}

int tear_down(void **state) {
        World *w = *state;

        authenticator_free(w->authenticator);
        for (size_t i = 0; i < CONNECTIONS_MAX; i++)
                hang_up(w, i);
        sd_event_source_disable_unref(w->accepting);
        close_fd(w->listener);
        sd_event_unref(w->event);
        unlink(w->address.sun_path);
        rmdir(w->folder);
        free(w);
        return 0;
}

AuthOptions options_of(const World *w) {
        return (AuthOptions) {
                .socket_path = w->address.sun_path,
                .idle_helpers = 2, .max_helpers = 4,
                .timeout_usec = PATIENCE, .failure_floor_usec = FLOOR,
        };
}

void start(World *w, AuthOptions options) {
        assert_int_equal(authenticator_new(&w->authenticator, w->event, &options), 0);
}

AuthStatus status_of(const World *w) {
        AuthStatus s;

        authenticator_status(w->authenticator, &s);
        return s;
}

void run_for(World *w, uint64_t usec) {
        uint64_t end = boottime() + usec;

        while (boottime() < end)
                assert_true(sd_event_run(w->event, end - boottime()) >= 0);
}

/* ---- asking ---- */

static void on_done(Authentication *a, int result, const AuthIdentity *identity, const Fault *f, void *userdata) {
        Answer *answer = userdata;

        assert_ptr_equal(a, answer->authentication);
        answer->times++;
        answer->result = result;
        answer->taken = boottime() - answer->started;
        answer->pam_result = authentication_pam_result(a);
        snprintf(answer->reason, sizeof(answer->reason), "%s", authentication_reason(a));
        assert_true((result == 0) == (identity != NULL));
        assert_true((result > 0) == (f != NULL));
        if (f)
                assert_int_equal(f->code, result);
        if (f)
                snprintf(answer->text, sizeof(answer->text), "%s", f->text);
        if (!identity)
                return;
        snprintf(answer->user, sizeof(answer->user), "%s", identity->user);
        answer->uid = identity->uid;
        for (char *const *g = identity->groups; *g; g++)
                strcat(strcat(answer->groups, *g), " ");
        assert_string_equal(identity->methods[0], "pwd");
        assert_null(identity->methods[1]);
}

int begin(World *w, Answer *answer, const char *user, const char *secret) {
        AuthRequest request = {
                .service = "shop", .user = user, .secret = secret, .remote_host = "192.0.2.1", .started = boottime(),
        };
        Fault f = { 0 };
        int r;

        *answer = (Answer) { .world = w, .started = request.started };
        r = authenticator_begin(w->authenticator, &answer->authentication, &request, on_done, answer, &f);
        assert_int_equal(answer->times, 0);
        assert_int_equal(r, f.code);
        return r;
}

Answer ask(World *w, const char *user, const char *secret) {
        static Answer answer;

        assert_int_equal(begin(w, &answer, user, secret), 0);
        RUN_UNTIL(w, answer.times > 0);
        assert_int_equal(answer.times, 1);
        return answer;
}
