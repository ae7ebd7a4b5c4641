/* SPDX-License-Identifier: MIT */
/* Verbs that make a token: login, create, rotate. It goes to standard output, for a pipe rather than for eyes. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cmdline.h"
#include "say.h"
#include "span.h"
#include "text.h"
#include "verbs.h"
#include "view.h"

/* PAM may take its time, above all when it denies. */
#define LOGIN_TIMEOUT_USEC (2 * USEC_PER_MINUTE)

typedef int (*WordSetter)(websess_options *o, const char *word);

static int options_words(websess_options *o, const CtlWords *words, WordSetter set) {
        for (size_t i = 0; i < words->n; i++) {
                int r = set(o, words->items[i]);

                if (r != 0)
                        return r;
        }
        return 0;
}

static int options_texts(websess_options *o, const CtlOptions *from) {
        const struct {
                const char *text;
                WordSetter set;
        } texts[] = {
                { from->remote_host, websess_options_remote_host },
                { from->user_agent, websess_options_user_agent },
                { from->request_id, websess_options_request_id },
        };

        for (size_t i = 0; i < ELEMENTSOF(texts); i++) {
                int r = texts[i].text ? texts[i].set(o, texts[i].text) : 0;

                if (r != 0)
                        return r;
        }
        return 0;
}

static int options_fill(websess_options *o, const CtlOptions *from, uint32_t level) {
        int r;

        r = options_words(o, &from->roles, websess_options_role);
        if (r == 0)
                r = options_words(o, &from->methods, websess_options_auth_method);
        if (r == 0)
                r = options_texts(o, from);
        if (r == 0 && from->idle_usec)
                r = websess_options_idle_usec(o, from->idle_usec);
        if (r == 0 && from->lifetime_usec)
                r = websess_options_lifetime_usec(o, from->lifetime_usec);
        if (r == 0 && from->remember)
                r = websess_options_remember(o, 1);
        if (r == 0 && level)
                r = websess_options_level(o, level);
        return r;
}

static int options_make(const Ctl *c, websess_options **ret) {
        _cleanup_(websess_options_freep) websess_options *o = NULL;
        uint32_t level = 0;
        int r;

        r = verb_level(c, &level);
        if (r != CTL_EXIT_OK)
                return r;
        r = websess_options_new(&o);
        if (r == 0)
                r = options_fill(o, &c->o, level);
        if (r != 0)
                return say_outcome(NULL, r);
        r = verb_attributes(c, &c->o.attributes, websess_options_attributes(o));
        if (r == CTL_EXIT_OK)
                *ret = TAKE_PTR(o);
        return r;
}

static int token_show(const Ctl *c, const websess_session *s, int r) {
        if (r != 0)
                return say_outcome(NULL, r);
        r = view_token(c, s);
        return r < 0 ? say_errno(NULL, r) : CTL_EXIT_OK;
}

/* What whoever sits at the terminal reads, as locale(7) has it: a locale without its codeset and modifier. One that looks like none is nobody's language. */
static int options_language(websess_options *o) {
        static const char *const names[] = { "LC_ALL", "LC_MESSAGES", "LANG" };
        const char *locale = NULL;
        char language[16];
        size_t n;

        for (size_t i = 0; i < ELEMENTSOF(names) && (!locale || !*locale); i++)
                locale = getenv(names[i]);
        n = locale ? strspn(locale, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz_") : 0;
        if (n == 0 || n >= sizeof(language) || !strchr(".@", locale[n]))
                return 0;
        memcpy(language, locale, n);
        language[n] = 0;
        if (strcmp(language, "C") == 0 || strcmp(language, "POSIX") == 0)
                return 0;
        return websess_options_language(o, language);
}

/* One round of PAM's on the terminal. What PAM says comes from elsewhere: a terminal must not obey it. */
static int ask_round(void *userdata, websess_conversation *talk) {
        const char *text;
        uint32_t style;
        int r = 0;

        for (size_t i = 0; r == 0 && (text = websess_conversation_message(talk, i, &style)); i++) {
                _cleanup_free_ char *shown = text_escape(text, strlen(text));
                _cleanup_(secret_wipe) Secret answer = {};

                if (!shown)
                        return -ENOMEM;
                if (style != WEBSESS_ASK && style != WEBSESS_ASK_SECRET) {
                        r = secret_say(shown);
                        continue;
                }
                r = secret_ask_line(&answer, shown, style == WEBSESS_ASK);
                if (r == 0)
                        r = websess_conversation_answer(talk, i, answer.data, answer.size);
        }
        return r;
}

/* At a terminal PAM may ask what it wants; what comes from a pipe is one password. */
static int login(const Ctl *c, websess *w, websess_options *o, websess_session *s) {
        _cleanup_(secret_wipe) Secret secret = {};
        int r;

        if (isatty(STDIN_FILENO)) {
                r = options_language(o);
                if (r != 0)
                        return say_outcome(NULL, r);
                r = websess_login_ask(w, c->args.items[1], o, ask_round, NULL, s);
                return r == -ENODATA ? say_usage("Nothing came from the terminal") : token_show(c, s, r);
        }
        r = verb_secret(&secret, "Password");
        if (r != CTL_EXIT_OK)
                return r;
        return token_show(c, s, websess_login(w, c->args.items[1], secret.data, secret.size, o, s));
}

int verb_login(Ctl *c) {
        _cleanup_(websess_closep) websess *w = NULL;
        _cleanup_(websess_session_freep) websess_session *s = NULL;
        _cleanup_(websess_options_freep) websess_options *o = NULL;
        int r;

        r = options_make(c, &o);
        if (r == CTL_EXIT_OK)
                r = verb_open_session(c, c->args.items[0], LOGIN_TIMEOUT_USEC, &w, &s);
        return r == CTL_EXIT_OK ? login(c, w, o, s) : r;
}

int verb_create(Ctl *c) {
        _cleanup_(websess_closep) websess *w = NULL;
        _cleanup_(websess_session_freep) websess_session *s = NULL;
        _cleanup_(websess_options_freep) websess_options *o = NULL;
        int r;

        r = options_make(c, &o);
        if (r == CTL_EXIT_OK)
                r = verb_open_session(c, c->args.items[0], 0, &w, &s);
        if (r != CTL_EXIT_OK)
                return r;
        return token_show(c, s, websess_create(w, c->args.items[1], o, s));
}

int verb_rotate(Ctl *c) {
        _cleanup_(websess_closep) websess *w = NULL;
        _cleanup_(websess_session_freep) websess_session *s = NULL;
        _cleanup_(websess_options_freep) websess_options *o = NULL;
        _cleanup_(secret_wipe) Secret token = {};
        int r;

        r = options_make(c, &o);
        if (r == CTL_EXIT_OK)
                r = verb_open_session(c, c->args.items[0], 0, &w, &s);
        if (r == CTL_EXIT_OK)
                r = verb_secret(&token, "Token");
        if (r != CTL_EXIT_OK)
                return r;
        return token_show(c, s, websess_rotate(w, token.data, token.size, o, s));
}
