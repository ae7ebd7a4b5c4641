/* SPDX-License-Identifier: MIT */
/* The messages between broker and PAM helper: one table of fields, one encoder, one decoder. Owns nothing, touches
 * nothing outside. */
#include "auth-protocol.h"

#include <errno.h>
#include <string.h>

#define FIELD_HEADER_SIZE 4u
#define BIT(operation) (1u << (operation))
#define ASKING (BIT(AUTH_BEGIN) | BIT(AUTH_CONVERSE))
#define SAYING_WHO (BIT(AUTH_RESULT) | BIT(AUTH_ACCOUNT))
#define OPERATIONS (BIT(AUTH_READY) | ASKING | BIT(AUTH_PROMPT) | BIT(AUTH_ANSWER) | BIT(AUTH_LOOK) | SAYING_WHO)

typedef enum FieldType {
        FIELD_STRING,           /* a Slice without NUL */
        FIELD_LIST,             /* a string that may come any number of times; walked, not stored */
        FIELD_U32,
        FIELD_U64,
        FIELD_TAG,              /* bytes of a fixed size */
} FieldType;

typedef struct Field {
        uint8_t tag;
        FieldType type;
        size_t offset;          /* in AuthMessage; of a list: of its array */
        size_t count_offset;    /* lists only */
        size_t min, max;        /* bytes of the value */
        unsigned required;      /* BIT() of the operations that must have it */
        unsigned allowed;       /* … and of those that may */
} Field;

enum { TAG_GROUP = 11, TAG_METHOD = 12, TAG_PROMPT = 13, TAG_ANSWER = 14, TAG_USER = 18 };

#define AT(member) offsetof(AuthMessage, member)

/* Tags are for ever: a field that goes leaves its number unused. */
static const Field fields[] = {
        { 1, FIELD_STRING, AT(service), 0, 1, SERVICE_MAX, ASKING, ASKING },
        { 2, FIELD_STRING, AT(user), 0, 1, USER_MAX, ASKING | BIT(AUTH_ACCOUNT), ASKING | SAYING_WHO },
        { 3, FIELD_STRING, AT(secret), 0, 1, AUTH_SECRET_MAX, BIT(AUTH_BEGIN), BIT(AUTH_BEGIN) },
        { 4, FIELD_STRING, AT(remote_host), 0, 1, REMOTE_HOST_MAX, 0, ASKING },
        { 5, FIELD_U32, AT(outcome), 0, 4, 4, BIT(AUTH_RESULT), BIT(AUTH_RESULT) },
        { 6, FIELD_U32, AT(pam_result), 0, 4, 4, BIT(AUTH_RESULT), BIT(AUTH_RESULT) },
        { 7, FIELD_U64, AT(delay_usec), 0, 8, 8, BIT(AUTH_RESULT), BIT(AUTH_RESULT) },
        { 8, FIELD_U32, AT(uid), 0, 4, 4, SAYING_WHO, SAYING_WHO },
        { 9, FIELD_STRING, AT(text), 0, 1, AUTH_TEXT_MAX, 0, BIT(AUTH_RESULT) },
        { 10, FIELD_TAG, AT(account_digest), 0, RECORD_TAG_SIZE, RECORD_TAG_SIZE, SAYING_WHO, SAYING_WHO },
        { TAG_GROUP, FIELD_LIST, AT(groups), AT(n_groups), 1, AUTH_GROUP_NAME_MAX, 0, SAYING_WHO },
        { TAG_METHOD, FIELD_LIST, AT(methods), AT(n_methods), 1, METHOD_MAX, 0, BIT(AUTH_RESULT) },
        { TAG_PROMPT, FIELD_LIST, AT(messages), AT(n_messages), 1, 1 + AUTH_PROMPT_MAX, BIT(AUTH_PROMPT), BIT(AUTH_PROMPT) },
        { TAG_ANSWER, FIELD_LIST, AT(answers), AT(n_answers), 0, AUTH_SECRET_MAX, 0, BIT(AUTH_ANSWER) },
        { 15, FIELD_U32, AT(flags), 0, 4, 4, BIT(AUTH_CONVERSE), BIT(AUTH_CONVERSE) | SAYING_WHO },
        { 16, FIELD_U32, AT(level), 0, 4, 4, BIT(AUTH_RESULT), BIT(AUTH_RESULT) },
        { 17, FIELD_TAG, AT(account_key), 0, AUTH_KEY_SIZE, AUTH_KEY_SIZE, 0, ASKING | BIT(AUTH_LOOK) },
        { TAG_USER, FIELD_LIST, AT(users), AT(n_users), 1, USER_MAX, BIT(AUTH_LOOK), BIT(AUTH_LOOK) },
        { 19, FIELD_U32, AT(account), 0, 4, 4, BIT(AUTH_ACCOUNT), BIT(AUTH_ACCOUNT) },
        { 20, FIELD_STRING, AT(session), 0, IDENT_HEX_SIZE, IDENT_HEX_SIZE, 0, BIT(AUTH_CONVERSE) },
        { 21, FIELD_STRING, AT(language), 0, 1, LANGUAGE_MAX, 0, BIT(AUTH_CONVERSE) },
};

#define N_FIELDS (sizeof(fields) / sizeof(fields[0]))

static uint64_t read_number(const uint8_t *data, size_t size) {
        uint64_t n = 0;

        for (size_t i = size; i > 0; i--)
                n = n << 8 | data[i - 1];
        return n;
}

static void write_number(uint8_t *out, size_t size, uint64_t n) {
        for (size_t i = 0; i < size; i++, n >>= 8)
                out[i] = (uint8_t) n;
}

static const void *member(const AuthMessage *m, size_t offset) {
        return (const uint8_t *) m + offset;
}

static void *writable_member(AuthMessage *m, size_t offset) {
        return (uint8_t *) m + offset;
}

/* ---- encoding ---- */

typedef struct Writer {
        uint8_t *out;           /* NULL: only count; else large enough for what was counted */
        size_t used;
        bool invalid;
} Writer;

static void put_field(Writer *w, const Field *f, const void *value, size_t size) {
        if (size < f->min || size > f->max || (f->type <= FIELD_LIST && size > 0 && memchr(value, 0, size))) {
                w->invalid = true;
                return;
        }
        if (w->out) {
                uint8_t *at = w->out + w->used;

                at[0] = f->tag;
                at[1] = 0;
                write_number(at + 2, 2, size);
                if (size > 0)
                        memcpy(at + FIELD_HEADER_SIZE, value, size);
        }
        w->used += FIELD_HEADER_SIZE + size;
}

static void put_number(Writer *w, const Field *f, uint64_t n) {
        uint8_t bytes[8];

        write_number(bytes, f->max, n);
        put_field(w, f, bytes, f->max);
}

static void put_list(Writer *w, const Field *f, const AuthMessage *m) {
        const Slice *const *list = member(m, f->offset);
        const size_t *n = member(m, f->count_offset);

        for (size_t i = 0; i < *n; i++)
                put_field(w, f, (*list)[i].data, (*list)[i].size);
}

static void put_string(Writer *w, const Field *f, const AuthMessage *m) {
        const Slice *s = member(m, f->offset);

        if (s->size > 0)
                put_field(w, f, s->data, s->size);
        else if (f->required & BIT(m->operation))
                w->invalid = true;
}

static void put_message(Writer *w, const AuthMessage *m) {
        for (size_t i = 0; i < N_FIELDS; i++) {
                const Field *f = fields + i;

                if (!(f->allowed & BIT(m->operation)))
                        continue;
                switch (f->type) {
                case FIELD_STRING:
                        put_string(w, f, m);
                        break;
                case FIELD_LIST:
                        put_list(w, f, m);
                        break;
                case FIELD_U32:
                        put_number(w, f, *(const uint32_t *) member(m, f->offset));
                        break;
                case FIELD_U64:
                        put_number(w, f, *(const uint64_t *) member(m, f->offset));
                        break;
                case FIELD_TAG:
                        put_field(w, f, member(m, f->offset), f->max);
                        break;
                }
        }
}

static bool operation_known(uint8_t operation) {
        return operation < _AUTH_OPERATION_MAX && (OPERATIONS & BIT(operation));
}

size_t auth_message_size(const AuthMessage *m) {
        Writer w = { .used = AUTH_HEADER_SIZE };

        if (!operation_known(m->operation))
                return 0;
        put_message(&w, m);
        return w.invalid || w.used > AUTH_MESSAGE_MAX ? 0 : w.used;
}

int auth_message_encode(const AuthMessage *m, void *out, size_t size, size_t *ret_size) {
        size_t need = auth_message_size(m);
        Writer w = { .out = out, .used = AUTH_HEADER_SIZE };
        uint8_t *at = out;

        if (need == 0)
                return -EINVAL;
        if (need > size)
                return -ENOBUFS;
        at[0] = AUTH_PROTOCOL_VERSION;
        at[1] = m->operation;
        write_number(at + 2, 2, 0);
        write_number(at + 4, 4, need);
        put_message(&w, m);
        *ret_size = need;
        return 0;
}

/* ---- decoding ---- */

static const Field *find_field(uint8_t tag) {
        for (size_t i = 0; i < N_FIELDS; i++)
                if (fields[i].tag == tag)
                        return fields + i;
        return NULL;
}

/* The field at *position of an area of fields: its tag and value. False when it does not fit. */
static bool next_field(Slice area, size_t *position, uint8_t *tag, Slice *value) {
        const uint8_t *at = (const uint8_t *) area.data + *position;
        size_t left = area.size - *position, length;

        if (left < FIELD_HEADER_SIZE || at[1] != 0)
                return false;
        length = (size_t) read_number(at + 2, 2);
        if (left - FIELD_HEADER_SIZE < length)
                return false;
        *tag = at[0];
        *value = slice((const char *) at + FIELD_HEADER_SIZE, length);
        *position += FIELD_HEADER_SIZE + length;
        return true;
}

static void store_field(AuthMessage *m, const Field *f, Slice value) {
        void *to = writable_member(m, f->offset);
        const uint8_t *from = (const uint8_t *) value.data;
        size_t *count;

        switch (f->type) {
        case FIELD_STRING:
                *(Slice *) to = value;
                break;
        case FIELD_LIST:
                count = writable_member(m, f->count_offset);
                ++*count;
                break;
        case FIELD_U32:
                *(uint32_t *) to = (uint32_t) read_number(from, 4);
                break;
        case FIELD_U64:
                *(uint64_t *) to = read_number(from, 8);
                break;
        case FIELD_TAG:
                memcpy(to, from, f->max);
                break;
        }
}

static int decode_fields(AuthMessage *m) {
        uint32_t seen = 0, required = 0;
        size_t position = 0;

        while (position < m->fields.size) {
                uint8_t tag;
                Slice value;
                const Field *f;

                if (!next_field(m->fields, &position, &tag, &value))
                        return -EBADMSG;
                f = find_field(tag);
                if (!f || !(f->allowed & BIT(m->operation)) || value.size < f->min || value.size > f->max)
                        return -EBADMSG;
                if (f->type <= FIELD_LIST && memchr(value.data, 0, value.size))
                        return -EBADMSG;
                if (f->type != FIELD_LIST && (seen & 1u << tag))
                        return -EBADMSG;
                seen |= 1u << tag;
                store_field(m, f, value);
        }
        for (size_t i = 0; i < N_FIELDS; i++)
                if (fields[i].required & BIT(m->operation))
                        required |= 1u << fields[i].tag;
        return (seen & required) == required ? 0 : -EBADMSG;
}

int auth_message_decode(const void *data, size_t size, AuthMessage *out) {
        const uint8_t *at = data;
        AuthMessage m = { 0 };
        int r;

        *out = m;
        if (size < AUTH_HEADER_SIZE || size > AUTH_MESSAGE_MAX)
                return -EBADMSG;
        if (at[0] != AUTH_PROTOCOL_VERSION)
                return -EPROTONOSUPPORT;
        if (!operation_known(at[1]) || read_number(at + 2, 2) != 0 || read_number(at + 4, 4) != size)
                return -EBADMSG;
        m.operation = at[1];
        m.fields = slice((const char *) at + AUTH_HEADER_SIZE, size - AUTH_HEADER_SIZE);
        r = decode_fields(&m);
        if (r < 0)
                return r;
        *out = m;
        return 0;
}

static bool next_of(const AuthMessage *m, uint8_t wanted, size_t *position, Slice *out) {
        uint8_t tag;

        while (*position < m->fields.size && next_field(m->fields, position, &tag, out))
                if (tag == wanted)
                        return true;
        return false;
}

bool auth_message_next_group(const AuthMessage *m, size_t *position, Slice *out) {
        return next_of(m, TAG_GROUP, position, out);
}

bool auth_message_next_method(const AuthMessage *m, size_t *position, Slice *out) {
        return next_of(m, TAG_METHOD, position, out);
}

bool auth_message_next_user(const AuthMessage *m, size_t *position, Slice *out) {
        return next_of(m, TAG_USER, position, out);
}

bool auth_message_next_answer(const AuthMessage *m, size_t *position, Slice *out) {
        return next_of(m, TAG_ANSWER, position, out);
}

bool auth_message_next_prompt(const AuthMessage *m, size_t *position, int *style, Slice *text) {
        Slice s;

        if (!next_of(m, TAG_PROMPT, position, &s))
                return false;
        *style = (unsigned char) s.data[0];
        *text = slice(s.data + 1, s.size - 1);
        return true;
}
