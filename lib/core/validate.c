/* SPDX-License-Identifier: MIT */
/* The rules for what comes in from outside, and their texts. Owns no state. */
#include "validate.h"

#include <string.h>

enum {
        ALLOW_CONTROL = 1 << 0,         /* control characters, but NUL */
        REFUSE_SPACE = 1 << 1,
        SECRET = 1 << 2,                /* say nothing of what is in it */
};

typedef struct Rule {
        const char *what;
        size_t min, max;
        unsigned flags;
} Rule;

/* The size of the character at p and, in *ret, the character; 0 when it is malformed. */
static size_t utf8_next(const uint8_t *p, size_t left, uint32_t *ret) {
        static const uint32_t smallest[] = { 0, 0, 0x80, 0x800, 0x10000 };
        size_t size;
        uint32_t c;

        if (p[0] < 0x80) {
                *ret = p[0];
                return 1;
        }
        if (p[0] < 0xc2 || p[0] > 0xf4)
                return 0;

        size = p[0] < 0xe0 ? 2 : p[0] < 0xf0 ? 3 : 4;
        if (size > left)
                return 0;
        c = p[0] & (0x7fu >> size);
        for (size_t i = 1; i < size; i++) {
                if ((p[i] & 0xc0) != 0x80)
                        return 0;
                c = c << 6 | (p[i] & 0x3f);
        }

        /* Longer than need be, half a surrogate pair, behind the end of Unicode. */
        if (c < smallest[size] || (c >= 0xd800 && c <= 0xdfff) || c > 0x10ffff)
                return 0;
        /* The 66 noncharacters: no sd-bus message can carry one, so they are refused by name here. */
        if ((c >= 0xfdd0 && c <= 0xfdef) || (c & 0xfffe) == 0xfffe)
                return 0;
        *ret = c;
        return size;
}

bool utf8_valid(const char *data, size_t size) {
        const uint8_t *p = (const uint8_t *) data;
        uint32_t c;

        for (size_t i = 0, n; i < size; i += n) {
                n = utf8_next(p + i, size - i, &c);
                if (n == 0)
                        return false;
        }
        return true;
}

/* Are the next eight bytes plain ASCII, none less than min and no DEL? That is what nearly all texts are made of. (Below 0x80 neither a
 * subtraction nor an addition reaches the next byte, but for one that has its own highest bit set by it.) */
static bool is_plain(const uint8_t *p, uint8_t min) {
        const uint64_t each = UINT64_C(0x0101010101010101);
        uint64_t eight;

        memcpy(&eight, p, sizeof(eight));
        return !((eight | (eight - each * min) | (eight + each)) & (each << 7));
}

static bool is_control(uint32_t c) {
        return c < 0x20 || (c >= 0x7f && c <= 0x9f);
}

/* White_Space of Unicode, without the control characters among it. */
static bool is_space(uint32_t c) {
        return c == 0x20 || c == 0xa0 || c == 0x1680 || (c >= 0x2000 && c <= 0x200a) || c == 0x2028 || c == 0x2029 ||
               c == 0x202f || c == 0x205f || c == 0x3000;
}

static int check_size(size_t size, const Rule *rule, Fault *f) {
        if (size == 0 && rule->min > 0)
                return fault(f, FAULT_INVALID_ARGUMENT, "%s is empty: give 1 to %zu bytes", rule->what, rule->max);
        if (size > rule->max)
                return fault(f, FAULT_INVALID_ARGUMENT, "%s is too long: %zu bytes, where at most %zu are allowed",
                             rule->what, size, rule->max);
        return 0;
}

/* What is wrong with a character, as a word for the text; NULL for nothing. */
static const char *character_fault(uint32_t c, unsigned flags) {
        if (c == 0)
                return "a NUL byte";
        if (is_control(c) && !(flags & ALLOW_CONTROL))
                return "a control character";
        if (is_space(c) && (flags & REFUSE_SPACE))
                return "white space";
        return NULL;
}

static int check_text(Slice s, const Rule *rule, Fault *f) {
        const uint8_t *p = (const uint8_t *) s.data, min = rule->flags & REFUSE_SPACE ? '!' : ' ';
        int r;

        r = check_size(s.size, rule, f);
        if (r != 0)
                return r;

        for (size_t i = 0, n; i < s.size; i += n) {
                uint32_t c = 0;
                const char *wrong;

                n = 8;
                if (s.size - i >= n && is_plain(p + i, min))
                        continue;
                n = utf8_next(p + i, s.size - i, &c);
                wrong = n == 0 ? "malformed UTF-8" : character_fault(c, rule->flags);
                if (!wrong)
                        continue;
                if (rule->flags & SECRET)
                        return fault(f, FAULT_INVALID_ARGUMENT, "%s holds %s, which is not allowed", rule->what, wrong);
                return fault(f, FAULT_INVALID_ARGUMENT, "%s holds %s, which is not allowed, at byte %zu", rule->what,
                             wrong, i + 1);
        }
        return 0;
}

/* Names made of plain ASCII. extra: what is allowed beside digits and small letters. */
static int check_name(Slice s, const Rule *rule, const char *extra, Fault *f) {
        int r;

        r = check_text(s, rule, f);
        if (r != 0)
                return r;

        for (size_t i = 0; i < s.size; i++) {
                char c = s.data[i];

                if (!(c >= 'a' && c <= 'z') && !(c >= '0' && c <= '9') && !strchr(extra, c))
                        return fault(f, FAULT_INVALID_ARGUMENT,
                                     "%s holds a character that is not allowed, at byte %zu: give letters (a-z), "
                                     "digits and %s alone", rule->what, i + 1,
                                     strchr(extra, '.') ? "A-Z _ - ." : "_ -");
        }
        return 0;
}

int validate_service(Slice s, Fault *f) {
        static const Rule rule = { "service", 1, SERVICE_MAX, 0 };
        int r;

        r = check_name(s, &rule, "ABCDEFGHIJKLMNOPQRSTUVWXYZ_-.", f);
        if (r != 0)
                return r;

        /* The name becomes part of a path. */
        if (s.data[0] == '.')
                return fault(f, FAULT_INVALID_ARGUMENT, "service must not begin with a dot");
        if (memmem(s.data, s.size, "..", 2))
                return fault(f, FAULT_INVALID_ARGUMENT, "service must not hold two dots in a row");
        return 0;
}

int validate_user(Slice s, Fault *f) {
        static const Rule rule = { "user", 1, USER_MAX, 0 };

        return check_text(s, &rule, f);
}

int validate_role(Slice s, Fault *f) {
        static const Rule rule = { "role", 1, ROLE_MAX, REFUSE_SPACE };
        int r;

        r = check_text(s, &rule, f);
        if (r != 0)
                return r;
        if (s.data[0] == '@' || s.data[0] == '*')
                return fault(f, FAULT_INVALID_ARGUMENT, "role must not begin with %c: that is how a policy writes %s",
                             s.data[0], s.data[0] == '@' ? "groups" : "everyone");
        return 0;
}

int validate_token_text(Slice s, Fault *f) {
        static const Rule rule = { "token", 0, 256, SECRET };

        return check_text(s, &rule, f);
}

int validate_password(Slice s, Fault *f) {
        static const Rule rule = { "secret", 1, 512, ALLOW_CONTROL | SECRET };

        return check_text(s, &rule, f);
}

static int check_strings(const Attribute *a, const Rule *rule, Fault *f) {
        size_t position = 0;
        Slice s;
        int r;

        while (attribute_next_string(a, &position, &s)) {
                r = check_text(s, rule, f);
                if (r != 0)
                        return r;
        }
        if (position != a->bytes.size)
                return fault(f, FAULT_INVALID_ARGUMENT, "attribute's list of strings is cut short");
        return 0;
}

int validate_attribute(const Attribute *a, Fault *f) {
        static const Rule key = { "attribute's key", 1, ATTRIBUTE_KEY_MAX, 0 };
        static const Rule value = { "attribute's value", 0, ATTRIBUTES_SIZE_MAX, ALLOW_CONTROL };
        int r;

        r = check_text(a->key, &key, f);
        if (r != 0)
                return r;

        switch (a->type) {
        case 'b':
        case 'x':
        case 'd':
                return 0;
        case 's':
                r = check_text(a->bytes, &value, f);
                break;
        case 'y':
                r = check_size(a->bytes.size, &value, f);
                break;
        case 'a':
                r = check_size(a->bytes.size, &value, f);
                if (r == 0)
                        r = check_strings(a, &value, f);
                break;
        default:
                return fault(f, FAULT_INVALID_ARGUMENT,
                             "attribute \"%.*s\" has a type that cannot be kept: give a boolean, an integer, a double, "
                             "a string, bytes or strings", (int) a->key.size, a->key.data);
        }
        if (r == 0 && attribute_size(a) > ATTRIBUTES_SIZE_MAX)
                r = fault(f, FAULT_INVALID_ARGUMENT, "attribute \"%.*s\" is too large: all attributes of a session "
                          "together may have %u bytes", (int) a->key.size, a->key.data, ATTRIBUTES_SIZE_MAX);
        return r;
}

int validate_method(Slice s, Fault *f) {
        static const Rule rule = { "authentication method", 1, METHOD_MAX, 0 };

        return check_name(s, &rule, "_-", f);
}

int validate_remote_host(Slice s, Fault *f) {
        static const Rule rule = { "RemoteHost", 0, REMOTE_HOST_MAX, 0 };

        return check_text(s, &rule, f);
}

int validate_user_agent(Slice s, Fault *f) {
        static const Rule rule = { "UserAgent", 0, USER_AGENT_MAX, 0 };

        return check_text(s, &rule, f);
}

int validate_language(Slice s, Fault *f) {
        static const Rule rule = { "Language", 0, LANGUAGE_MAX, 0 };

        return check_name(s, &rule, "ABCDEFGHIJKLMNOPQRSTUVWXYZ_-.", f);
}

int validate_request_id(Slice s, Fault *f) {
        static const Rule rule = { "RequestId", 1, 128, 0 };

        return check_text(s, &rule, f);
}
