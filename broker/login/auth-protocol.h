/* SPDX-License-Identifier: MIT */
/*
 * What the broker and its PAM helper (websess-pam) say to each other over a SOCK_SEQPACKET socket: one packet is
 * one message. One encoder and one decoder, used by both sides. Pure.
 *
 *   offset size
 *        0    1  version, AUTH_PROTOCOL_VERSION
 *        1    1  operation, AUTH_*
 *        2    2  zero
 *        4    4  size of the whole message in bytes, little-endian, at most AUTH_MESSAGE_MAX
 *        8       fields without padding: tag 1, zero 1, length 2 (little-endian), value
 *
 * A table (auth-protocol.c) says which fields each operation must and may have, of which type and size. Anything
 * else is refused whole: an unknown tag, a field twice that is not a list, a NUL in a string, bytes left over.
 * Numbers are little-endian.
 *
 *   helper → broker  READY     the helper has been started and waits for its one question
 *   broker → helper  BEGIN     authenticate this user for this service
 *   helper → broker  RESULT    how it ended; the helper exits
 *
 *   broker → helper  CONVERSE  the same question as BEGIN, with no secret: the stack asks for what it wants
 *   helper → broker  PROMPT    what the stack says and asks; the helper waits
 *   broker → helper  ANSWER    an answer to each question, in order; then another PROMPT or the RESULT
 *
 *   broker → helper  LOOK      how are these accounts? Nobody is authenticated
 *   helper → broker  ACCOUNT   one for each user that was asked for, in order; after the last the helper exits
 *
 * Operation numbers below 32 are bits of a word (auth-protocol.c).
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "record.h"

#define AUTH_PROTOCOL_VERSION 1u
#define AUTH_MESSAGE_MAX (64u * 1024u)
#define AUTH_HEADER_SIZE 8u
#define AUTH_SECRET_MAX 512u
#define AUTH_TEXT_MAX 480u
#define AUTH_GROUP_NAME_MAX 255u
#define AUTH_PROMPT_MAX 1024u           /* bytes of one message's text */
#define AUTH_PROMPTS_MAX 32u            /* messages of one round, as PAM_MAX_NUM_MSG */

enum {
        AUTH_READY = 1,
        AUTH_BEGIN = 2,
        AUTH_RESULT = 3,
        AUTH_CONVERSE = 16,
        AUTH_PROMPT = 17,
        AUTH_ANSWER = 18,
        AUTH_LOOK = 20,
        AUTH_ACCOUNT = 21,
        _AUTH_OPERATION_MAX,
};

/* Styles of a message, by PAM's own numbers. */
enum {
        AUTH_STYLE_SECRET = 1,          /* a question; the answer is not shown */
        AUTH_STYLE_QUESTION = 2,
        AUTH_STYLE_ERROR = 3,
        AUTH_STYLE_INFO = 4,
};

static inline bool auth_style_asks(int style) {
        return style == AUTH_STYLE_SECRET || style == AUTH_STYLE_QUESTION;
}

/* Bits of flags. */
enum {
        AUTH_STEP_UP = 1 << 0,          /* CONVERSE: by the service's stack for authenticating again */
        AUTH_LOCAL = 1 << 1,            /* RESULT, ACCOUNT: the user stands in /etc/passwd */
        AUTH_PASSWORD_CHANGED = 1 << 2, /* RESULT: the user, let in by the old password, has chosen a new one */
};

/* What an ACCOUNT is. */
typedef enum AuthAccount {
        AUTH_ACCOUNT_UNKNOWN,           /* NSS says that there is no such user */
        AUTH_ACCOUNT_FINE,
        AUTH_ACCOUNT_LOCKED,            /* a '!' stands before the password: usermod -L, passwd -l; or there never was one */
        AUTH_ACCOUNT_EXPIRED,           /* the account, not the password */
        AUTH_ACCOUNT_UNSURE,            /* NSS could not tell */
        _AUTH_ACCOUNT_MAX,
} AuthAccount;

#define AUTH_KEY_SIZE 32u
#define AUTH_LOOK_MAX 64u               /* users in one LOOK */

/* One message as a value; of it, the fields of its operation count. Slices point into the packet it was decoded
 * from, or into what the caller encodes from. */
typedef struct AuthMessage {
        uint8_t operation;

        /* BEGIN, CONVERSE */
        Slice service, user, secret, remote_host;
        uint32_t flags;                 /* of RESULT and ACCOUNT, too */
        Slice session;                  /* CONVERSE: the id of the session whose user authenticates again */
        Slice language;                 /* CONVERSE: what the user speaks */

        /* BEGIN, CONVERSE, LOOK: with what account_digest is keyed; all zero: not wanted */
        uint8_t account_key[AUTH_KEY_SIZE];

        /* LOOK */
        size_t n_users;
        const Slice *users;

        /* ACCOUNT, with user, uid, groups and account_digest as in RESULT */
        uint32_t account;               /* AuthAccount */

        /* PROMPT: each begins with its style, as one byte, and goes on with the text */
        size_t n_messages;
        const Slice *messages;

        /* ANSWER: one for each message that asks */
        size_t n_answers;
        const Slice *answers;

        /* RESULT; user is PAM_USER as it was after success, and text is for the journal and for administrators */
        uint32_t outcome;               /* 0 or FAULT_* */
        uint32_t pam_result;            /* what libpam returned last */
        uint64_t delay_usec;            /* what the stack asked for with pam_fail_delay(3) */
        uint32_t uid;                   /* RECORD_NO_UID when NSS does not know the user */
        uint32_t level;                 /* what the stack that let the user in is worth, by the policy */
        Slice text;
        uint8_t account_digest[RECORD_TAG_SIZE];
        size_t n_groups, n_methods;
        const Slice *groups, *methods;  /* encoding: arrays of the caller's; decoding: NULL */
        Slice fields;                   /* decoding: all fields, for the two walks below; encoding: ignored */
} AuthMessage;

/* The size the message would have, or 0 when it breaks a rule of the table. */
size_t auth_message_size(const AuthMessage *m);

/* Returns 0, -EINVAL when a rule is broken or -ENOBUFS when size is too small; *ret_size is what was written. */
int auth_message_encode(const AuthMessage *m, void *out, size_t size, size_t *ret_size);

/* Returns 0, -EBADMSG, or -EPROTONOSUPPORT for another version. *out points into data. */
int auth_message_decode(const void *data, size_t size, AuthMessage *out);

/* Walk a decoded list: start with *position = 0; false at the end. */
bool auth_message_next_group(const AuthMessage *m, size_t *position, Slice *out);
bool auth_message_next_method(const AuthMessage *m, size_t *position, Slice *out);
bool auth_message_next_user(const AuthMessage *m, size_t *position, Slice *out);
bool auth_message_next_answer(const AuthMessage *m, size_t *position, Slice *out);
bool auth_message_next_prompt(const AuthMessage *m, size_t *position, int *style, Slice *text);
