/* SPDX-License-Identifier: MIT */
/* Makes and ends the fixture of create-world.h. Owns its folder. */
#include <errno.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <cmocka.h>

#include "create-world.h"
#include "span.h"

static void on_added(void *userdata, Session *s) {
        ((World *) userdata)->added++;
}

static void on_removed(void *userdata, Session *s, Reason reason) {
        World *w = userdata;
        Record r;

        session_view(s, &r);    /* must still be readable */
        w->removed++;
        w->last_reason = reason;
}

static void on_failed(void *userdata, int error) {
        ((World *) userdata)->failed++;
}

static void write_file(const char *path, const char *text) {
        FILE *f = fopen(path, "we");

        assert_non_null(f);
        fputs(text, f);
        fclose(f);
}

void open_world(World *w, const char *policy, uint64_t max_bytes) {
        char path[256], template[] = "/tmp/websess-create.XXXXXX";
        Fault f = {};

        *w = (World) { .now = { .realtime = UINT64_C(1795312555702396), .boottime = 1, .steady = UINT64_C(1) << 50 } };
        assert_non_null(mkdtemp(template));
        w->directory = strdup(template);
        snprintf(path, sizeof(path), "%s/services.d", template);
        assert_return_code(mkdir(path, 0755), errno);
        snprintf(path, sizeof(path), "%s/services.d/shop.conf", template);
        write_file(path, policy);
        snprintf(path, sizeof(path), "%s/services.d/mail.conf", template);
        write_file(path, "[Service]\nUsers=app\n");
        assert_int_equal(policy_load(&w->policy, template, &f), 0);

        assert_int_equal(store_open(&w->store, &(StoreOptions) { .directory = template, .max_bytes = max_bytes, .reserve_bytes = 65536 }, &f), 0);
        assert_int_equal(lifeline_new(&w->lifeline, offsetof(MapHeader, owner)), 0);
        assert_int_equal(table_new(&w->table, &(TableOptions) {
                .store = w->store, .now_steady = w->now.steady, .events = { on_added, on_removed, on_failed }, .userdata = w,
                .lifeline = w->lifeline,
        }), 0);
        assert_int_equal(store_start(w->store), 0);
}

void close_world(World *w) {
        char command[300];

        store_drain(w->store);
        w->store = store_free(w->store);
        table_free(w->table);
        lifeline_free(w->lifeline);
        policy_unref(w->policy);
        snprintf(command, sizeof(command), "rm -rf '%s'", w->directory);
        assert_int_equal(system(command), 0);
        free(w->directory);
}

/* Let everything that was submitted be committed and applied. */
void settle(World *w) {
        while (w->table->n_changes > 0) {
                store_drain(w->store);
                while (change_go_on(w->table))
                        ;
        }
}

void note_result(int result, void *userdata) {
        *(int *) userdata = result;
}

int make(World *w, Made *m, const char *user, const Options *o, Fault *f) {
        static const Options none;
        const Service *s = policy_find(w->policy, slice_of("shop"));
        Change *c = NULL;
        int r;

        *m = (Made) { .result = 1 };
        assert_int_equal(change_new(&c, w->table), 0);
        r = create_session(c, w->table, &(NewSession) {
                .service = s, .user = slice_of(user), .uid = RECORD_NO_UID, .creator_uid = 998, .options = o ? o : &none,
                .method = "CreateSession", .roles = (Slice[]) { slice_of("USER") }, .n_roles = *user ? 1 : 0,
        }, &w->now, &m->session, &m->token, f);
        if (r != 0) {
                change_free(c);
                return r;
        }
        token_format(&m->token, s->token_prefix, m->text);
        change_submit(c, note_result, &m->result);
        return 0;
}

Session *look(World *w, const Made *m) {
        return secret_find(w->table, policy_find(w->policy, slice_of("shop")), slice_of(m->text), false);
}

int end_session(World *w, Session *s, int *result) {
        Change *c = NULL;
        int r;

        *result = 1;
        assert_int_equal(change_new(&c, w->table), 0);
        r = change_remove(c, s, REASON_REVOKED);
        change_submit(c, note_result, result);
        return r;
}
