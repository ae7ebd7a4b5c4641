/* SPDX-License-Identifier: MIT */
/*
 * Reading the command line. One table says for every option what it is called, what it takes and which field of
 * CtlOptions it fills; the verbs say by bits which of them they understand. Touches nothing but its arguments (and
 * getopt's own variables).
 */
#include <errno.h>
#include <getopt.h>
#include <stdlib.h>
#include <string.h>

#include "cmdline.h"
#include "secret.h"
#include "span.h"

typedef enum OptionKind {
        KIND_FLAG,
        KIND_TEXT,
        KIND_WORDS,
        KIND_NUMBER,
        KIND_SPAN,
        KIND_JSON,
} OptionKind;

typedef struct OptionSpec {
        const char *name;
        char letter;            /* 0: none */
        const char *argument;   /* NULL: takes none */
        OptionKind kind;
        size_t offset;
        const char *help;
} OptionSpec;

#define FIELD(name) offsetof(CtlOptions, name)

static const OptionSpec option_specs[_CTL_OPTION_MAX] = {
        [CTL_OPTION_HELP] = { "help", 'h', NULL, KIND_FLAG, FIELD(help),
                "Show this help, or that of the verb" },
        [CTL_OPTION_VERSION] = { "version", 0, NULL, KIND_FLAG, FIELD(version),
                "Show the version" },
        [CTL_OPTION_JSON] = { "json", 0, "MODE", KIND_JSON, FIELD(json),
                "Output as JSON: short, pretty or off" },
        [CTL_OPTION_QUIET] = { "quiet", 'q', NULL, KIND_FLAG, FIELD(quiet),
                "Only what was asked for: a bare token, or nothing" },
        [CTL_OPTION_NO_LEGEND] = { "no-legend", 0, NULL, KIND_FLAG, FIELD(no_legend),
                "No heading and no closing line" },
        [CTL_OPTION_NO_PAGER] = { "no-pager", 0, NULL, KIND_FLAG, FIELD(no_pager),
                "Do not pipe the output into a pager" },
        [CTL_OPTION_TIMEOUT] = { "timeout", 0, "SPAN", KIND_SPAN, FIELD(timeout_usec),
                "How long to wait for the broker" },
        [CTL_OPTION_SERVICE] = { "service", 's', "SERVICE", KIND_TEXT, FIELD(service),
                "Sessions of this service" },
        [CTL_OPTION_USER] = { "user", 'u', "USER", KIND_TEXT, FIELD(user),
                "Sessions of this user" },
        [CTL_OPTION_USER_PREFIX] = { "user-prefix", 0, "TEXT", KIND_TEXT, FIELD(user_prefix),
                "Sessions of users that begin so" },
        [CTL_OPTION_ROLE_FILTER] = { "role", 'r', "ROLE", KIND_TEXT, FIELD(role_filter),
                "Sessions with this role" },
        [CTL_OPTION_LIMIT] = { "limit", 'n', "N", KIND_NUMBER, FIELD(limit),
                "At most so many" },
        [CTL_OPTION_AFTER] = { "after", 0, "CURSOR", KIND_TEXT, FIELD(after),
                "Go on where a limited list ended" },
        [CTL_OPTION_ROLE] = { "role", 'r', "ROLE", KIND_WORDS, FIELD(roles),
                "A role; may be repeated" },
        [CTL_OPTION_ATTR] = { "attr", 'a', "KEY[:TYPE]=VALUE", KIND_WORDS, FIELD(attributes),
                "An attribute; may be repeated" },
        [CTL_OPTION_UNSET] = { "unset", 0, "KEY", KIND_WORDS, FIELD(unset),
                "Take an attribute away; may be repeated" },
        [CTL_OPTION_IF_VERSION] = { "if-version", 0, "N", KIND_NUMBER, FIELD(if_version),
                "Only if the session is at this version" },
        [CTL_OPTION_METHOD] = { "method", 0, "METHOD", KIND_WORDS, FIELD(methods),
                "How the user authenticated; may be repeated" },
        [CTL_OPTION_LEVEL] = { "level", 0, "N", KIND_NUMBER, FIELD(level),
                "Level of authentication" },
        [CTL_OPTION_REMOTE_HOST] = { "remote-host", 0, "HOST", KIND_TEXT, FIELD(remote_host),
                "The client's address" },
        [CTL_OPTION_USER_AGENT] = { "user-agent", 0, "TEXT", KIND_TEXT, FIELD(user_agent),
                "The client's program" },
        [CTL_OPTION_IDLE] = { "idle", 0, "SPAN", KIND_SPAN, FIELD(idle_usec),
                "A shorter idle time than the policy's" },
        [CTL_OPTION_LIFETIME] = { "lifetime", 0, "SPAN", KIND_SPAN, FIELD(lifetime_usec),
                "A shorter life than the policy's" },
        [CTL_OPTION_REMEMBER] = { "remember", 0, NULL, KIND_FLAG, FIELD(remember),
                "Stay signed in: the policy's RememberSec=" },
        [CTL_OPTION_REQUEST_ID] = { "request-id", 0, "TEXT", KIND_TEXT, FIELD(request_id),
                "Repeated within 60 s: the same session" },
        [CTL_OPTION_MAX_AGE] = { "max-age", 0, "SPAN", KIND_SPAN, FIELD(max_age_usec),
                "Authenticated no longer ago than this" },
        [CTL_OPTION_NO_TOUCH] = { "no-touch", 0, NULL, KIND_FLAG, FIELD(no_touch),
                "Leave the idle end where it is" },
        [CTL_OPTION_ALLOW_ANONYMOUS] = { "allow-anonymous", 0, NULL, KIND_FLAG, FIELD(allow_anonymous),
                "A visitor's session will do" },
        [CTL_OPTION_COOKIE] = { "cookie", 0, NULL, KIND_FLAG, FIELD(cookie),
                "Read a Cookie header instead of a token" },
        [CTL_OPTION_COOKIE_NAME] = { "cookie-name", 0, "NAME", KIND_TEXT, FIELD(cookie_name),
                "Name of the cookie (default: SESSION)" },
        [CTL_OPTION_CGI] = { "cgi", 0, NULL, KIND_FLAG, FIELD(cgi),
                "Take $HTTP_COOKIE, answer as a CGI program" },
        [CTL_OPTION_EXCEPT] = { "except", 0, "ID", KIND_TEXT, FIELD(except),
                "A session to keep" },
        [CTL_OPTION_PREFIX] = { "prefix", 0, NULL, KIND_FLAG, FIELD(prefix),
                "USER is how the names of users begin" },
        [CTL_OPTION_BY_USER] = { "user", 'u', NULL, KIND_FLAG, FIELD(by_user),
                "All sessions of a user, not one by its ID" },
};

#define FOR_ALL_VERBS                                                                                           \
        (CTL_BIT(HELP) | CTL_BIT(VERSION) | CTL_BIT(JSON) | CTL_BIT(QUIET) | CTL_BIT(NO_LEGEND) |               \
         CTL_BIT(NO_PAGER) | CTL_BIT(TIMEOUT))

/* getopt's value for the option with this index: beyond all letters. */
#define VALUE_OF(index) (256 + (int) (index))

/* What getopt_long() wants, for one set of options. */
typedef struct GetoptTables {
        struct option options[_CTL_OPTION_MAX + 1];
        char letters[2 + 2 * _CTL_OPTION_MAX + 1];
} GetoptTables;

static void tables_make(GetoptTables *t, uint64_t set, const char *prefix) {
        size_t n = 0;
        char *l = t->letters;

        while (*prefix)
                *l++ = *prefix++;
        for (size_t i = 0; i < _CTL_OPTION_MAX; i++) {
                const OptionSpec *s = &option_specs[i];

                if (!(set & (UINT64_C(1) << i)))
                        continue;
                t->options[n++] = (struct option) {
                        s->name, s->argument ? required_argument : no_argument, NULL, VALUE_OF(i),
                };
                if (!s->letter)
                        continue;
                *l++ = s->letter;
                if (s->argument)
                        *l++ = ':';
        }
}

/* The option of the set behind what getopt returned; NULL when it is none. */
static const OptionSpec *spec_of(uint64_t set, int value) {
        for (size_t i = 0; i < _CTL_OPTION_MAX; i++) {
                if (value != 0 && (set & (UINT64_C(1) << i)) && (value == VALUE_OF(i) || value == option_specs[i].letter))
                        return &option_specs[i];
        }
        return NULL;
}

static bool number_parse(const char *text, uint64_t *ret) {
        char *end;

        /* strtoull() lets signs and blanks in, which no number here has. */
        if (*text < '0' || *text > '9')
                return false;
        errno = 0;
        *ret = strtoull(text, &end, 10);
        return errno == 0 && *end == '\0';
}

static bool json_parse(const char *text, CtlJson *ret) {
        static const char *const names[] = {
                [CTL_JSON_OFF] = "off",
                [CTL_JSON_SHORT] = "short",
                [CTL_JSON_PRETTY] = "pretty",
        };

        for (size_t i = 0; i < ELEMENTSOF(names); i++) {
                if (strcmp(text, names[i]) == 0) {
                        *ret = (CtlJson) i;
                        return true;
                }
        }
        return false;
}

/* words has room for all of the command line. */
static void words_add(CtlWords *words, const char *word) {
        words->items[words->n++] = word;
}

static int option_apply(CtlOptions *o, const OptionSpec *s, const char *value, Fault *f) {
        void *field = (char *) o + s->offset;
        bool good = true;

        switch (s->kind) {
        case KIND_FLAG:
                *(bool *) field = true;
                break;
        case KIND_TEXT:
                *(const char **) field = value;
                break;
        case KIND_WORDS:
                words_add(field, value);
                break;
        case KIND_NUMBER:
                good = number_parse(value, field);
                break;
        case KIND_SPAN:
                good = span_parse(value, field);
                break;
        case KIND_JSON:
                good = json_parse(value, field);
                break;
        }
        if (!good)
                return fault(f, FAULT_INVALID_ARGUMENT, "--%s takes %s, not \"%s\"", s->name,
                             s->kind == KIND_NUMBER ? "a number" :
                             s->kind == KIND_SPAN ? "a span of time such as 90, 30s or \"1h 30min\"" :
                             "short, pretty or off", value);
        return 0;
}

/* Why getopt stopped; at is the word it stopped at. An argument is never repeated whole: it may be a secret. */
static int option_refuse(int c, const char *at, const CtlVerb *verb, uint64_t set, Fault *f) {
        const OptionSpec *s = spec_of(set, optopt);
        int size = (int) strcspn(at, "=");

        if (c == ':' && s)
                return fault(f, FAULT_INVALID_ARGUMENT, "--%s wants %s", s->name, s->argument);
        if (s)
                return fault(f, FAULT_INVALID_ARGUMENT, "--%s takes no value", s->name);
        if (verb)
                return fault(f, FAULT_INVALID_ARGUMENT, "%s has no option %.*s: see websessctl %s --help",
                             verb->name, size, at, verb->name);
        return fault(f, FAULT_INVALID_ARGUMENT, "no option %.*s before the verb: see websessctl --help", size, at);
}

/* Read options of the set until the line ends, or with prefix '+' until the first word that is none: optind is there
 * then. */
static int options_read(Ctl *c, uint64_t set, const char *prefix, int argc, char **argv, Fault *f) {
        GetoptTables t = {};

        tables_make(&t, set, prefix);
        opterr = 0;
        optind = 0;     /* glibc: begin anew, also in the middle of a word of letters */
        for (;;) {
                int at = optind > 0 ? optind : 1;
                int value = getopt_long(argc, argv, t.letters, t.options, NULL);
                const OptionSpec *s = spec_of(set, value);
                int r;

                if (value == -1)
                        return 0;
                if (!s) {
                        /* '?' or ':'. With long options getopt has moved on to the next word, within a word of letters not yet. */
                        const char *word = argv[optind > at ? optind - 1 : at];

                        return option_refuse(value, word ? word : "", c->verb, set, f);
                }
                r = option_apply(&c->o, s, optarg, f);
                if (r != 0)
                        return r;
        }
}

static int words_allocate(CtlWords *words, int argc) {
        words->items = calloc((size_t) argc + 1, sizeof(*words->items));
        return words->items ? 0 : -ENOMEM;
}

static int ctl_init(Ctl *c, int argc) {
        CtlWords *all[] = { &c->args, &c->o.roles, &c->o.attributes, &c->o.unset, &c->o.methods };

        *c = (Ctl) {};
        for (size_t i = 0; i < ELEMENTSOF(all); i++) {
                if (words_allocate(all[i], argc) < 0)
                        return -ENOMEM;
        }
        return 0;
}

void ctl_done(Ctl *c) {
        free(c->args.items);
        free(c->o.roles.items);
        free(c->o.attributes.items);
        free(c->o.unset.items);
        free(c->o.methods.items);
        *c = (Ctl) {};
}

/* A command line is open to everyone on the machine, in /proc and often in a shell's history. */
static int tokens_refuse(int argc, char **argv, Fault *f) {
        for (int i = 1; i < argc; i++) {
                if (secret_looks_like_token(argv[i]))
                        return fault(f, FAULT_INVALID_ARGUMENT,
                                     "argument %d looks like a token. A command line can be read by everyone on this "
                                     "machine: give tokens on standard input, and end the session if it was real", i);
        }
        return 0;
}

static int arguments_check(const Ctl *c, Fault *f) {
        const CtlVerb *v = c->verb;

        if (c->args.n >= v->min_args && c->args.n <= v->max_args)
                return 0;
        return fault(f, FAULT_INVALID_ARGUMENT, "%s: try websessctl %s%s%s",
                     c->args.n < v->min_args ? "something is missing" : "too many arguments",
                     v->name, *v->synopsis ? " " : "", v->synopsis);
}

int ctl_parse(Ctl *c, int argc, char **argv, Fault *f) {
        int r;

        r = ctl_init(c, argc);
        if (r < 0)
                return r;
        r = tokens_refuse(argc, argv, f);
        if (r != 0)
                return r;
        r = options_read(c, FOR_ALL_VERBS, "+:", argc, argv, f);
        if (r != 0 || optind >= argc || c->o.help || c->o.version)
                return r;

        c->verb = ctl_verb_find(argv[optind]);
        if (!c->verb)
                return fault(f, FAULT_INVALID_ARGUMENT, "no verb \"%s\": see websessctl --help", argv[optind]);
        argc -= optind;
        argv += optind;
        r = options_read(c, FOR_ALL_VERBS | c->verb->options, ":", argc, argv, f);
        if (r != 0 || c->o.help || c->o.version)
                return r;
        for (int i = optind; i < argc; i++)
                words_add(&c->args, argv[i]);
        return arguments_check(c, f);
}

static void help_option(FILE *out, const OptionSpec *s) {
        char left[64];

        snprintf(left, sizeof(left), "%c%c --%s%s%s", s->letter ? '-' : ' ', s->letter ? s->letter : ' ', s->name,
                 s->argument ? "=" : "", s->argument ? s->argument : "");
        fprintf(out, "  %-30s %s\n", left, s->help);
}

static void help_options(FILE *out, uint64_t set) {
        for (size_t i = 0; i < _CTL_OPTION_MAX; i++) {
                if (set & (UINT64_C(1) << i))
                        help_option(out, &option_specs[i]);
        }
}

static void help_all(FILE *out) {
        fputs("websessctl [OPTIONS…] VERB …\n\nLook after the web sessions of this machine.\n\nVerbs:\n", out);
        for (const CtlVerb *v = ctl_verbs; v->name; v++)
                fprintf(out, "  %s%s%s\n        %s\n", v->name, *v->synopsis ? " " : "", v->synopsis, v->help);
        fputs("\nOptions for all verbs:\n", out);
        help_options(out, FOR_ALL_VERBS);
        for (const CtlVerb *v = ctl_verbs; v->name; v++) {
                if (v->options == 0)
                        continue;
                fprintf(out, "\nOptions of %s:\n", v->name);
                help_options(out, v->options);
        }
        fputs("\nTokens and passwords come from standard input, or are asked for. See websessctl(1).\n", out);
}

void ctl_help(FILE *out, const CtlVerb *verb) {
        if (!verb) {
                help_all(out);
                return;
        }
        fprintf(out, "websessctl [OPTIONS…] %s%s%s\n\n%s\n", verb->name, *verb->synopsis ? " " : "", verb->synopsis,
                verb->help);
        if (verb->options) {
                fputs("\nOptions:\n", out);
                help_options(out, verb->options);
        }
        fputs("\nOptions for all verbs:\n", out);
        help_options(out, FOR_ALL_VERBS);
}
