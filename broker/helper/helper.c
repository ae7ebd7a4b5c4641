/* SPDX-License-Identifier: MIT */
/* One conversation: owns the packet buffer and wipes it. Trusts nothing that comes in but its kernel credentials. */
#include "helper.h"

#include <errno.h>
#include <fcntl.h>
#include <locale.h>
#include <poll.h>
#include <pwd.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "account.h"
#include "auth-protocol.h"
#include "cleanup.h"
#include "digest.h"
#include "fault.h"
#include "policy.h"
#include "stack.h"
#include "validate.h"

#define BROKER_USER "websess"

DEFINE_CLEANUP(Service *, service_free)

typedef enum HelperState {
        STATE_FRESH,            /* nothing has been asked */
        STATE_LOOKING,          /* at accounts: more questions of that kind may come */
        STATE_DONE,             /* answered: nothing more may come */
} HelperState;

typedef struct Helper {
        int fd;
        const HelperOptions *options;
        HelperState state;
        uint8_t *packet;        /* AUTH_MESSAGE_MAX bytes; holds the secret for a while */
} Helper;

int helper_check_peer(int fd, const HelperOptions *options) {
        struct ucred peer;
        socklen_t size = sizeof(peer);
        const struct passwd *broker;

        if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) < 0)
                return -errno;
        if (peer.uid == (uid_t) -1)
                return -EPERM;
        if (peer.uid == 0 || peer.uid == geteuid() || peer.uid == options->peer_uid)
                return 0;
        broker = getpwnam(BROKER_USER);
        return broker && broker->pw_uid == peer.uid ? 0 : -EPERM;
}

/* ---- packets ---- */

static int send_message(Helper *h, const AuthMessage *m) {
        size_t size;
        int r = auth_message_encode(m, h->packet, AUTH_MESSAGE_MAX, &size);

        if (r < 0)
                return r;
        return send(h->fd, h->packet, size, MSG_NOSIGNAL) < 0 ? -errno : 0;
}

/* 1 and a message, 0 when the broker has hung up, or a negative errno. */
static int receive_message(Helper *h, AuthMessage *ret) {
        ssize_t n;
        int r;

        do
                n = recv(h->fd, h->packet, AUTH_MESSAGE_MAX, MSG_TRUNC);
        while (n < 0 && errno == EINTR);
        if (n < 0)
                return errno == ECONNRESET ? 0 : -errno;
        if (n == 0)
                return 0;
        if ((size_t) n > AUTH_MESSAGE_MAX)
                return -EPROTO;
        r = auth_message_decode(h->packet, (size_t) n, ret);
        return r < 0 ? r : 1;
}

/* ---- a broker that hangs up ends the conversation, whatever the stack is doing ---- */

static void on_hangup(int number, siginfo_t *info, void *context) {
        struct pollfd p = { .fd = info->si_fd, .events = 0 };
        int saved = errno;

        if (poll(&p, 1, 0) == 1 && (p.revents & POLLHUP))
                _exit(EXIT_SUCCESS);
        errno = saved;
}

/* A module may block for minutes; the kernel's signal for the socket is what interrupts it. */
static int die_with_broker(int fd) {
        struct sigaction action = { .sa_sigaction = on_hangup, .sa_flags = SA_SIGINFO | SA_RESTART };
        struct pollfd p = { .fd = fd, .events = 0 };
        int flags = fcntl(fd, F_GETFL);

        if (flags < 0 || sigaction(SIGIO, &action, NULL) < 0 || fcntl(fd, F_SETOWN, getpid()) < 0 ||
            fcntl(fd, F_SETSIG, SIGIO) < 0 || fcntl(fd, F_SETFL, flags | O_ASYNC) < 0)
                return -errno;
        if (poll(&p, 1, 0) == 1 && (p.revents & POLLHUP))
                return -ECONNRESET;
        return 0;
}

/* ---- BEGIN and CONVERSE ---- */

/* The question as C strings. */
typedef struct Question {
        char *service, *user, *secret, *remote_host, *session, *language;
        bool step_up;
        uint8_t account_key[AUTH_KEY_SIZE];
} Question;

static void question_done(Question *q) {
        if (q->secret)
                wipe(q->secret, strlen(q->secret));
        free(q->service);
        free(q->user);
        free(q->secret);
        free(q->remote_host);
        free(q->session);
        free(q->language);
        wipe(q->account_key, sizeof(q->account_key));
}

static char *slice_to_string(Slice s) {
        return s.size > 0 ? strndup(s.data, s.size) : strdup("");
}

static int question_read(Question *q, const AuthMessage *m) {
        Ident session;

        if (validate_service(m->service, NULL) != 0 || validate_user(m->user, NULL) != 0 ||
            validate_remote_host(m->remote_host, NULL) != 0 || validate_language(m->language, NULL) != 0)
                return -EBADMSG;
        if (m->operation == AUTH_BEGIN && validate_password(m->secret, NULL) != 0)
                return -EBADMSG;
        if (m->session.size > 0 && !ident_parse(m->session.data, m->session.size, &session))
                return -EBADMSG;
        q->step_up = m->flags & AUTH_STEP_UP;
        memcpy(q->account_key, m->account_key, sizeof(q->account_key));
        q->service = slice_to_string(m->service);
        q->user = slice_to_string(m->user);
        q->secret = slice_to_string(m->secret);
        q->remote_host = slice_to_string(m->remote_host);
        q->session = slice_to_string(m->session);
        q->language = slice_to_string(m->language);
        return q->service && q->user && q->secret && q->remote_host && q->session && q->language ? 0 : -ENOMEM;
}

/* Which PAM service stands behind a websess service: the policy on disk decides, not whoever asks. Of it only this
 * service's part is read: a mistake in another one's file shuts nobody out. 0 or FAULT_UNAVAILABLE. */
static int find_service(const HelperOptions *options, const char *name, Service **ret, Fault *f) {
        _cleanup_(service_freep) Service *service = NULL;
        int r = policy_load_service(&service, options->configuration, name, f);

        if (r < 0)
                return fault(f, FAULT_UNAVAILABLE, "the policy in %s cannot be read: %s", options->configuration,
                             strerror(-r));
        if (r > 0)
                return f->code = FAULT_UNAVAILABLE;
        if (service->users != USERS_UNIX)
                return fault(f, FAULT_UNAVAILABLE,
                             "service \"%s\" has users of its own (Users=app): PAM does not know them", name);
        *ret = TAKE_PTR(service);
        return 0;
}

/* What modules say is in the service's language; where the machine does not have that, they still say it. */
static void speak(const Service *service, const char *wanted) {
        const char *language = service_language(service, wanted);

        if (!language || (setlocale(LC_CTYPE, language) && setlocale(LC_MESSAGES, language)))
                return;
        (void) setlocale(LC_CTYPE, "C");
        fprintf(stderr, "websess-pam: there is no locale %s on this machine: see Language= of service \"%s\", and locale-gen(8)\n",
                language, service->name);
}

static int send_outcome(Helper *h, int outcome, int pam_result, uint64_t delay_usec, const char *text) {
        return send_message(h, &(AuthMessage) {
                .operation = AUTH_RESULT,
                .outcome = (uint32_t) outcome,
                .pam_result = (uint32_t) pam_result,
                .delay_usec = delay_usec,
                .uid = RECORD_NO_UID,
                .text = slice(text, strnlen(text, AUTH_TEXT_MAX)),
        });
}

static int send_success(Helper *h, const StackResult *result, const Stack *stack, const uint8_t key[static AUTH_KEY_SIZE]) {
        Slice methods[METHODS_MAX];
        _cleanup_(account_done) Account account;
        _cleanup_free_ Slice *groups = NULL;
        AuthMessage m = {
                .operation = AUTH_RESULT,
                .user = slice_of(result->user),
                .methods = methods,
                .n_methods = stack->methods->n,
                .level = stack->level,
        };
        int r = account_lookup(&account, result->user, key);

        if (r < 0)
                return send_outcome(h, FAULT_UNAVAILABLE, result->pam_result, 0,
                                    "the user's groups cannot be read: see nsswitch.conf(5)");
        for (size_t i = 0; i < stack->methods->n; i++)
                methods[i] = slice_of(stack->methods->names[i]);
        groups = calloc(account.n_groups + 1, sizeof(*groups));
        if (!groups)
                return -ENOMEM;
        for (size_t i = 0; i < account.n_groups; i++)
                groups[i] = slice_of(account.groups[i]);
        m.uid = account.uid;
        m.flags = (account.local ? AUTH_LOCAL : 0u) | (result->password_changed ? AUTH_PASSWORD_CHANGED : 0u);
        memcpy(m.account_digest, account.digest, sizeof(m.account_digest));
        m.groups = groups;
        m.n_groups = account.n_groups;
        if (auth_message_size(&m) == 0)
                return send_outcome(h, FAULT_UNAVAILABLE, result->pam_result, 0, "the user is in too many groups");
        return send_message(h, &m);
}

/* ---- rounds of PROMPT and ANSWER ---- */

/* One message as the protocol has it. What is no UTF-8 is shown as '?', since D-Bus carries nothing else. */
static int prompt_make(const StackMessage *m, char **ret) {
        size_t size = strnlen(m->text, AUTH_PROMPT_MAX);
        char *text;

        while (m->text[size] && size > 0 && ((unsigned char) m->text[size] & 0xc0) == 0x80)
                size--;         /* cut between characters */
        text = malloc(1 + size);
        if (!text)
                return -ENOMEM;
        text[0] = (char) m->style;
        memcpy(text + 1, m->text, size);
        while (!utf8_valid(text + 1, size))
                for (size_t i = 1; i <= size; i++)
                        if ((unsigned char) text[i] >= 0x80)
                                text[i] = '?';
        *ret = text;
        return (int) size + 1;
}

static int send_prompt(Helper *h, const StackMessage *messages, size_t n) {
        Slice list[AUTH_PROMPTS_MAX];
        AuthMessage m = { .operation = AUTH_PROMPT, .messages = list };
        int r = 0;

        for (; r >= 0 && m.n_messages < n; m.n_messages++) {
                char *text;

                r = prompt_make(messages + m.n_messages, &text);
                if (r < 0)
                        break;
                list[m.n_messages] = slice(text, (size_t) r);
        }
        if (r >= 0)
                r = send_message(h, &m);
        for (size_t i = 0; i < m.n_messages; i++)
                free((char *) list[i].data);
        return r;
}

/* Hand the answers to those messages that asked. What does not fit them is not PAM's to guess about. */
static int take_answers(const AuthMessage *m, const StackMessage *messages, size_t n, char **answers) {
        size_t position = 0, wanted = 0;
        Slice answer;

        for (size_t i = 0; i < n; i++)
                wanted += auth_style_asks(messages[i].style);
        if (m->operation != AUTH_ANSWER || m->n_answers != wanted)
                return -EPROTO;
        for (size_t i = 0; i < n; i++) {
                if (!auth_style_asks(messages[i].style) || !auth_message_next_answer(m, &position, &answer))
                        continue;
                answers[i] = slice_to_string(answer);
                if (!answers[i])
                        return -ENOMEM;
        }
        return 0;
}

static int ask(const StackMessage *messages, size_t n, char **answers, void *userdata) {
        Helper *h = userdata;
        AuthMessage m;
        int r;

        if (n > AUTH_PROMPTS_MAX)
                return -E2BIG;
        r = send_prompt(h, messages, n);
        if (r < 0)
                return r;
        r = receive_message(h, &m);
        if (r == 0)
                _exit(EXIT_SUCCESS);    /* hung up: no module gets to say another word */
        if (r > 0)
                r = take_answers(&m, messages, n, answers);
        wipe(h->packet, AUTH_MESSAGE_MAX);
        return r;
}

/* BEGIN or CONVERSE: run the stack and say how it ended. */
static int handle_question(Helper *h, const AuthMessage *m) {
        _cleanup_(question_done) Question q = { 0 };
        _cleanup_(stack_result_done) StackResult result = { 0 };
        _cleanup_(service_freep) Service *service = NULL;
        const bool converse = m->operation == AUTH_CONVERSE;
        Stack stack;
        Fault f = { 0 };
        int r = question_read(&q, m);

        wipe(h->packet, AUTH_MESSAGE_MAX);
        if (r < 0)
                return r;
        r = find_service(h->options, q.service, &service, &f);
        if (r != 0)
                return send_outcome(h, r, 0, 0, f.text);
        speak(service, q.language);
        stack = service_stack(service, q.step_up);
        r = die_with_broker(h->fd);
        if (r < 0)
                return r;
        stack_authenticate(&(StackRequest) {
                .pam_service = stack.pam_service,
                .pam_confdir = h->options->pam_confdir,
                .user = q.user,
                .secret = q.secret,
                .remote_host = q.remote_host,
                .session = q.session,
                .ask = converse ? ask : NULL,
                .userdata = h,
        }, &result);
        if (result.outcome == FAULT_NONE)
                return send_success(h, &result, &stack, q.account_key);
        return send_outcome(h, result.outcome, result.pam_result, result.delay_usec, result.text);
}

/* ---- LOOK ---- */

/* The names as strings: the packet they came in is needed for the answers. */
static int copy_users(const AuthMessage *m, char *users[static AUTH_LOOK_MAX]) {
        size_t position = 0, n = 0;
        Slice s;

        if (m->n_users > AUTH_LOOK_MAX)
                return -EPROTO;
        while (auth_message_next_user(m, &position, &s)) {
                if (validate_user(s, NULL) != 0)
                        return -EPROTO;
                users[n] = slice_to_string(s);
                if (!users[n++])
                        return -ENOMEM;
        }
        return 0;
}

static int send_account(Helper *h, const char *user, const uint8_t key[static AUTH_KEY_SIZE]) {
        _cleanup_(account_done) Account account;
        _cleanup_free_ Slice *groups = NULL;
        AuthMessage m = { .operation = AUTH_ACCOUNT, .user = slice_of(user) };

        if (account_lookup(&account, user, key) < 0)
                account_done(&account);
        groups = calloc(account.n_groups + 1, sizeof(*groups));
        if (!groups)
                return -ENOMEM;
        for (size_t i = 0; i < account.n_groups; i++)
                groups[i] = slice_of(account.groups[i]);
        m.uid = account.uid;
        m.account = account.state;
        m.flags = account.local ? AUTH_LOCAL : 0;
        m.groups = groups;
        m.n_groups = account.n_groups;
        memcpy(m.account_digest, account.digest, sizeof(m.account_digest));
        if (auth_message_size(&m) == 0) {       /* in too many groups */
                m.account = AUTH_ACCOUNT_UNSURE;
                m.n_groups = 0;
        }
        return send_message(h, &m);
}

static int handle_look(Helper *h, const AuthMessage *m) {
        char *users[AUTH_LOOK_MAX + 1] = { NULL };
        uint8_t key[AUTH_KEY_SIZE];
        int r = copy_users(m, users);

        memcpy(key, m->account_key, sizeof(key));
        wipe(h->packet, AUTH_MESSAGE_MAX);
        if (r == 0)
                r = die_with_broker(h->fd);
        for (size_t i = 0; r >= 0 && users[i]; i++)
                r = send_account(h, users[i], key);
        wipe(key, sizeof(key));
        for (size_t i = 0; users[i]; i++)
                free(users[i]);
        return r;
}

/* ---- what may be asked when ---- */

static const struct {
        HelperState state;
        uint8_t operation;
        int (*handle)(Helper *h, const AuthMessage *m);
        HelperState next;
} turns[] = {
        { STATE_FRESH, AUTH_BEGIN, handle_question, STATE_DONE },
        { STATE_FRESH, AUTH_CONVERSE, handle_question, STATE_DONE },
        { STATE_FRESH, AUTH_LOOK, handle_look, STATE_LOOKING },
        { STATE_LOOKING, AUTH_LOOK, handle_look, STATE_LOOKING },
};

static int take_turn(Helper *h, const AuthMessage *m) {
        for (size_t i = 0; i < ELEMENTSOF(turns); i++)
                if (turns[i].state == h->state && turns[i].operation == m->operation) {
                        h->state = turns[i].next;       /* first, so that no failure lets it be asked again */
                        return turns[i].handle(h, m);
                }
        return -EPROTO;
}

static int converse(Helper *h) {
        int r = send_message(h, &(AuthMessage) { .operation = AUTH_READY });

        while (r >= 0 && h->state != STATE_DONE) {
                AuthMessage m;

                r = receive_message(h, &m);
                if (r <= 0)
                        return r;
                r = take_turn(h, &m);
        }
        return r;
}

int helper_serve(int fd, const HelperOptions *options) {
        Helper h = { .fd = fd, .options = options, .packet = malloc(AUTH_MESSAGE_MAX) };
        int r;

        if (!h.packet)
                return -ENOMEM;
        r = converse(&h);
        wipe(h.packet, AUTH_MESSAGE_MAX);
        free(h.packet);
        return r;
}
