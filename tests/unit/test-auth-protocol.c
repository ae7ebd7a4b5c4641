/* SPDX-License-Identifier: MIT */
/* The messages between broker and PAM helper: what goes in comes out, and nothing but that is taken. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "auth-protocol.h"
#include "cleanup.h"

static const Slice some_groups[] = { { "staff", 5 }, { "sudo", 4 }, { "g", 1 } };
static const Slice some_methods[] = { { "pwd", 3 }, { "otp", 3 } };

static AuthMessage begin_message(void) {
        return (AuthMessage) {
                .operation = AUTH_BEGIN,
                .service = slice_of("shop"),
                .user = slice_of("alice"),
                .secret = slice_of("p\xc3\xa4ss"),
                .remote_host = slice_of("192.0.2.7"),
        };
}

static AuthMessage result_message(void) {
        return (AuthMessage) {
                .operation = AUTH_RESULT,
                .user = slice_of("alice"),
                .outcome = 12,
                .flags = AUTH_LOCAL | AUTH_PASSWORD_CHANGED,
                .pam_result = 0x01020304,
                .delay_usec = UINT64_C(0x0102030405060708),
                .uid = 1000,
                .text = slice_of("why"),
                .account_digest = { 1, 2, 3 },
                .groups = some_groups,
                .n_groups = ELEMENTSOF(some_groups),
                .methods = some_methods,
                .n_methods = ELEMENTSOF(some_methods),
        };
}

/* Encoded, and copied into a block of exactly its size, so that a sanitizer sees the first byte read too far. */
static uint8_t *encode(const AuthMessage *m, size_t *size) {
        static uint8_t buffer[AUTH_MESSAGE_MAX];
        uint8_t *copy;

        assert_int_equal(auth_message_encode(m, buffer, sizeof(buffer), size), 0);
        assert_int_equal(auth_message_size(m), *size);
        copy = malloc(*size);
        assert_non_null(copy);
        memcpy(copy, buffer, *size);
        return copy;
}

static void assert_slice(Slice s, const char *expected) {
        assert_true(slice_equal(s, slice(expected, strlen(expected))));
}

static void test_begin_comes_back(void **state) {
        AuthMessage m = begin_message(), out;
        size_t size;
        _cleanup_free_ uint8_t *data = encode(&m, &size);

        assert_int_equal(auth_message_decode(data, size, &out), 0);
        assert_int_equal(out.operation, AUTH_BEGIN);
        assert_slice(out.service, "shop");
        assert_slice(out.user, "alice");
        assert_slice(out.secret, "p\xc3\xa4ss");
        assert_slice(out.remote_host, "192.0.2.7");
}

static void test_result_comes_back(void **state) {
        AuthMessage m = result_message(), out;
        size_t size, position = 0;
        _cleanup_free_ uint8_t *data = encode(&m, &size);
        Slice s;

        assert_int_equal(auth_message_decode(data, size, &out), 0);
        assert_int_equal(out.outcome, 12);
        assert_int_equal(out.flags, AUTH_LOCAL | AUTH_PASSWORD_CHANGED);
        assert_int_equal(out.pam_result, 0x01020304);
        assert_true(out.delay_usec == UINT64_C(0x0102030405060708));
        assert_int_equal(out.uid, 1000);
        assert_slice(out.text, "why");
        assert_memory_equal(out.account_digest, m.account_digest, RECORD_TAG_SIZE);
        assert_int_equal(out.n_groups, 3);
        assert_int_equal(out.n_methods, 2);
        for (size_t i = 0; i < 3; i++) {
                assert_true(auth_message_next_group(&out, &position, &s));
                assert_true(slice_equal(s, some_groups[i]));
        }
        assert_false(auth_message_next_group(&out, &position, &s));
        position = 0;
        assert_true(auth_message_next_method(&out, &position, &s));
        assert_slice(s, "pwd");
        assert_true(auth_message_next_method(&out, &position, &s));
        assert_false(auth_message_next_method(&out, &position, &s));
}

static void test_conversation_comes_back(void **state) {
        AuthMessage m = begin_message(), out;
        size_t size;
        _cleanup_free_ uint8_t *data = NULL;

        m.operation = AUTH_CONVERSE;
        m.secret = (Slice) {};
        m.flags = AUTH_STEP_UP;
        m.session = slice_of("01a2201d1db22d879c37ef2dd20e449b");
        data = encode(&m, &size);
        assert_int_equal(auth_message_decode(data, size, &out), 0);
        assert_int_equal(out.operation, AUTH_CONVERSE);
        assert_int_equal(out.flags, AUTH_STEP_UP);
        assert_slice(out.user, "alice");
        assert_slice(out.session, "01a2201d1db22d879c37ef2dd20e449b");
        m.session.size--;
        assert_int_equal(auth_message_size(&m), 0);
}

static void test_rounds_come_back_in_order(void **state) {
        static const Slice prompts[] = { { "\001PIN", 4 }, { "\004", 1 } }, answers[] = { { "", 0 }, { "p\xc3\xa4ss", 5 } };
        AuthMessage prompt = { .operation = AUTH_PROMPT, .messages = prompts, .n_messages = 2 }, out;
        AuthMessage answer = { .operation = AUTH_ANSWER, .answers = answers, .n_answers = 2 };
        size_t size, position = 0;
        _cleanup_free_ uint8_t *data = encode(&prompt, &size), *more = NULL;
        Slice s;
        int style;

        assert_int_equal(auth_message_decode(data, size, &out), 0);
        assert_int_equal(out.n_messages, 2);
        assert_true(auth_message_next_prompt(&out, &position, &style, &s));
        assert_int_equal(style, AUTH_STYLE_SECRET);
        assert_slice(s, "PIN");
        assert_true(auth_message_next_prompt(&out, &position, &style, &s));
        assert_int_equal(style, AUTH_STYLE_INFO);
        assert_int_equal(s.size, 0);
        assert_false(auth_message_next_prompt(&out, &position, &style, &s));

        position = 0;
        more = encode(&answer, &size);
        assert_int_equal(auth_message_decode(more, size, &out), 0);
        assert_int_equal(out.n_answers, 2);
        assert_true(auth_message_next_answer(&out, &position, &s));
        assert_int_equal(s.size, 0);
        assert_true(auth_message_next_answer(&out, &position, &s));
        assert_slice(s, "p\xc3\xa4ss");
        assert_false(auth_message_next_answer(&out, &position, &s));
}

static void test_rounds_that_cannot_be_are_refused(void **state) {
        static char long_text[AUTH_SECRET_MAX + 1];
        static const Slice nul[] = { { "a\0b", 3 } };
        Slice too_long[1];

        memset(long_text, 'x', sizeof(long_text));
        too_long[0] = slice(long_text, sizeof(long_text));
        assert_int_equal(auth_message_size(&(AuthMessage) { .operation = AUTH_ANSWER, .answers = nul, .n_answers = 1 }), 0);
        assert_int_equal(auth_message_size(&(AuthMessage) { .operation = AUTH_ANSWER, .answers = too_long, .n_answers = 1 }), 0);
        /* Numbers between those that are known are none. */
        for (int i = 4; i < 16; i++)
                assert_int_equal(auth_message_size(&(AuthMessage) { .operation = (uint8_t) i }), 0);
}

static void test_look_and_account_come_back(void **state) {
        static const Slice users[] = { { "alice", 5 }, { "bob", 3 } };
        AuthMessage look = { .operation = AUTH_LOOK, .users = users, .n_users = 2, .account_key = { 1, [31] = 9 } }, out;
        AuthMessage account = {
                .operation = AUTH_ACCOUNT, .user = slice_of("alice"), .uid = 1000, .account = AUTH_ACCOUNT_LOCKED, .account_digest = { 4, 5 },
                .groups = some_groups, .n_groups = ELEMENTSOF(some_groups),
        };
        size_t size, position = 0;
        _cleanup_free_ uint8_t *data = encode(&look, &size), *more = NULL;
        Slice s;

        assert_int_equal(auth_message_decode(data, size, &out), 0);
        assert_int_equal(out.n_users, 2);
        assert_memory_equal(out.account_key, look.account_key, AUTH_KEY_SIZE);
        for (size_t i = 0; i < 2; i++) {
                assert_true(auth_message_next_user(&out, &position, &s));
                assert_true(slice_equal(s, users[i]));
        }
        assert_false(auth_message_next_user(&out, &position, &s));

        more = encode(&account, &size);
        assert_int_equal(auth_message_decode(more, size, &out), 0);
        assert_slice(out.user, "alice");
        assert_int_equal(out.account, AUTH_ACCOUNT_LOCKED);
        assert_int_equal(out.uid, 1000);
        assert_memory_equal(out.account_digest, account.account_digest, RECORD_TAG_SIZE);
        assert_int_equal(out.n_groups, 3);
}

static void test_ready_is_a_header(void **state) {
        static const uint8_t expected[] = { AUTH_PROTOCOL_VERSION, AUTH_READY, 0, 0, 8, 0, 0, 0 };
        uint8_t data[8];
        size_t size;

        assert_int_equal(auth_message_encode(&(AuthMessage) { .operation = AUTH_READY }, data, sizeof(data), &size), 0);
        assert_int_equal(size, sizeof(expected));
        assert_memory_equal(data, expected, sizeof(expected));
}

static void refuse_to_encode(AuthMessage m) {
        uint8_t data[2048];
        size_t size;

        assert_int_equal(auth_message_size(&m), 0);
        assert_int_equal(auth_message_encode(&m, data, sizeof(data), &size), -EINVAL);
}

static void test_broken_values_are_not_encoded(void **state) {
        static char long_text[AUTH_MESSAGE_MAX];
        AuthMessage m;

        memset(long_text, 'x', sizeof(long_text));
        m = begin_message(), m.secret = slice(long_text, AUTH_SECRET_MAX);
        assert_true(auth_message_size(&m) > 0);
        m = begin_message(), m.secret = slice(long_text, AUTH_SECRET_MAX + 1), refuse_to_encode(m);
        m = begin_message(), m.secret = slice("a\0b", 3), refuse_to_encode(m);
        m = begin_message(), m.secret = slice(NULL, 0), refuse_to_encode(m);
        m = begin_message(), m.user = slice(long_text, USER_MAX + 1), refuse_to_encode(m);
        m = begin_message(), m.service = slice(NULL, 0), refuse_to_encode(m);
        m = begin_message(), m.operation = 0, refuse_to_encode(m);
        m = begin_message(), m.operation = _AUTH_OPERATION_MAX, refuse_to_encode(m);
        m = begin_message(), m.operation = 255, refuse_to_encode(m);
}

static void test_too_many_groups_are_not_encoded(void **state) {
        static Slice many[AUTH_MESSAGE_MAX / 8];
        AuthMessage m = result_message();

        for (size_t i = 0; i < ELEMENTSOF(many); i++)
                many[i] = slice_of("group");
        m.groups = many;
        m.n_groups = ELEMENTSOF(many);
        assert_int_equal(auth_message_size(&m), 0);
}

static void test_small_buffer_is_said(void **state) {
        AuthMessage m = begin_message();
        uint8_t data[16];
        size_t size;

        assert_int_equal(auth_message_encode(&m, data, sizeof(data), &size), -ENOBUFS);
}

/* Everything that is cut anywhere is refused, and so is everything with something behind it. */
static void test_every_cut_is_refused(void **state) {
        AuthMessage m = result_message(), out;
        size_t size;
        _cleanup_free_ uint8_t *data = encode(&m, &size), *longer = calloc(1, size + 4);

        for (size_t cut = 0; cut < size; cut++) {
                _cleanup_free_ uint8_t *part = malloc(cut + 1);

                memcpy(part, data, cut);
                assert_true(auth_message_decode(part, cut, &out) < 0);
                if (cut < AUTH_HEADER_SIZE)
                        continue;
                /* even when the header agrees, required fields miss */
                part[4] = (uint8_t) cut, part[5] = (uint8_t) (cut >> 8);
                if (auth_message_decode(part, cut, &out) == 0)
                        assert_true(cut >= AUTH_HEADER_SIZE + 4 * 5 + 4 + 4 + 8 + 4 + RECORD_TAG_SIZE);
        }
        memcpy(longer, data, size);
        assert_int_equal(auth_message_decode(longer, size + 4, &out), -EBADMSG);
}

/* Flip every bit: never a crash, and never a message of another operation's fields. */
static void test_every_flipped_bit_is_survived(void **state) {
        AuthMessage m = begin_message(), out;
        size_t size;
        _cleanup_free_ uint8_t *data = encode(&m, &size);

        for (size_t bit = 0; bit < size * 8; bit++) {
                data[bit / 8] ^= (uint8_t) (1u << bit % 8);
                if (auth_message_decode(data, size, &out) == 0) {
                        assert_int_equal(out.operation, AUTH_BEGIN);
                        assert_true(out.secret.size > 0 && out.user.size > 0 && out.service.size > 0);
                }
                data[bit / 8] ^= (uint8_t) (1u << bit % 8);
        }
}

static const struct {
        const char *what;
        uint8_t bytes[24];
        size_t size;
        int result;
} rubbish[] = {
        { "nothing", { 0 }, 0, -EBADMSG },
        { "half a header", { 1, 1, 0, 0 }, 4, -EBADMSG },
        { "another version", { 2, 1, 0, 0, 8, 0, 0, 0 }, 8, -EPROTONOSUPPORT },
        { "operation 0", { 1, 0, 0, 0, 8, 0, 0, 0 }, 8, -EBADMSG },
        { "operation 200", { 1, 200, 0, 0, 8, 0, 0, 0 }, 8, -EBADMSG },
        { "reserved bytes", { 1, 1, 1, 0, 8, 0, 0, 0 }, 8, -EBADMSG },
        { "wrong size", { 1, 1, 0, 0, 9, 0, 0, 0 }, 8, -EBADMSG },
        { "BEGIN without fields", { 1, 2, 0, 0, 8, 0, 0, 0 }, 8, -EBADMSG },
        { "READY with a field", { 1, 1, 0, 0, 13, 0, 0, 0, 1, 0, 1, 0, 'a' }, 13, -EBADMSG },
        { "unknown tag", { 1, 2, 0, 0, 13, 0, 0, 0, 99, 0, 1, 0, 'a' }, 13, -EBADMSG },
        { "empty string", { 1, 2, 0, 0, 12, 0, 0, 0, 1, 0, 0, 0 }, 12, -EBADMSG },
        { "NUL in a string", { 1, 2, 0, 0, 14, 0, 0, 0, 1, 0, 2, 0, 'a', 0 }, 14, -EBADMSG },
        { "field past the end", { 1, 2, 0, 0, 13, 0, 0, 0, 1, 0, 200, 0, 'a' }, 13, -EBADMSG },
        { "short number", { 1, 3, 0, 0, 14, 0, 0, 0, 5, 0, 2, 0, 1, 1 }, 14, -EBADMSG },
};

static void test_rubbish_is_refused(void **state) {
        AuthMessage out;

        for (size_t i = 0; i < ELEMENTSOF(rubbish); i++)
                if (auth_message_decode(rubbish[i].bytes, rubbish[i].size, &out) != rubbish[i].result)
                        fail_msg("%s", rubbish[i].what);
}

static void test_field_twice_is_refused(void **state) {
        AuthMessage m = begin_message(), out;
        size_t size, longer;
        _cleanup_free_ uint8_t *data = encode(&m, &size), *twice = malloc(size + 8);

        memcpy(twice, data, size);
        memcpy(twice + size, data + AUTH_HEADER_SIZE, 8);       /* the first field, "shop", once more */
        longer = size + 8;
        twice[4] = (uint8_t) longer;
        assert_int_equal(auth_message_decode(twice, longer, &out), -EBADMSG);
        assert_int_equal(out.secret.size, 0);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_begin_comes_back),
                cmocka_unit_test(test_result_comes_back),
                cmocka_unit_test(test_conversation_comes_back),
                cmocka_unit_test(test_rounds_come_back_in_order),
                cmocka_unit_test(test_rounds_that_cannot_be_are_refused),
                cmocka_unit_test(test_look_and_account_come_back),
                cmocka_unit_test(test_ready_is_a_header),
                cmocka_unit_test(test_broken_values_are_not_encoded),
                cmocka_unit_test(test_too_many_groups_are_not_encoded),
                cmocka_unit_test(test_small_buffer_is_said),
                cmocka_unit_test(test_every_cut_is_refused),
                cmocka_unit_test(test_every_flipped_bit_is_survived),
                cmocka_unit_test(test_rubbish_is_refused),
                cmocka_unit_test(test_field_twice_is_refused),
        };

        return cmocka_run_group_tests_name("auth-protocol", tests, NULL, NULL);
}
