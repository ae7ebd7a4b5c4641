/* SPDX-License-Identifier: MIT */
/* Any text as a span of time, and any bytes through the validators. */
#include <string.h>

#include "fuzz.h"
#include "span.h"
#include "validate.h"

static void validators(Slice s) {
        static int (*const all[])(Slice s, Fault *f) = {
                validate_service, validate_user, validate_role, validate_token_text, validate_password,
                validate_method, validate_remote_host, validate_user_agent, validate_request_id,
        };

        for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
                Fault f = { 0 };
                int r = all[i](s, &f);

                CHECK(r == f.code && (r == 0 || r == FAULT_INVALID_ARGUMENT));
                CHECK(r != 0 || utf8_valid(s.data, s.size));
        }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        char *text = malloc(size + 1), shown[32];
        uint64_t usec, again;

        CHECK(text);
        validators(slice((const char *) data, size));

        memcpy(text, data, size);
        text[size] = '\0';
        if (span_parse(text, &usec)) {
                CHECK(usec <= UINT64_C(1) << 62);
                span_format(usec, shown);
                CHECK(strlen(shown) < sizeof(shown) && span_parse(shown, &again) && again <= usec);
        }
        free(text);
        return 0;
}
