/* SPDX-License-Identifier: MIT */
/*
 * The keys of the policy as two tables: one for services.d/NAME.conf, one for websess.conf. Everything that is known of
 * a key stands on its row: where it lives, how it is read, what it is when nobody says. The manual page and the shipped
 * files are checked against the tables. Inner header of the policy-*.c files and their tests.
 */
#pragma once

#include "config.h"
#include "policy.h"

typedef struct Key Key;

/* Read value into *field, replacing what was there (a list: appending to it). Returns 0; FAULT_INVALID_ARGUMENT with
 * the bare reason; or a negative errno. An empty value is one of KEY_EMPTY or KEY_ANY, or the default. */
typedef int KeyParse(const Key *key, const ConfigItem *item, void *field, Fault *f);
typedef void KeyReset(void *field);

enum {
        KEY_EMPTY = 1 << 0,     /* an empty value is a value, not a reset */
        KEY_ANY = 1 << 1,       /* the section's keys are names of the administrator's own */
};

struct Key {
        const char *section;
        const char *name;               /* NULL: KEY_ANY */
        KeyParse *parse;
        size_t offset;                  /* of the field in Service or Settings */
        const char *initial;            /* the default, as one would write it; "" for an empty list or text */
        const void *detail;             /* the parser's: a KeyRange, KeyWord[] … */
        KeyReset *reset;                /* empties the field; NULL where the parser overwrites anyway */
        unsigned flags;
};

typedef struct KeyRange {
        uint64_t min, max;
} KeyRange;

typedef struct KeyWord {                /* an enum's; ends with a NULL text */
        const char *text;
        int value;
} KeyWord;

extern const Key service_keys[], settings_keys[];       /* each ends with a NULL section */
#define SERVICE_KEYS_MAX 48u

/* Set every field of the table to its default. */
int keys_reset_all(const Key *keys, void *object, Fault *f);
/* Apply one line. *ret is the row it fell on. Unknown sections and keys are refused. */
int keys_apply(const Key *keys, const ConfigItem *item, void *object, const Key **ret, Fault *f);

/* ---- parsers, one per type (policy-parse.c); behind each the type of *field ---- */
KeyParse parse_span;            /* uint64_t, µs; never 0 */
KeyParse parse_bool;            /* bool */
KeyParse parse_unsigned;        /* unsigned, within a KeyRange */
KeyParse parse_size;            /* uint64_t, within a KeyRange */
KeyParse parse_enum;            /* an enum, by KeyWord[] */
KeyParse parse_word;            /* char *, spelt as one of KeyWord[] */
KeyParse parse_name;            /* char *, by the KeyCheck */

/* Is this text good? 0 or FAULT_INVALID_ARGUMENT with the reason. The detail of a parse_name row. */
typedef struct KeyCheck {
        int (*check)(const char *value, Fault *f);
} KeyCheck;

KeyParse parse_access;          /* AccessList (policy-access.c) */
KeyReset access_list_reset;
int access_list_copy(AccessList *to, const AccessList *from);
KeyParse parse_methods;         /* Methods (policy-methods.c) */
KeyParse parse_languages;       /* the same */
KeyReset methods_reset;
KeyParse parse_role;            /* Service (policy-roles.c) */
KeyReset roles_reset;
KeyParse parse_max_age;         /* CookieRules (policy-cookie.c) */
KeyParse parse_domain_pattern;  /* CookieRules */
void cookie_rules_done(CookieRules *c);

int check_cookie_name(const char *value, Fault *f);
int check_cookie_path(const char *value, Fault *f);
int check_cookie_domain(const char *value, Fault *f);
int cookie_rules_check(const CookieRules *c, Fault *f);         /* do the keys of [Cookie] fit each other? */

/* The next word of a list; false at the end. *out points into the text that *cursor walks. */
bool next_word(const char **cursor, Slice *out);
