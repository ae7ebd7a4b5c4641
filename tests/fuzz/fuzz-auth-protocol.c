/* SPDX-License-Identifier: MIT */
/* Any packet as a message between broker and PAM helper: refused, or the same message when it is written again. */
#include <string.h>

#include "auth-protocol.h"
#include "fuzz.h"

#define LIST_MAX 512u

static size_t read_list(const AuthMessage *m, bool (*next)(const AuthMessage *, size_t *, Slice *), Slice *out) {
        size_t n = 0, position = 0;

        while (n < LIST_MAX && next(m, &position, out + n))
                n++;
        return n;
}

/* With the style's byte, as they are encoded. */
static size_t read_prompts(const AuthMessage *m, Slice *out) {
        size_t n = 0, position = 0;
        Slice text;
        int style;

        while (n < LIST_MAX && auth_message_next_prompt(m, &position, &style, &text)) {
                out[n] = slice(text.data - 1, text.size + 1);
                CHECK((uint8_t) out[n].data[0] == style);
                n++;
        }
        return n;
}

/* A key or flags that are not there are written as zeros, where they may be. */
static size_t size_again(const AuthMessage *m, size_t size) {
        static const uint8_t zeros[AUTH_KEY_SIZE];
        bool keyed = m->operation == AUTH_BEGIN || m->operation == AUTH_CONVERSE || m->operation == AUTH_LOOK;
        bool flagged = m->operation == AUTH_RESULT || m->operation == AUTH_ACCOUNT;

        if (keyed && memcmp(m->account_key, zeros, AUTH_KEY_SIZE) == 0)
                size += 4 + AUTH_KEY_SIZE;
        if (flagged && m->flags == 0)
                size += 4 + sizeof(m->flags);
        return size;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        static uint8_t written[AUTH_MESSAGE_MAX + 4 + AUTH_KEY_SIZE];
        Slice groups[LIST_MAX], methods[LIST_MAX], users[LIST_MAX], prompts[LIST_MAX], answers[LIST_MAX];
        AuthMessage m, again;
        size_t n = 0;

        if (auth_message_decode(data, size, &m) < 0) {
                CHECK(m.secret.size == 0);
                return 0;
        }
        if (m.n_groups > LIST_MAX || m.n_methods > LIST_MAX || m.n_users > LIST_MAX || m.n_messages > LIST_MAX ||
                m.n_answers > LIST_MAX)
                return 0;
        CHECK(read_list(&m, auth_message_next_group, groups) == m.n_groups);
        CHECK(read_list(&m, auth_message_next_method, methods) == m.n_methods);
        CHECK(read_list(&m, auth_message_next_user, users) == m.n_users);
        CHECK(read_list(&m, auth_message_next_answer, answers) == m.n_answers);
        CHECK(read_prompts(&m, prompts) == m.n_messages);
        again = m;
        again.groups = groups;
        again.methods = methods;
        again.users = users;
        again.messages = prompts;
        again.answers = answers;
        if (auth_message_size(&again) > AUTH_MESSAGE_MAX)
                return 0;               /* filled up, but for the key */
        CHECK(auth_message_encode(&again, written, sizeof(written), &n) == 0);
        /* in the order of the table, perhaps, but nothing more and nothing less */
        CHECK(n == size || n == size_again(&m, size));
        CHECK(auth_message_decode(written, n, &again) == 0);
        CHECK(slice_equal(m.user, again.user) && slice_equal(m.secret, again.secret));
        CHECK(m.outcome == again.outcome && m.uid == again.uid && m.delay_usec == again.delay_usec);
        CHECK(m.n_groups == again.n_groups && m.n_methods == again.n_methods && m.n_users == again.n_users);
        CHECK(m.n_messages == again.n_messages && m.n_answers == again.n_answers && m.account == again.account && m.flags == again.flags);
        return 0;
}
