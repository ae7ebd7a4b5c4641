/* SPDX-License-Identifier: MIT */
/* The index of sessions by id, and the queue of touched ones, against the plain truth. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "table.h"

#define N 3000u

static Session sessions[N];
static bool present[N];

/* Number n of the order. */
static Ident ident_of(unsigned n) {
        Ident id = {};

        id.bytes[4] = (uint8_t) (n >> 8);
        id.bytes[9] = (uint8_t) n;
        return id;
}

static void set_up_sessions(void) {
        for (unsigned i = 0; i < N; i++) {
                sessions[i] = (Session) { .id = ident_of(2 * i + 1) };
                present[i] = false;
        }
}

static void add(ById *x, unsigned i) {
        assert_int_equal(by_id_add(x, &sessions[i]), present[i] ? -EEXIST : 0);
        present[i] = true;
}

static void take_away(ById *x, unsigned i) {
        by_id_remove(x, &sessions[i]);
        present[i] = false;
}

static void assert_same(const ById *x) {
        Session *next = by_id_next(x, NULL);

        for (unsigned i = 0; i < N; i++) {
                Ident before = ident_of(2 * i);

                assert_ptr_equal(by_id_find(x, &sessions[i].id), present[i] ? &sessions[i] : NULL);
                assert_null(by_id_find(x, &before));
                assert_ptr_equal(by_id_next(x, &before), next);
                if (present[i]) {
                        assert_ptr_equal(next, &sessions[i]);
                        next = by_id_next(x, &sessions[i].id);
                } else
                        assert_ptr_equal(by_id_next(x, &sessions[i].id), next);
        }
        assert_null(next);
}

static void test_ids_in_order_fill_whole_chunks(void **state) {
        ById x = {};

        set_up_sessions();
        assert_same(&x);
        for (unsigned i = 0; i < N; i++)
                add(&x, i);
        assert_same(&x);
        assert_int_equal(x.n, (N + 126) / 127);
        add(&x, 5);
        /* One of a hundred stays: few chunks do */
        for (unsigned i = 0; i < N; i++)
                if (i % 100 != 50)
                        take_away(&x, i);
        assert_same(&x);
        assert_true(x.n <= 2);
        for (unsigned i = 50; i < N; i += 100)
                take_away(&x, i);
        assert_null(x.entries);
        assert_same(&x);
}

static void test_ids_in_any_order(void **state) {
        ById x = {};

        set_up_sessions();
        srandom(1);
        for (unsigned round = 0; round < 6; round++) {
                for (unsigned k = 0; k < N; k++) {
                        unsigned i = (unsigned) random() % N;

                        if (present[i] && random() % 6 < round)
                                take_away(&x, i);
                        else
                                add(&x, i);
                }
                assert_same(&x);
        }
        /* Backwards, which splits each chunk */
        for (unsigned i = N; i-- > 0; )
                add(&x, i);
        assert_same(&x);
        for (unsigned i = N; i-- > 0; )
                take_away(&x, i);
        assert_null(x.entries);
}

static void test_touched_come_out_as_they_went_in(void **state) {
        unsigned in = 0, out = 0;
        Touched t = {};
        Ident id;

        srandom(2);
        assert_false(touched_take(&t, &id));
        for (unsigned round = 0; round < 2000; round++) {
                for (long n = random() % 50; n > 0; n--) {
                        id = ident_of(in++ % 65536);
                        assert_int_equal(touched_add(&t, &id), 0);
                }
                for (long n = random() % 50; n > 0 && out < in; n--) {
                        Ident expected = ident_of(out++ % 65536);

                        assert_true(touched_take(&t, &id));
                        assert_int_equal(ident_compare(&id, &expected), 0);
                }
                assert_int_equal(t.n, in - out);
        }
        assert_true(in > 10000);
        touched_done(&t);
        assert_false(touched_take(&t, &id));
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_ids_in_order_fill_whole_chunks),
                cmocka_unit_test(test_ids_in_any_order),
                cmocka_unit_test(test_touched_come_out_as_they_went_in),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
