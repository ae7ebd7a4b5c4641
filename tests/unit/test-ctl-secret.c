/* SPDX-License-Identifier: MIT */
/* Secrets on their way in, and CGI answers on their way out. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

#include "ctl/cgi.h"
#include "ctl/say.h"
#include "ctl/secret.h"
#include "token.h"

static int read_from(Secret *s, const char *text, size_t size) {
        int fd = memfd_create("secret", MFD_CLOEXEC), r;

        assert_true(fd >= 0);
        assert_int_equal(write(fd, text, size), (ssize_t) size);
        assert_int_equal(lseek(fd, 0, SEEK_SET), 0);
        r = secret_read_fd(s, fd);
        close(fd);
        return r;
}

static void reads(const char *text, size_t size, const char *expected, size_t expected_size) {
        Secret s;

        assert_int_equal(read_from(&s, text, size), 0);
        assert_int_equal(s.size, expected_size);
        assert_memory_equal(s.data, expected, expected_size);
        assert_int_equal(s.data[s.size], 0);
        secret_wipe(&s);
        for (size_t i = 0; i < sizeof(s.data); i++)
                assert_int_equal(s.data[i], 0);
}

static void test_S10_secrets_pass_as_they_are(void **state) {
        reads("hunter2", 7, "hunter2", 7);
        reads("hunter2\n", 8, "hunter2", 7);
        reads(" p w \n", 6, " p w ", 5);
        reads("two\n\n", 5, "two\n", 4);
        reads("cr\r\n", 4, "cr\r", 3);
        reads("nul\0in", 6, "nul\0in", 6);
        reads("pässwört", 10, "pässwört", 10);
}

static void test_nothing_and_too_much(void **state) {
        char *big = calloc(1, SECRET_MAX + 2);
        Secret s;

        assert_int_equal(read_from(&s, "", 0), -ENODATA);
        assert_int_equal(read_from(&s, "\n", 1), -ENODATA);
        memset(big, 'x', SECRET_MAX + 2);
        assert_int_equal(read_from(&s, big, SECRET_MAX), 0);
        assert_int_equal(s.size, SECRET_MAX);
        assert_int_equal(read_from(&s, big, SECRET_MAX + 1), -EMSGSIZE);
        big[SECRET_MAX] = '\n';
        assert_int_equal(read_from(&s, big, SECRET_MAX + 1), 0);
        assert_int_equal(s.size, SECRET_MAX);
        free(big);
}

static void test_tokens_are_recognized(void **state) {
        char text[TOKEN_MAX + 1], word[TOKEN_MAX + 64];
        static const char *const prefixes[] = { "", "APP:", "app_", "a-very-long_prefix-of-word-characters_" };
        /* 2026-11-22 in milliseconds, 0x01a200e0fbf0 or so. */
        Token token = { .id = { { 0x01, 0xa2, 0x00, 0xe0, 0xfb, 0xf0 } } };

        memset(token.secret, 0xa5, sizeof(token.secret));
        for (size_t i = 0; i < sizeof(prefixes) / sizeof(prefixes[0]); i++) {
                token_format(&token, prefixes[i], text);
                assert_true(secret_looks_like_token(text));
                snprintf(word, sizeof(word), "Cookie: x=1; SESSION=%s; y=2", text);
                assert_true(secret_looks_like_token(word));
                text[strlen(text) - 1] = '\0';
                assert_false(i == 0 && secret_looks_like_token(text));
        }
}

static void test_other_words_are_no_tokens(void **state) {
        static const char *const words[] = {
                "", "alice", "--user=alice", "0193a7c0fbf0000102030405060708ff",
                "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
                "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855e3b0c44298fc1c149afbf4c8996fb924",
                "/var/lib/some/very/long/path/to/a/backup-of-all-sessions-taken-in-november.websess",
                "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
                "----------------------------------------------------------------",
        };

        for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
                assert_false(secret_looks_like_token(words[i]));
}

static void value_is(const char *text, const char *expected) {
        char *written = NULL;
        size_t size;
        FILE *out = open_memstream(&written, &size);

        cgi_value(out, text);
        fclose(out);
        assert_string_equal(written, expected);
        free(written);
}

static void test_headers_cannot_be_broken_out_of(void **state) {
        value_is("alice", "alice");
        value_is("DOMAIN\\alice@example.org", "DOMAIN\\alice@example.org");
        value_is("a\r\nX-Websess-Roles: ADMIN", "a%0D%0AX-Websess-Roles: ADMIN");
        value_is("100%", "100%25");
        value_is("Jürg", "J%C3%BCrg");
        value_is("\177", "%7F");
}

static void answer_is(int r, const char *expected) {
        char *written = NULL;
        size_t size;
        FILE *out = open_memstream(&written, &size);

        cgi_answer(out, r, NULL);
        fclose(out);
        assert_string_equal(written, expected);
        free(written);
}

static void test_statuses_of_refusals(void **state) {
        answer_is(WEBSESS_E_NO_SESSION, "Status: 401\r\nCache-Control: no-store\r\nX-Websess-Error: NoSession\r\n\r\n");
        answer_is(WEBSESS_E_FORBIDDEN, "Status: 403\r\nCache-Control: no-store\r\nX-Websess-Error: Forbidden\r\n\r\n");
        answer_is(WEBSESS_E_UNAVAILABLE, "Status: 503\r\nCache-Control: no-store\r\nX-Websess-Error: Unavailable\r\n\r\n");
        answer_is(-EIO, "Status: 500\r\nCache-Control: no-store\r\nX-Websess-Error: Error\r\n\r\n");
}

static void test_exit_statuses(void **state) {
        assert_int_equal(say_status(0), 0);
        assert_int_equal(say_status(-EIO), 1);
        assert_int_equal(say_status(WEBSESS_E_NO_SESSION), 11);
        assert_int_equal(say_status(WEBSESS_E_FORBIDDEN), 12);
        assert_int_equal(say_status(WEBSESS_E_UNAVAILABLE), 22);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_S10_secrets_pass_as_they_are),
                cmocka_unit_test(test_nothing_and_too_much),
                cmocka_unit_test(test_tokens_are_recognized),
                cmocka_unit_test(test_other_words_are_no_tokens),
                cmocka_unit_test(test_headers_cannot_be_broken_out_of),
                cmocka_unit_test(test_statuses_of_refusals),
                cmocka_unit_test(test_exit_statuses),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
