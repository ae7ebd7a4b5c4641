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

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        static uint8_t written[AUTH_MESSAGE_MAX];
        Slice groups[LIST_MAX], methods[LIST_MAX];
        AuthMessage m, again;
        size_t n = 0;

        if (auth_message_decode(data, size, &m) < 0) {
                CHECK(m.secret.size == 0);
                return 0;
        }
        if (m.n_groups > LIST_MAX || m.n_methods > LIST_MAX)
                return 0;
        CHECK(read_list(&m, auth_message_next_group, groups) == m.n_groups);
        CHECK(read_list(&m, auth_message_next_method, methods) == m.n_methods);
        again = m;
        again.groups = groups;
        again.methods = methods;
        CHECK(auth_message_encode(&again, written, sizeof(written), &n) == 0);
        CHECK(n == size);               /* in the order of the table, perhaps, but nothing more and nothing less */
        CHECK(auth_message_decode(written, n, &again) == 0);
        CHECK(slice_equal(m.user, again.user) && slice_equal(m.secret, again.secret));
        CHECK(m.outcome == again.outcome && m.uid == again.uid && m.delay_usec == again.delay_usec);
        CHECK(m.n_groups == again.n_groups && m.n_methods == again.n_methods);
        return 0;
}
