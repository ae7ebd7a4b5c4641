/* SPDX-License-Identifier: MIT */
/*
 * Logins in rounds: BeginLogin makes a conversation, Continue answers what PAM asked and waits for what it asks next. A
 * conversation belongs to the connection that began it: to any other there is no such object. It ends with its result,
 * with its connection, with Cancel, or when its time is over. PAM is asked for the first time by the first Continue, so
 * that whatever PAM says has a call that waits for it.
 */
#include "api-login.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cleanup.h"
#include "api-stepup.h"
#include "span.h"
#include "websess-names.h"

/* ---- answers to Continue ---- */

static int append_prompts(sd_bus_message *reply, const AuthPrompt *prompts, size_t n) {
        int r = sd_bus_message_open_container(reply, 'a', "(us)");

        for (size_t i = 0; r >= 0 && i < n; i++)
                r = sd_bus_message_append(reply, "(us)", (uint32_t) prompts[i].style, prompts[i].text);
        return r < 0 ? r : sd_bus_message_close_container(reply);
}

/* A round that brings no session. */
static int send_round(BusCall *call, const char *state, const AuthPrompt *prompts, size_t n) {
        sd_bus_message *reply = NULL;
        int r;

        r = bus_call_new_reply(call, &reply);
        if (r >= 0)
                r = sd_bus_message_append(reply, "s", state);
        if (r >= 0)
                r = append_prompts(reply, prompts, n);
        if (r >= 0)
                r = sd_bus_message_append(reply, "sa{sv}", "", 0);
        if (r >= 0)
                r = bus_call_send(call, reply);
        sd_bus_message_unref(reply);
        return r;
}

static void prompted(Authentication *a, const AuthPrompt *prompts, size_t n, void *userdata) {
        Login *l = userdata;
        int r = send_round(l->round, "prompt", prompts, n);

        if (r < 0)
                bus_call_fail(l->round, r, NULL);
        l->round = bus_call_unref(l->round);
}

void conversation_fail(BusCall *round, int result, const Fault *f) {
        int r = result;

        if (result == FAULT_AUTHENTICATION_FAILED)
                r = send_round(round, "denied", NULL, 0);
        if (r != 0)
                bus_call_fail(round, r, f);
}

static void authenticated(Authentication *a, int result, const AuthIdentity *identity, const Fault *f, void *userdata) {
        Login *l = userdata;

        l->authentication = NULL;
        api_throttle_end(l->manager, &l->ticket, result);
        if (result > 0)
                login_log_failed(l, f, authentication_reason(a));
        if (!l->round) {
                /* The helper died while the person thought: whoever comes with the answers is told. */
                if (result > 0)
                        l->ended = *f;
                else
                        fault_plain(&l->ended, FAULT_UNAVAILABLE);
                return;
        }
        if (result != 0) {
                conversation_fail(l->round, result, f);
                login_free(l);
                return;
        }
        bus_call_unref(l->call);
        l->call = TAKE_PTR(l->round);
        if (options_have(&l->options, OPTION_TOKEN))
                step_up_finish(l, identity);
        else
                login_succeeded(l, identity);
}

/* ---- BeginLogin ---- */

static int on_time_up(sd_event_source *source, uint64_t usec, void *userdata) {
        Login *l = userdata;
        Fault f;

        if (l->round) {
                fault(&f, FAULT_UNAVAILABLE, "the conversation took too long: see ConversationSec= in websess.conf, and the PAM stack");
                login_log_failed(l, &f, "");
                bus_call_fail(l->round, f.code, &f);
        }
        login_free(l);
        return 0;
}

static int read_begin(Login *l, Fault *f) {
        Slice user;
        int r;

        r = login_read_service(l, &user, f);
        if (r != 0)
                return r;
        r = login_read_options(l, OPTIONS_BEGIN, f);
        if (r != 0)
                return r;
        if (options_have(&l->options, OPTION_TOKEN))
                r = step_up_begin(l, user, f);
        else
                r = login_set_user(l, user, f);
        return r != 0 ? r : login_check_number(l, f);
}

HANDLER(api_begin_login) {
        _cleanup_(login_freep) Login *l = NULL;
        char path[sizeof(WEBSESS_CONVERSATION_PATH) + 24];
        Manager *manager = userdata;
        int r;

        r = login_new(&l, manager, call, m, "BeginLogin");
        if (r < 0)
                return r;
        l->reply = pending_reply_conversation;
        r = read_begin(l, f);
        if (r != 0)
                return r;
        r = sd_event_add_time(manager->event, &l->timer, CLOCK_BOOTTIME,
                              bus_call_started(call) + l->policy->settings.conversation_usec, USEC_PER_MSEC, on_time_up, l);
        if (r < 0)
                return r;
        l->number = ++manager->conversations;
        snprintf(path, sizeof(path), WEBSESS_CONVERSATION_PATH "/%" PRIu64, l->number);
        r = bus_call_reply(call, "o", path);
        if (r < 0)
                return r;
        TAKE_PTR(l);
        return 0;
}

/* ---- Continue and Cancel ---- */

static int ask_first(Login *l, const Strings *answers, BusCall *call, Fault *f) {
        if (answers->n > 0)
                return fault(f, FAULT_INVALID_ARGUMENT, "answers: nothing has been asked yet: the first Continue brings none");
        return authenticator_begin(l->manager->authenticator, &l->authentication, &(AuthRequest) {
                .service = l->service->name, .user = l->user, .remote_host = l->host, .started = bus_call_started(call),
                .prompted = prompted, .step_up = options_have(&l->options, OPTION_TOKEN), .session = l->session,
                .language = l->options.language,
        }, authenticated, l, f);
}

HANDLER(api_continue) {
        _cleanup_(strings_done) Strings answers = {};
        Login *l = object;
        int r;

        r = args_strings(m, &answers);
        if (r < 0)
                return r;
        if (l->round)
                return fault(f, FAULT_INVALID_ARGUMENT, "another Continue of this conversation is still unanswered");
        if (l->ended.code) {
                *f = l->ended;
                login_free(l);
                return f->code;
        }
        /* The first answers are the guess that is counted, not the page that asks for them. */
        if (l->authentication && answers.n > 0 && l->ticket.n == 0) {
                r = api_throttle_begin(l->manager, call, &l->ticket, l->service, l->user, slice_of(l->host), f);
                if (r != 0)
                        return r;
        }
        if (l->authentication)
                r = authentication_answer(l->authentication, answers.items, answers.n, bus_call_started(call), f);
        else
                r = ask_first(l, &answers, call, f);
        if (r == 0)
                l->round = bus_call_ref(call);
        return r;
}

HANDLER(api_cancel) {
        login_free(object);
        return bus_call_reply(call, "");
}

/* ---- the objects ---- */

static bool owned_by(const Login *l, const BusClient *client) {
        return l->number && bus_call_client(l->call) == client;
}

/* The last component of a path, as BeginLogin wrote it: digits, and no zero in front. */
static bool parse_number(const char *text, uint64_t *ret) {
        char *end;

        if (*text < '1' || *text > '9')
                return false;
        errno = 0;
        *ret = strtoull(text, &end, 10);
        return errno == 0 && !*end;
}

int api_find_conversation(void *userdata, const BusClient *client, const char *child, void **ret, Fault *f) {
        Manager *m = userdata;
        uint64_t number;
        Login *l;

        if (!parse_number(child, &number))
                return 0;
        TAILQ_FOREACH(l, &m->logins, link)
                if (l->number == number && owned_by(l, client))
                        *ret = l;
        return 0;
}

int api_conversation_children(void *userdata, const BusClient *client, char cursor[static BUS_CURSOR_SIZE], BusChild each, void *to) {
        Manager *m = userdata;
        char name[24];
        Login *l;

        TAILQ_FOREACH(l, &m->logins, link)
                if (owned_by(l, client)) {
                        snprintf(name, sizeof(name), "%" PRIu64, l->number);
                        each(to, name);
                }
        cursor[0] = 0;
        return 0;
}
