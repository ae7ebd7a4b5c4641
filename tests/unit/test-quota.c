/* SPDX-License-Identifier: MIT */
/* What a uid may hold, and that letting go of a charge refunds it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "fault.h"
#include "quota.h"

static Quota *quota_of(uint64_t connections) {
        Quota *q;

        assert_int_equal(quota_new(&q, 500), 0);
        quota_set_limit(q, QUOTA_CONNECTIONS, connections);
        return q;
}

static void test_S17_limit_is_per_user_and_exact(void **state) {
        Quota *q = quota_of(2);
        QuotaCharge a, b, c, d;

        assert_int_equal(quota_charge(q, &a, 1000, QUOTA_CONNECTIONS, 1), 0);
        assert_int_equal(quota_charge(q, &b, 1000, QUOTA_CONNECTIONS, 1), 0);
        assert_int_equal(quota_charge(q, &c, 1000, QUOTA_CONNECTIONS, 1), FAULT_TOO_MANY);
        assert_null(c.account);
        assert_int_equal(quota_charge(q, &d, 1001, QUOTA_CONNECTIONS, 1), 0);
        quota_refund(&a);
        assert_int_equal(quota_charge(q, &c, 1000, QUOTA_CONNECTIONS, 1), 0);
        assert_int_equal(quota_used(q, 1000, QUOTA_CONNECTIONS), 2);
        quota_refund(&a);       /* holds nothing any more */
        quota_refund(&b);
        quota_refund(&c);
        quota_refund(&d);
        assert_int_equal(quota_n_accounts(q), 0);
        quota_free(q);
}

static void test_kinds_are_apart(void **state) {
        Quota *q = quota_of(1);
        QuotaCharge a, b;

        quota_set_limit(q, QUOTA_BYTES, 100);
        assert_int_equal(quota_charge(q, &a, 1000, QUOTA_CONNECTIONS, 1), 0);
        assert_int_equal(quota_charge(q, &b, 1000, QUOTA_BYTES, 101), FAULT_TOO_MANY);
        assert_int_equal(quota_charge(q, &b, 1000, QUOTA_BYTES, UINT64_MAX), FAULT_TOO_MANY);
        assert_int_equal(quota_charge(q, &b, 1000, QUOTA_BYTES, 100), 0);
        assert_int_equal(quota_used(q, 1000, QUOTA_BYTES), 100);
        quota_refund(&b);
        quota_refund(&a);
        quota_free(q);
}

static void test_root_and_the_broker_are_counted_but_not_refused(void **state) {
        static const uid_t uids[] = { 0, 500 };
        Quota *q = quota_of(1);
        QuotaCharge charges[20];

        for (size_t u = 0; u < 2; u++)
                for (size_t i = 0; i < 10; i++)
                        assert_int_equal(quota_charge(q, &charges[u * 10 + i], uids[u], QUOTA_CONNECTIONS, 1), 0);
        assert_int_equal(quota_used(q, 0, QUOTA_CONNECTIONS), 10);
        assert_int_equal(quota_used(q, 500, QUOTA_CONNECTIONS), 10);
        for (size_t i = 0; i < 20; i++)
                quota_refund(&charges[i]);
        quota_free(q);
}

static void test_a_lowered_limit_refuses_but_takes_nothing_away(void **state) {
        Quota *q = quota_of(5);
        QuotaCharge a, b;

        assert_int_equal(quota_charge(q, &a, 1000, QUOTA_CONNECTIONS, 4), 0);
        quota_set_limit(q, QUOTA_CONNECTIONS, 2);
        assert_int_equal(quota_charge(q, &b, 1000, QUOTA_CONNECTIONS, 1), FAULT_TOO_MANY);
        assert_int_equal(quota_used(q, 1000, QUOTA_CONNECTIONS), 4);
        quota_refund(&a);
        quota_free(q);
}

static void test_S16_charges_outlive_the_registry(void **state) {
        Quota *q = quota_of(5);
        QuotaCharge a, b;

        assert_int_equal(quota_charge(q, &a, 1000, QUOTA_CONNECTIONS, 1), 0);
        assert_int_equal(quota_charge(q, &b, 1001, QUOTA_CALLS, 1), 0);
        quota_free(q);
        quota_refund(&a);
        quota_refund(&b);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_S17_limit_is_per_user_and_exact),
                cmocka_unit_test(test_kinds_are_apart),
                cmocka_unit_test(test_root_and_the_broker_are_counted_but_not_refused),
                cmocka_unit_test(test_a_lowered_limit_refuses_but_takes_nothing_away),
                cmocka_unit_test(test_S16_charges_outlive_the_registry),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
