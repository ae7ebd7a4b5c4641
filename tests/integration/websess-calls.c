/* SPDX-License-Identifier: MIT */
/*
 * websess-calls SERVICE ENDED: every function of libwebsess once, in the order in which a program would use them; ENDED is a token whose session has
 * ended. A line for each call, "name code". Calls whose names begin with "not-" must never succeed. Whatever fails, the next one is made.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "websess.h"

typedef struct Program {
        websess *w;
        websess_session *s, *other;
        websess_need *need;
        websess_options *o;
        websess_values *v;
        websess_list *l;
        char token[256], other_token[256], id[64];
} Program;

static void say(const char *name, int code) {
        printf("%s %d\n", name, code);
}

/* A session value is empty after every call that should fill it and did not. */
static int filled(const websess_session *s, int code) {
        const char *id = websess_session_id(s);

        if (code != 0 && id && *id)
                say("not-emptied", 0);
        return code;
}

static void keep(char *out, size_t size, const char *text) {
        snprintf(out, size, "%s", text ? text : "");
}

static void prepare(Program *p, const char *service) {
        say("open", websess_open(&p->w, service, 3000000));
        say("session-new", websess_session_new(&p->s));
        say("session-new", websess_session_new(&p->other));
        say("need-new", websess_need_new(&p->need));
        say("options-new", websess_options_new(&p->o));
        say("values-new", websess_values_new(&p->v));
        say("list-new", websess_list_new(&p->l));
        if (!p->w || !p->s || !p->other || !p->need || !p->o || !p->v || !p->l)
                return;
        say("cookie-name", websess_set_cookie_name(p->w, "SESSION"));
        say("options", websess_options_remote_host(p->o, "192.0.2.1"));
        say("options", websess_options_user_agent(p->o, "websess-calls"));
        say("options", websess_options_role(p->o, "USER"));
        say("options", websess_options_auth_method(p->o, "pwd"));
        say("options", websess_options_keep_attribute(p->o, "theme"));
        say("options", websess_values_set_string(websess_options_attributes(p->o), "theme", "dark", 4));
        say("options", websess_values_set_int64(websess_options_attributes(p->o), "company", 42));
}

static void create(Program *p) {
        say("create", filled(p->s, websess_create(p->w, "library", p->o, p->s)));
        keep(p->token, sizeof(p->token), websess_session_token(p->s));
        keep(p->id, sizeof(p->id), websess_session_id(p->s));
        say("create", filled(p->other, websess_create(p->w, "library", NULL, p->other)));
        keep(p->other_token, sizeof(p->other_token), websess_session_token(p->other));
}

static void resolve(Program *p, const char *ended) {
        char cookie[512];
        size_t n;
        int r;

        snprintf(cookie, sizeof(cookie), "a=b; SESSION=%s", p->token);
        n = strlen(p->token);
        say("resolve", filled(p->s, websess_resolve(p->w, p->token, n, NULL, p->s)));
        say("resolve", filled(p->s, websess_resolve_cookie(p->w, cookie, strlen(cookie), NULL, p->s)));
        say("not-ended", filled(p->s, websess_resolve(p->w, ended, strlen(ended), NULL, p->s)));
        say("not-empty", filled(p->s, websess_resolve(p->w, "", 0, NULL, p->s)));
        /* A need that could not be said must not be asked without. */
        r = websess_need_role(p->need, "OWNER");
        say("need-role", r);
        if (r != 0)
                return;
        say("not-owner", filled(p->s, websess_resolve(p->w, p->token, n, p->need, p->s)));
        if (websess_resolve(p->w, p->token, n, NULL, p->s) == 0)
                say("not-owner", websess_require(p->s, p->need));
        say("default-need", websess_set_default_need(p->w, NULL));
}

static void change(Program *p) {
        const char *roles[] = { "EDITOR" }, *ids[] = { p->id }, *keys[] = { "theme" };
        char before[256];
        size_t n = strlen(p->token);
        uint32_t count;
        int r;

        if (filled(p->s, websess_resolve(p->w, p->token, n, NULL, p->s)) == 0) {
                say("set", websess_session_set_string(p->w, p->s, "colour", "red", 3));
                say("set", websess_session_set_bytes(p->w, p->s, "bytes", "\1\2", 2));
                say("set", websess_session_set_strings(p->w, p->s, "words", roles, 1));
                say("set", websess_session_unset(p->w, p->s, "company"));
                say("save", websess_session_save(p->w, p->s));
        }
        say("values", websess_values_set_double(p->v, "factor", 0.5));
        say("set-attributes", websess_set_attributes(p->w, p->token, n, p->v, keys, 1, 0, NULL));
        say("touch", websess_touch(p->w, ids, 1));
        say("set-roles", websess_set_roles(p->w, p->id, roles, 1, NULL));
        say("set-user-roles", websess_set_user_roles(p->w, NULL, "library", roles, 1, &count));
        keep(before, sizeof(before), p->token);
        r = filled(p->s, websess_rotate(p->w, p->token, n, NULL, p->s));
        say("rotate", r);
        if (r != 0)
                return;
        keep(p->token, sizeof(p->token), websess_session_token(p->s));
        say("not-rotated", filled(p->s, websess_resolve(p->w, before, strlen(before), NULL, p->s)));
}

static void on_event(void *userdata, int event, const char *id, const char *service, const char *user, const char *reason) {
}

static void look_around(Program *p) {
        int r, fd = memfd_create("backup", MFD_CLOEXEC);

        say("watch", websess_watch(p->w, on_event, NULL));
        say("get", filled(p->s, websess_get(p->w, p->id, p->s)));
        say("explain", websess_explain(p->w, NULL, p->id, strlen(p->id), NULL, p->v, p->s));
        say("list", websess_list_user_prefix(p->l, "lib"));
        for (int i = 0; i < 5; i++) {
                r = filled(p->s, websess_list_next(p->w, p->l, p->s));
                if (r != 0)
                        break;
        }
        say("list", r);
        say("status", websess_status(p->w, p->v));
        say("dispatch", websess_fd(p->w) < 0 ? websess_fd(p->w) : websess_dispatch(p->w));
        say("reset-throttle", websess_reset_throttle(p->w, NULL, "library", NULL, NULL));
        say("backup", fd < 0 ? -errno : websess_backup(p->w, fd));
        say("reload", websess_reload(p->w));
        say("watch", websess_watch(p->w, NULL, NULL));
        if (fd >= 0)
                close(fd);
}

static int ask(void *userdata, websess_conversation *c) {
        return -ECANCELED;
}

/* Of a service that refuses them. */
static void log_in(Program *p) {
        websess_conversation *c = NULL;

        say("not-login", filled(p->s, websess_login(p->w, "library", "x", 1, p->o, p->s)));
        say("not-login-ask", filled(p->s, websess_login_ask(p->w, "library", NULL, ask, NULL, p->s)));
        if (websess_conversation_begin(&c, p->w, "library", NULL) == 0)
                say("not-conversation", filled(p->s, websess_conversation_wait(c, p->s)));
        websess_conversation_free(c);
}

static void end(Program *p) {
        if (websess_logout(p->w, p->token, strlen(p->token)) == 0)
                say("not-logged-out", filled(p->s, websess_resolve(p->w, p->token, strlen(p->token), NULL, p->s)));
        if (websess_revoke_user(p->w, NULL, "library", NULL, 0, NULL) == 0)
                say("not-revoked", filled(p->s, websess_resolve(p->w, p->other_token, strlen(p->other_token), NULL, p->s)));
        say("revoke", websess_revoke(p->w, p->id));
        say("revoke-all", websess_revoke_all(p->w, NULL, NULL));
}

static void work(Program *p, const char *ended) {
        create(p);
        resolve(p, ended);
        if (*p->token) {
                change(p);
                look_around(p);
        }
        log_in(p);
        end(p);
}

int main(int argc, char **argv) {
        Program p = {};

        if (argc != 3)
                return EXIT_FAILURE;
        prepare(&p, argv[1]);
        if (p.w && p.s && p.other && p.need && p.o && p.v && p.l)
                work(&p, argv[2]);
        websess_list_free(p.l);
        websess_values_free(p.v);
        websess_options_free(p.o);
        websess_need_free(p.need);
        websess_session_free(p.other);
        websess_session_free(p.s);
        websess_close(p.w);
        /* Standard input, output and error are all that is open: the next one is 3. */
        say("next-descriptor", dup(STDIN_FILENO));
        return EXIT_SUCCESS;
}
