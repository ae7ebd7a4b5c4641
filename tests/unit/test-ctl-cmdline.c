/* SPDX-License-Identifier: MIT */
/* The command line of websessctl: what is understood, and what is refused with which words. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "ctl/cmdline.h"

#define TOKEN "AZq6v9XhAQIDBAUGBwgJCgsMDQ4PEBESExQVFhcYGRobHB0eHyAhIiMkJSYnKCkq"

typedef struct Line {
        Ctl ctl;
        Fault fault;
        int result;
        char *words[16];
        int n;
} Line;

static Line *parse(const char *first, ...) {
        Line *l = calloc(1, sizeof(*l));
        va_list args;

        l->words[l->n++] = strdup("websessctl");
        va_start(args, first);
        for (const char *word = first; word; word = va_arg(args, const char *))
                l->words[l->n++] = strdup(word);
        va_end(args);
        l->result = ctl_parse(&l->ctl, l->n, l->words, &l->fault);
        return l;
}

static void done(Line *l) {
        ctl_done(&l->ctl);
        for (int i = 0; i < l->n; i++)
                free(l->words[i]);
        free(l);
}

static void refused(Line *l, const char *why) {
        assert_int_equal(l->result, FAULT_INVALID_ARGUMENT);
        if (!strstr(l->fault.text, why))
                fail_msg("\"%s\" is not in \"%s\"", why, l->fault.text);
        done(l);
}

static void test_verb_with_arguments(void **state) {
        Line *l = parse("show", "a", "b", NULL);

        assert_int_equal(l->result, 0);
        assert_string_equal(l->ctl.verb->name, "show");
        assert_int_equal(l->ctl.args.n, 2);
        assert_string_equal(l->ctl.args.items[0], "a");
        assert_string_equal(l->ctl.args.items[1], "b");
        done(l);
}

static void test_options_on_both_sides_of_the_verb(void **state) {
        Line *l = parse("--json=short", "-q", "list", "--no-legend", "-n", "7", "-ushop", "--user-prefix=acme:", NULL);

        assert_int_equal(l->result, 0);
        assert_int_equal(l->ctl.o.json, CTL_JSON_SHORT);
        assert_true(l->ctl.o.quiet);
        assert_true(l->ctl.o.no_legend);
        assert_false(l->ctl.o.no_pager);
        assert_int_equal(l->ctl.o.limit, 7);
        assert_string_equal(l->ctl.o.user, "shop");
        assert_string_equal(l->ctl.o.user_prefix, "acme:");
        done(l);
}

static void test_options_among_arguments_and_end_of_options(void **state) {
        Line *l = parse("create", "shop", "--role", "A", "-rB", "--attr=k=v", "--", "--odd", NULL);

        assert_int_equal(l->result, 0);
        assert_int_equal(l->ctl.args.n, 2);
        assert_string_equal(l->ctl.args.items[1], "--odd");
        assert_int_equal(l->ctl.o.roles.n, 2);
        assert_string_equal(l->ctl.o.roles.items[1], "B");
        assert_string_equal(l->ctl.o.attributes.items[0], "k=v");
        done(l);
}

/* The same name takes a value in one verb and none in the other. */
static void test_user_of_list_and_of_set_roles(void **state) {
        Line *l = parse("set-roles", "--user", "shop", "alice", "ADMIN", NULL);

        assert_int_equal(l->result, 0);
        assert_true(l->ctl.o.by_user);
        assert_null(l->ctl.o.user);
        assert_int_equal(l->ctl.args.n, 3);
        done(l);

        l = parse("list", "--user", "alice", NULL);
        assert_int_equal(l->result, 0);
        assert_false(l->ctl.o.by_user);
        assert_string_equal(l->ctl.o.user, "alice");
        done(l);
}

static void test_spans_and_numbers(void **state) {
        Line *l = parse("--timeout", "1min 30s", "resolve", "shop", "--max-age=2h", "--level=2", NULL);

        assert_int_equal(l->result, 0);
        assert_int_equal(l->ctl.o.timeout_usec, 90000000);
        assert_int_equal(l->ctl.o.max_age_usec, 7200000000);
        assert_int_equal(l->ctl.o.level, 2);
        done(l);
        refused(parse("list", "-n", "-1", NULL), "--limit takes a number, not \"-1\"");
        refused(parse("list", "-n", "5x", NULL), "--limit takes a number");
        refused(parse("list", "-n", "99999999999999999999", NULL), "--limit takes a number");
        refused(parse("list", "-n", "", NULL), "--limit takes a number");
        refused(parse("resolve", "shop", "--max-age=soon", NULL), "--max-age takes a span");
        refused(parse("list", "--json=nice", NULL), "--json takes short, pretty or off, not \"nice\"");
}

static void test_wrong_options(void **state) {
        refused(parse("list", "--bogus=secret", NULL), "list has no option --bogus: see websessctl list --help");
        refused(parse("-x", NULL), "no option -x before the verb");
        refused(parse("list", "-z", NULL), "list has no option -z");
        refused(parse("revoke", "id", "--role=A", NULL), "revoke has no option --role");
        refused(parse("list", "--limit", NULL), "--limit wants N");
        refused(parse("list", "-n", NULL), "--limit wants N");
        refused(parse("list", "--quiet=3", NULL), "--quiet takes no value");
        refused(parse("-u", "alice", "list", NULL), "no option -u before the verb");
}

/* A value may be a password that somebody took for an argument of --password. */
static void test_values_are_not_repeated(void **state) {
        Line *l = parse("login", "shop", "alice", "--password=hunter2", NULL);

        assert_null(strstr(l->fault.text, "hunter2"));
        refused(l, "login has no option --password");
}

static void test_number_of_arguments(void **state) {
        refused(parse("show", NULL), "something is missing: try websessctl show ID…");
        refused(parse("status", "now", NULL), "too many arguments: try websessctl status");
        refused(parse("login", "shop", NULL), "something is missing");
        refused(parse("revoke-user", "a", "b", "c", NULL), "too many arguments");
        refused(parse("dance", NULL), "no verb \"dance\"");
}

static void test_help_and_version_need_nothing_else(void **state) {
        Line *l = parse("login", "--help", NULL);

        assert_int_equal(l->result, 0);
        assert_true(l->ctl.o.help);
        assert_string_equal(l->ctl.verb->name, "login");
        done(l);

        l = parse("--version", NULL);
        assert_int_equal(l->result, 0);
        assert_true(l->ctl.o.version);
        assert_null(l->ctl.verb);
        done(l);
}

static void test_S22_tokens_are_refused_wherever_they_stand(void **state) {
        Line *l = parse("logout", "shop", TOKEN, NULL);

        assert_null(strstr(l->fault.text, TOKEN));
        refused(l, "argument 3 looks like a token");
        refused(parse("resolve", "shop", "--token=" TOKEN, NULL), "looks like a token");
        refused(parse("set-attr", "shop", "copy=shop_" TOKEN, NULL), "looks like a token");
        refused(parse("resolve", "shop", "--cookie", "SESSION=" TOKEN "; theme=dark", NULL), "looks like a token");
}

static void test_help_names_all_verbs_and_options(void **state) {
        char *text = NULL;
        size_t size;
        FILE *out = open_memstream(&text, &size);

        ctl_help(out, NULL);
        fclose(out);
        for (const CtlVerb *v = ctl_verbs; v->name; v++) {
                assert_non_null(strstr(text, v->name));
                assert_true(v->min_args <= v->max_args);
                assert_non_null(v->run);
        }
        assert_non_null(strstr(text, "-n --limit=N"));
        free(text);

        out = open_memstream(&text, &size);
        ctl_help(out, ctl_verb_find("backup"));
        fclose(out);
        assert_non_null(strstr(text, "backup FILE"));
        assert_null(strstr(text, "--limit"));
        free(text);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_verb_with_arguments),
                cmocka_unit_test(test_options_on_both_sides_of_the_verb),
                cmocka_unit_test(test_options_among_arguments_and_end_of_options),
                cmocka_unit_test(test_user_of_list_and_of_set_roles),
                cmocka_unit_test(test_spans_and_numbers),
                cmocka_unit_test(test_wrong_options),
                cmocka_unit_test(test_values_are_not_repeated),
                cmocka_unit_test(test_number_of_arguments),
                cmocka_unit_test(test_help_and_version_need_nothing_else),
                cmocka_unit_test(test_S22_tokens_are_refused_wherever_they_stand),
                cmocka_unit_test(test_help_names_all_verbs_and_options),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
