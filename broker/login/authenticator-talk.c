/* SPDX-License-Identifier: MIT */
/*
 * What is said to a helper and what its words mean. Owns nothing for longer than a call; wipes every packet that
 * holds a secret. Trusts a helper's numbers no further than the decoder has checked them.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "authenticator-internal.h"
#include "cleanup.h"
#include "digest.h"
#include "validate.h"

int authentication_make_packet(Authentication *x, const AuthRequest *request) {
        AuthMessage m = {
                .operation = request->secret ? AUTH_BEGIN : AUTH_CONVERSE,
                .service = slice_of(request->service),
                .user = slice_of(request->user),
                .secret = slice_of(request->secret),
                .flags = request->step_up ? AUTH_STEP_UP : 0,
                .remote_host = slice_of(request->remote_host),
                .session = slice_of(request->session),
                .language = request->language,
        };
        int r;

        if (x->authenticator->options.account_key)
                memcpy(m.account_key, x->authenticator->options.account_key, AUTH_KEY_SIZE);
        x->packet_size = auth_message_size(&m);
        if (x->packet_size == 0)
                return -EINVAL;
        x->packet = malloc(x->packet_size);
        if (!x->packet)
                return -ENOMEM;
        r = auth_message_encode(&m, x->packet, x->packet_size, &x->packet_size);
        wipe(m.account_key, sizeof(m.account_key));
        return r;
}

/* ---- results ---- */

/* Lists as C programs like them: pointers into one block of text, NULL at the end. */
typedef struct NameList {
        char **names;
        char *text;
} NameList;

static void name_list_done(NameList *l) {
        free(l->names);
        free(l->text);
}

typedef bool (*NextName)(const AuthMessage *m, size_t *position, Slice *out);

static int name_list_read(NameList *l, const AuthMessage *m, NextName next, size_t n) {
        size_t position = 0, i = 0;
        char *at;
        Slice s;

        l->names = calloc(n + 1, sizeof(char *));
        l->text = at = malloc(m->fields.size + n + 1);
        if (!l->names || !l->text)
                return -ENOMEM;
        while (i < n && next(m, &position, &s)) {
                memcpy(at, s.data, s.size);
                at[s.size] = '\0';
                l->names[i++] = at;
                at += s.size + 1;
        }
        return 0;
}

static bool next_text(const AuthMessage *m, size_t *position, Slice *out) {
        int style;

        return auth_message_next_prompt(m, position, &style, out);
}

static void finish_success(Authentication *x, const AuthMessage *m) {
        _cleanup_(name_list_done) NameList groups = { 0 }, methods = { 0 };
        _cleanup_free_ char *user = NULL;
        AuthIdentity identity = {
                .uid = m->uid, .local = m->flags & AUTH_LOCAL, .password_changed = m->flags & AUTH_PASSWORD_CHANGED,
        };

        if (m->user.size == 0 || validate_user(m->user, NULL) != 0) {
                authentication_unavailable(x, "the PAM helper names no user that can be: see PAM_USER in its stack");
                return;
        }
        user = strndup(m->user.data, m->user.size);
        if (!user || name_list_read(&groups, m, auth_message_next_group, m->n_groups) < 0 ||
            name_list_read(&methods, m, auth_message_next_method, m->n_methods) < 0) {
                authentication_failed(x, -ENOMEM, 0);
                return;
        }
        identity.user = user;
        identity.level = m->level;
        identity.groups = groups.names;
        identity.methods = (const char *const *) methods.names;
        memcpy(identity.account_digest, m->account_digest, sizeof(identity.account_digest));
        authentication_give_helper_back(x);
        x->result = 0;
        authentication_deliver(x, &identity);
}

static void take_result(Authentication *x, const AuthMessage *m) {
        x->pam_result = (int) m->pam_result;
        if (m->text.size > 0)
                memcpy(x->reason, m->text.data, m->text.size);          /* the decoder holds it to AUTH_TEXT_MAX */
        x->reason[m->text.size] = '\0';
        switch (m->outcome) {
        case FAULT_NONE:
                finish_success(x, m);
                break;
        case FAULT_AUTHENTICATION_FAILED:
                /* One text whatever the reason was. */
                fault(&x->fault, FAULT_AUTHENTICATION_FAILED, "%s", fault_text(FAULT_AUTHENTICATION_FAILED));
                authentication_failed(x, FAULT_AUTHENTICATION_FAILED, m->delay_usec);
                break;
        case FAULT_CONVERSATION_REQUIRED:
        case FAULT_UNAVAILABLE:
                fault(&x->fault, (int) m->outcome, "%s", *x->reason ? x->reason : fault_text((int) m->outcome));
                authentication_failed(x, (int) m->outcome, m->delay_usec);
                break;
        default:
                authentication_unavailable(x, "the PAM helper answered with an outcome that is none");
        }
}

/* ---- rounds ---- */

static void take_prompts(Authentication *x, const AuthMessage *m) {
        _cleanup_(name_list_done) NameList texts = { 0 };
        AuthPrompt prompts[AUTH_PROMPTS_MAX];
        size_t position = 0, n = 0;
        Slice text;
        int style;

        if (m->n_messages > ELEMENTSOF(prompts)) {
                authentication_unavailable(x, "the PAM helper asks more at once than PAM allows");
                return;
        }
        if (name_list_read(&texts, m, next_text, m->n_messages) < 0) {
                authentication_failed(x, -ENOMEM, 0);
                return;
        }
        x->n_wanted = 0;
        while (auth_message_next_prompt(m, &position, &style, &text)) {
                if (style < AUTH_STYLE_SECRET || style > AUTH_STYLE_INFO || !utf8_valid(text.data, text.size)) {
                        authentication_unavailable(x, "the PAM helper asks in a way that is none");
                        return;
                }
                x->n_wanted += auth_style_asks(style);
                prompts[n] = (AuthPrompt) { style, texts.names[n] };
                n++;
        }
        pool_worked(x->authenticator->pool);
        authentication_set_state(x, STATE_PROMPTED);
        x->prompted(x, prompts, n, x->userdata);        /* x may be gone now */
}

static int send_answers(Authentication *x, const Slice *answers, size_t n) {
        AuthMessage m = { .operation = AUTH_ANSWER, .answers = answers, .n_answers = n };
        size_t size = auth_message_size(&m);
        uint8_t *packet;
        int r;

        if (size == 0)
                return -EINVAL;
        packet = malloc(size);
        if (!packet)
                return -ENOMEM;
        r = auth_message_encode(&m, packet, size, &size);
        if (r >= 0)
                r = helper_send(x->helper, packet, size);
        wipe(packet, size);
        free(packet);
        return r;
}

int authentication_answer(Authentication *x, const Slice *answers, size_t n, uint64_t started, Fault *f) {
        int r;

        if (x->state == STATE_HELD)
                return 0;       /* the helper died while the person thought: that is on its way */
        if (x->state != STATE_PROMPTED)
                return fault(f, FAULT_INVALID_ARGUMENT, "nothing has been asked that is not answered yet");
        if (n != x->n_wanted)
                return fault(f, FAULT_INVALID_ARGUMENT, "answers: %zu given, %zu asked for: one for each message of style 1 and 2",
                             n, x->n_wanted);
        for (size_t i = 0; i < n; i++)
                if (answers[i].size > AUTH_SECRET_MAX)
                        return fault(f, FAULT_INVALID_ARGUMENT, "answers: longer than %u bytes", AUTH_SECRET_MAX);
        r = send_answers(x, answers, n);
        /* A helper that is gone says so by its socket. */
        if (r < 0 && r != -EPIPE && r != -ECONNRESET)
                return r;
        x->started = started;
        authentication_set_state(x, STATE_ASKED);
        return 0;
}

/* ---- what helpers say ---- */

void authentication_on_reply(PoolHelper *h, const AuthMessage *m, int error, void *userdata) {
        Authentication *x = userdata;

        if (error == -ECONNRESET)
                authentication_unavailable(x, "the PAM helper died before it answered: see journalctl -u 'websess-pam@*'");
        else if (error == 0 && m->operation == AUTH_PROMPT && x->prompted && x->state == STATE_ASKED)
                take_prompts(x, m);
        else if (error < 0 || m->operation != AUTH_RESULT || x->state != STATE_ASKED)
                authentication_unavailable(x, "the PAM helper answered with rubbish: are websessd and websess-pam of one "
                                      "version?");
        else {
                pool_worked(x->authenticator->pool);
                take_result(x, m);
        }
}
