/* SPDX-License-Identifier: MIT */
/* The broker's side of PAM against helpers that the test plays itself, in the same event loop: good ones, slow ones and broken ones. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>

#include <cmocka.h>

#include "auth-protocol.h"
#include "authenticator.h"
#include "cleanup.h"
#include "span.h"

#define FLOOR (30u * USEC_PER_MSEC)
#define PATIENCE (10u * USEC_PER_SEC)
#define CONNECTIONS_MAX 64

typedef enum Manner {
        GOOD,                   /* answers by the user's name, see answer_begin() */
        DIES_AT_ONCE,           /* before READY */
        DIES_WHEN_READY,
        SAYS_RUBBISH,           /* instead of READY */
} Manner;

typedef struct World {
        char folder[64];
        struct sockaddr_un address;
        sd_event *event;
        int listener;
        sd_event_source *accepting;
        Manner manner;
        unsigned accepted, hangups;
        struct {
                int fd;
                sd_event_source *io;
        } connections[CONNECTIONS_MAX];
        char secret[AUTH_SECRET_MAX + 1], remote_host[REMOTE_HOST_MAX + 1];     /* of the last BEGIN */
        Authenticator *authenticator;
} World;

/* What done said. */
typedef struct Answer {
        World *world;
        Authentication *authentication;
        unsigned times;
        int result;
        char user[USER_MAX + 1], text[512], reason[512], groups[64];
        uid_t uid;
        int pam_result;
        uint64_t started, taken;
} Answer;

static uint64_t boottime(void) {
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

static void hang_up(World *w, size_t i) {
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
                .operation = AUTH_RESULT, .outcome = FAULT_AUTHENTICATION_FAILED, .pam_result = 7, .text = slice_of("pam_authenticate: no"),
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

static int set_up(void **state) {
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

static int tear_down(void **state) {
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

static AuthOptions options_of(const World *w) {
        return (AuthOptions) {
                .socket_path = w->address.sun_path,
                .idle_helpers = 2, .max_helpers = 4,
                .timeout_usec = PATIENCE, .failure_floor_usec = FLOOR,
        };
}

static void start(World *w, AuthOptions options) {
        assert_int_equal(authenticator_new(&w->authenticator, w->event, &options), 0);
}

static AuthStatus status_of(const World *w) {
        AuthStatus s;

        authenticator_status(w->authenticator, &s);
        return s;
}

#define RUN_UNTIL(w, condition)                                                         \
        do {                                                                            \
                uint64_t _end = boottime() + PATIENCE;                                  \
                while (!(condition)) {                                                  \
                        assert_true(boottime() < _end);                                 \
                        assert_true(sd_event_run((w)->event, 10 * USEC_PER_MSEC) >= 0); \
                }                                                                       \
        } while (0)

static void run_for(World *w, uint64_t usec) {
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

static int begin(World *w, Answer *answer, const char *user, const char *secret) {
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

static Answer ask(World *w, const char *user, const char *secret) {
        static Answer answer;

        assert_int_equal(begin(w, &answer, user, secret), 0);
        RUN_UNTIL(w, answer.times > 0);
        assert_int_equal(answer.times, 1);
        return answer;
}

/* ---- tests ---- */

static void test_success_says_who(void **state) {
        World *w = *state;
        Answer a;

        start(w, options_of(w));
        a = ask(w, "alice", "secret");
        assert_int_equal(a.result, 0);
        assert_string_equal(a.user, "alice");
        assert_int_equal(a.uid, 1000);
        assert_string_equal(a.groups, "staff sudo ");
        assert_string_equal(w->secret, "secret");
        assert_string_equal(w->remote_host, "192.0.2.1");
        assert_true(a.taken < PATIENCE / 2);            /* the delay that came with the success is ignored */
        assert_string_equal(ask(w, "mapped", "x").user, "alice");
}

static void test_S10_passwords_pass_as_received(void **state) {
        static const char *const secrets[] = { "x", " ", " leading and trailing ", "tab\tnewline\n", "p\xc3\xa4ssw\xc3\xb6rt", "\xf0\x9f\x94\x91\xf0\x9f\x94\x91",
                                               "e\xcc\x81 is not \xc3\xa9", "%s%n$(reboot)'\"\\" };
        World *w = *state;
        char longest[AUTH_SECRET_MAX + 1], shortened[2];

        start(w, options_of(w));
        for (size_t i = 0; i < ELEMENTSOF(secrets); i++) {
                assert_int_equal(ask(w, "alice", secrets[i]).result, 0);
                assert_string_equal(w->secret, secrets[i]);
        }
        memset(longest, 'y', AUTH_SECRET_MAX);
        longest[AUTH_SECRET_MAX] = '\0';
        assert_int_equal(ask(w, "alice", longest).result, 0);
        assert_string_equal(w->secret, longest);
        strcpy(shortened, "z");
        assert_int_equal(ask(w, "alice", shortened).result, 0);
        assert_string_equal(w->secret, "z");
}

static void test_S23_bad_requests_are_refused_at_once(void **state) {
        World *w = *state;
        char too_long[AUTH_SECRET_MAX + 2];
        Answer a;

        memset(too_long, 'y', sizeof(too_long) - 1);
        too_long[sizeof(too_long) - 1] = '\0';
        start(w, options_of(w));
        assert_int_equal(begin(w, &a, "alice", ""), FAULT_INVALID_ARGUMENT);
        assert_int_equal(begin(w, &a, "alice", too_long), FAULT_INVALID_ARGUMENT);
        assert_int_equal(begin(w, &a, "alice", "\xff"), FAULT_INVALID_ARGUMENT);
        assert_int_equal(begin(w, &a, "", "x"), FAULT_INVALID_ARGUMENT);
        assert_int_equal(begin(w, &a, "a\nb", "x"), FAULT_INVALID_ARGUMENT);
        assert_int_equal(status_of(w).waiting, 0);
}

static void test_S09_failures_are_alike_and_not_early(void **state) {
        World *w = *state;
        Answer wrong, unknown, slow;

        start(w, options_of(w));
        wrong = ask(w, "bob", "x");
        unknown = ask(w, "nobody-there", "x");
        assert_int_equal(wrong.result, FAULT_AUTHENTICATION_FAILED);
        assert_int_equal(unknown.result, FAULT_AUTHENTICATION_FAILED);
        assert_string_equal(wrong.text, unknown.text);
        assert_null(strstr(wrong.text, "pam_authenticate"));
        assert_string_equal(wrong.reason, "pam_authenticate: no");
        assert_int_equal(wrong.pam_result, 7);
        assert_true(wrong.taken >= FLOOR && unknown.taken >= FLOOR);
        slow = ask(w, "slow", "x");
        assert_true(slow.taken >= 3 * FLOOR);
        assert_true(ask(w, "otp", "x").result == FAULT_CONVERSATION_REQUIRED);
}

static void test_delay_beyond_reason_is_bounded(void **state) {
        World *w = *state;
        Answer a;

        start(w, options_of(w));
        assert_int_equal(begin(w, &a, "eternal", "x"), 0);
        RUN_UNTIL(w, status_of(w).active == 0 && w->hangups > 0);       /* its helper is given back while the failure is held */
        assert_int_equal(a.times, 0);
        authentication_cancel(a.authentication);
}

static void test_S15_broken_helpers_are_never_success(void **state) {
        static const char *const users[] = { "crash", "rubbish", "again", "strange", "nameless", "odd" };
        World *w = *state;

        start(w, options_of(w));
        for (size_t i = 0; i < ELEMENTSOF(users); i++) {
                Answer a = ask(w, users[i], "x");

                assert_int_equal(a.result, FAULT_UNAVAILABLE);
                assert_true(a.taken >= FLOOR);
                assert_non_null(strstr(a.text, "PAM"));
        }
        assert_int_equal(ask(w, "alice", "x").result, 0);
}

static void test_L08_silent_helper_times_out(void **state) {
        World *w = *state;
        AuthOptions options = options_of(w);
        Answer silent, other;

        options.timeout_usec = 10 * FLOOR;
        start(w, options);
        assert_int_equal(begin(w, &silent, "silent", "x"), 0);
        other = ask(w, "alice", "x");
        assert_int_equal(other.result, 0);
        assert_int_equal(silent.times, 0);
        RUN_UNTIL(w, silent.times);
        assert_int_equal(silent.result, FAULT_UNAVAILABLE);
        assert_true(silent.taken >= 10 * FLOOR);
        assert_non_null(strstr(silent.text, "LoginTimeoutSec"));
        RUN_UNTIL(w, w->hangups >= 2);                  /* the silent one is hung up on */
}

static void test_S16_cancel_hangs_up_and_is_silent(void **state) {
        World *w = *state;
        Answer asked, waiting;

        start(w, options_of(w));
        RUN_UNTIL(w, status_of(w).idle == 2);
        assert_int_equal(begin(w, &asked, "silent", "x"), 0);
        assert_int_equal(status_of(w).active, 1);
        assert_null(authentication_cancel(asked.authentication));
        assert_null(authentication_cancel(NULL));
        RUN_UNTIL(w, w->hangups == 1 && status_of(w).idle == 2);
        for (unsigned i = 0; i < 4; i++) {
                static Answer busy[4];

                assert_int_equal(begin(w, busy + i, "silent", "x"), 0);
        }
        RUN_UNTIL(w, status_of(w).active == 4);
        assert_int_equal(begin(w, &waiting, "alice", "x"), 0);
        assert_int_equal(status_of(w).waiting, 1);
        authentication_cancel(waiting.authentication);
        assert_int_equal(status_of(w).waiting, 0);
        run_for(w, FLOOR);
        assert_int_equal(asked.times + waiting.times, 0);
}

static void test_missing_socket_names_the_unit(void **state) {
        World *w = *state;
        AuthOptions options = options_of(w);
        char path[128];
        Answer a;

        snprintf(path, sizeof(path), "%s/elsewhere", w->folder);
        options.socket_path = path;
        start(w, options);
        a = ask(w, "alice", "x");
        assert_int_equal(a.result, FAULT_UNAVAILABLE);
        assert_non_null(strstr(a.text, "websess-pam.socket"));
        assert_non_null(strstr(a.text, path));
}

static void test_socket_that_appears_is_found(void **state) {
        World *w = *state;
        AuthOptions options = options_of(w);
        char path[128];

        snprintf(path, sizeof(path), "%s/elsewhere", w->folder);
        options.socket_path = path;
        start(w, options);
        assert_int_equal(ask(w, "alice", "x").result, FAULT_UNAVAILABLE);
        assert_int_equal(link(w->address.sun_path, path), 0);
        assert_int_equal(ask(w, "alice", "x").result, 0);
        RUN_UNTIL(w, status_of(w).idle == 2);
        unlink(path);
}

static void test_too_long_path_is_said(void **state) {
        World *w = *state;
        AuthOptions options = options_of(w);
        char path[200];

        memset(path, 'p', sizeof(path) - 1);
        path[sizeof(path) - 1] = '\0';
        options.socket_path = path;
        assert_int_equal(authenticator_new(&w->authenticator, w->event, &options), -ENAMETOOLONG);
}

/* Helpers that cannot start cost next to nothing, and whoever asks is told. */
static void dying_helpers(World *w, Manner manner) {
        Answer a;

        w->manner = manner;
        start(w, options_of(w));
        run_for(w, 20 * FLOOR);
        assert_true(w->accepted >= 2);
        assert_true(w->accepted < 24);
        a = ask(w, "alice", "x");
        assert_int_equal(a.result, FAULT_UNAVAILABLE);
        assert_true(status_of(w).failed > 0);
        w->manner = GOOD;
        a = ask(w, "alice", "x");
        assert_int_equal(a.result, 0);
        RUN_UNTIL(w, status_of(w).idle == 2);
}

static void test_helpers_that_die_at_once_do_not_spin(void **state) {
        dying_helpers(*state, DIES_AT_ONCE);
}

static void test_helpers_that_die_when_ready_do_not_spin(void **state) {
        dying_helpers(*state, DIES_WHEN_READY);
}

static void test_foreign_service_on_the_socket_does_not_spin(void **state) {
        dying_helpers(*state, SAYS_RUBBISH);
}

static void test_pool_is_kept_full(void **state) {
        World *w = *state;
        AuthOptions options = options_of(w);

        start(w, options);
        RUN_UNTIL(w, status_of(w).idle == 2);
        assert_int_equal(w->accepted, 2);
        ask(w, "alice", "x");
        RUN_UNTIL(w, status_of(w).idle == 2);
        assert_int_equal(w->accepted, 3);
        for (size_t i = 0; i < CONNECTIONS_MAX; i++)    /* one that waits dies */
                if (w->connections[i].fd >= 0) {
                        hang_up(w, i);
                        break;
                }
        RUN_UNTIL(w, w->accepted == 4 && status_of(w).idle == 2);
        options.idle_helpers = 1;
        authenticator_set_options(w->authenticator, &options);
        assert_int_equal(status_of(w).idle, 1);
}

static void test_S17_helpers_and_queue_are_bounded(void **state) {
        enum { MAX = 2, QUEUE = MAX * 4 };
        World *w = *state;
        AuthOptions options = options_of(w);
        Answer busy[MAX], waiting[QUEUE], refused;

        options.idle_helpers = options.max_helpers = MAX;
        start(w, options);
        for (size_t i = 0; i < MAX; i++)
                assert_int_equal(begin(w, busy + i, "silent", "x"), 0);
        RUN_UNTIL(w, status_of(w).active == MAX);
        for (size_t i = 0; i < QUEUE; i++)
                assert_int_equal(begin(w, waiting + i, "alice", "x"), 0);
        assert_int_equal(begin(w, &refused, "alice", "x"), FAULT_TOO_MANY);
        run_for(w, FLOOR);
        assert_int_equal(w->accepted, MAX);
        authentication_cancel(busy[0].authentication);
        RUN_UNTIL(w, status_of(w).waiting == 0 && waiting[QUEUE - 1].times);
        for (size_t i = 0; i < QUEUE; i++) {
                assert_int_equal(waiting[i].times, 1);
                assert_int_equal(waiting[i].result, 0);
        }
        authentication_cancel(busy[1].authentication);
}

static void test_waiting_has_the_same_time_out(void **state) {
        World *w = *state;
        AuthOptions options = options_of(w);
        Answer busy, waiting;

        options.idle_helpers = options.max_helpers = 1;
        start(w, options);
        assert_int_equal(begin(w, &busy, "silent", "x"), 0);
        RUN_UNTIL(w, status_of(w).active == 1);
        options.timeout_usec = 4 * FLOOR;
        authenticator_set_options(w->authenticator, &options);
        assert_int_equal(begin(w, &waiting, "alice", "x"), 0);
        RUN_UNTIL(w, waiting.times);
        assert_int_equal(waiting.result, FAULT_UNAVAILABLE);
        assert_non_null(strstr(waiting.text, "MaxHelpers"));
        authentication_cancel(busy.authentication);
}

static void on_done_begin_again(Authentication *a, int result, const AuthIdentity *identity, const Fault *f, void *userdata) {
        Answer *answer = userdata;

        assert_null(authentication_cancel(a));          /* is being answered: nothing to cancel */
        assert_int_equal(begin(answer->world, answer + 1, "alice", "x"), 0);
        answer->times++;
}

static void test_done_may_ask_again_and_cancel(void **state) {
        World *w = *state;
        Answer answers[2] = { { .world = w } };
        AuthRequest request = { .service = "shop", .user = "alice", .secret = "x", .remote_host = "", .started = boottime() };

        start(w, options_of(w));
        assert_int_equal(authenticator_begin(w->authenticator, &answers[0].authentication, &request, on_done_begin_again, answers, NULL), 0);
        RUN_UNTIL(w, answers[0].times && answers[1].times);
        assert_int_equal(answers[1].result, 0);
        assert_string_equal(w->remote_host, "192.0.2.1");
}

static void test_free_with_work_in_every_state(void **state) {
        static Answer asked, held, waiting[4];
        World *w = *state;

        start(w, options_of(w));
        assert_int_equal(begin(w, &held, "eternal", "x"), 0);
        RUN_UNTIL(w, w->hangups == 1);
        assert_int_equal(begin(w, &asked, "silent", "x"), 0);
        for (size_t i = 0; i < ELEMENTSOF(waiting); i++)
                assert_int_equal(begin(w, waiting + i, "silent", "x"), 0);
        w->authenticator = authenticator_free(w->authenticator);
        run_for(w, 2 * FLOOR);
        assert_int_equal(asked.times + held.times + waiting[0].times, 0);
        assert_null(authenticator_free(NULL));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void) {
        const struct CMUnitTest tests[] = {
                TEST(test_success_says_who),
                TEST(test_S10_passwords_pass_as_received),
                TEST(test_S23_bad_requests_are_refused_at_once),
                TEST(test_S09_failures_are_alike_and_not_early),
                TEST(test_delay_beyond_reason_is_bounded),
                TEST(test_S15_broken_helpers_are_never_success),
                TEST(test_L08_silent_helper_times_out),
                TEST(test_S16_cancel_hangs_up_and_is_silent),
                TEST(test_missing_socket_names_the_unit),
                TEST(test_socket_that_appears_is_found),
                TEST(test_too_long_path_is_said),
                TEST(test_helpers_that_die_at_once_do_not_spin),
                TEST(test_helpers_that_die_when_ready_do_not_spin),
                TEST(test_foreign_service_on_the_socket_does_not_spin),
                TEST(test_pool_is_kept_full),
                TEST(test_S17_helpers_and_queue_are_bounded),
                TEST(test_waiting_has_the_same_time_out),
                TEST(test_done_may_ask_again_and_cancel),
                TEST(test_free_with_work_in_every_state),
        };

        return cmocka_run_group_tests_name("authenticator", tests, NULL, NULL);
}
