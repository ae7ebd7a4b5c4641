/* SPDX-License-Identifier: MIT */
/* Tokens against the table, and what happens when libcrypto or the kernel has nothing to give. The program calls both by way of the __wrap functions here. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "create-world.h"
#include "secret.h"

static bool no_hash, no_random;

int __real_SHA256_Init(void *state);
int __wrap_SHA256_Init(void *state);
ssize_t __real_getrandom(void *out, size_t size, unsigned flags);
ssize_t __wrap_getrandom(void *out, size_t size, unsigned flags);

int __wrap_SHA256_Init(void *state) {
        return no_hash ? 0 : __real_SHA256_Init(state);
}

ssize_t __wrap_getrandom(void *out, size_t size, unsigned flags) {
        if (!no_random)
                return __real_getrandom(out, size, flags);
        errno = ENOSYS;
        return -1;
}

static int set_up(void **state) {
        static World w;

        open_world(&w, "[Service]\nUsers=app\nTokenPrefix=S:\n[Roles]\nUSER=\n", 8 << 20);
        *state = &w;
        return 0;
}

static int tear_down(void **state) {
        no_hash = no_random = false;
        close_world(*state);
        return 0;
}

static const Service *service(World *w, const char *name) {
        return policy_find(w->policy, slice_of(name));
}

static void test_S19_only_the_secret_itself_finds_a_session(void **state) {
        World *w = *state;
        Made a, b;
        char text[sizeof(a.text)];
        Fault f = {};

        assert_int_equal(make(w, &a, "anna", NULL, &f), 0);
        assert_int_equal(make(w, &b, "otto", NULL, &f), 0);
        assert_null(look(w, &a));               /* not before it is safe */
        settle(w);
        assert_ptr_equal(look(w, &a), a.session);
        assert_null(secret_find(w->table, service(w, "mail"), slice_of(a.text), false));
        for (size_t i = 0; i < strlen(a.text); i++) {
                strcpy(text, a.text);
                text[i] = text[i] == 'A' ? 'B' : 'A';
                assert_null(secret_find(w->table, service(w, "shop"), slice_of(text), false));
        }
        /* one's id, another's secret */
        Token mixed = a.token;
        memcpy(mixed.secret, b.token.secret, sizeof(mixed.secret));
        token_format(&mixed, "S:", text);
        assert_null(secret_find(w->table, service(w, "shop"), slice_of(text), false));
}

static void test_S02_while_a_token_is_being_replaced_only_the_first_to_come_may_change_it(void **state) {
        static const Options none;
        World *w = *state;
        Change *c = NULL;
        Token fresh;
        Fault f = {};
        Session *s;
        Made a;

        assert_int_equal(make(w, &a, "anna", NULL, &f), 0);
        settle(w);
        assert_int_equal(change_new(&c, w->table), 0);
        assert_int_equal(amend_secret(c, w->table, service(w, "shop"), slice_of(a.text), &none, 998, &w->now, &s, &fresh, &f), 0);
        /* the old one is good until the new one is safe, but not to change anything any more */
        assert_ptr_equal(secret_find(w->table, service(w, "shop"), slice_of(a.text), false), a.session);
        assert_null(secret_find(w->table, service(w, "shop"), slice_of(a.text), true));
        change_submit(c, note_result, &a.result);
        settle(w);
        assert_null(look(w, &a));
}

static void test_a_match_says_what_is_wrong(void **state) {
        const char *rubbish = "S:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";
        World *w = *state;
        Service other = *service(w, "mail");
        Token wrong;
        char text[sizeof(((Made *) NULL)->text)];
        Fault f = {};
        Session *s;
        Made a;

        assert_int_equal(make(w, &a, "anna", NULL, &f), 0);
        settle(w);
        assert_int_equal(secret_match(w->table, service(w, "shop"), slice_of(a.text), &s), SECRET_OPENS);
        assert_ptr_equal(s, a.session);
        assert_int_equal(secret_match(w->table, service(w, "shop"), slice_of(a.text + 1), &s), SECRET_MALFORMED);
        assert_null(s);
        assert_int_equal(secret_match(w->table, service(w, "shop"), slice_of(rubbish), &s), SECRET_UNKNOWN);
        wrong = a.token;
        wrong.secret[0] ^= 1;
        token_format(&wrong, "S:", text);
        assert_int_equal(secret_match(w->table, service(w, "shop"), slice_of(text), &s), SECRET_WRONG);
        other.token_prefix = service(w, "shop")->token_prefix;
        assert_int_equal(secret_match(w->table, &other, slice_of(a.text), &s), SECRET_OTHER_SERVICE);
        assert_null(secret_find(w->table, &other, slice_of(a.text), false));
}

static void test_L04_without_a_hash_nobody_is_found(void **state) {
        World *w = *state;
        Fault f = {};
        Made a;

        assert_int_equal(make(w, &a, "anna", NULL, &f), 0);
        settle(w);
        no_hash = true;
        assert_null(look(w, &a));
        no_hash = false;
        assert_ptr_equal(look(w, &a), a.session);
}

static void test_L04_nothing_is_renewed_by_half(void **state) {
        Record r = {};
        Token t;

        no_random = true;
        assert_int_equal(secret_renew(&r, &t), -ENOSYS);
        no_random = false;
        no_hash = true;
        assert_int_equal(secret_renew(&r, &t), -EIO);
        no_hash = false;
        assert_int_equal(secret_renew(&r, &t), 0);
}

static void test_request_tags_tell_requests_apart(void **state) {
        const Slice one[] = { slice_of("ab"), slice_of("c") }, other[] = { slice_of("a"), slice_of("bc") }, empty[] = { slice_of(""), slice_of("abc") };
        static const char large[2048];
        uint8_t a[RECORD_TAG_SIZE], b[RECORD_TAG_SIZE];

        assert_int_equal(secret_request_tag(1, one, 2, a), 0);
        assert_int_equal(secret_request_tag(1, one, 2, b), 0);
        assert_memory_equal(a, b, sizeof(a));
        assert_int_equal(secret_request_tag(2, one, 2, b), 0);
        assert_memory_not_equal(a, b, sizeof(a));
        assert_int_equal(secret_request_tag(1, other, 2, b), 0);
        assert_memory_not_equal(a, b, sizeof(a));
        assert_int_equal(secret_request_tag(1, empty, 2, b), 0);
        assert_memory_not_equal(a, b, sizeof(a));
        assert_int_equal(secret_request_tag(1, &(Slice) { large, sizeof(large) }, 1, b), -ENOBUFS);
        no_hash = true;
        assert_int_equal(secret_request_tag(1, one, 2, b), -EIO);
        no_hash = false;
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test_setup_teardown(test_S19_only_the_secret_itself_finds_a_session, set_up, tear_down),
                cmocka_unit_test_setup_teardown(test_S02_while_a_token_is_being_replaced_only_the_first_to_come_may_change_it, set_up, tear_down),
                cmocka_unit_test_setup_teardown(test_a_match_says_what_is_wrong, set_up, tear_down),
                cmocka_unit_test_setup_teardown(test_L04_without_a_hash_nobody_is_found, set_up, tear_down),
                cmocka_unit_test(test_L04_nothing_is_renewed_by_half),
                cmocka_unit_test(test_request_tags_tell_requests_apart),
        };

        return cmocka_run_group_tests_name("secret", tests, NULL, NULL);
}
