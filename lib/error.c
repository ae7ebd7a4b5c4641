/* SPDX-License-Identifier: MIT */
/* Outcomes in words. Owns the thread's error text. */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "error.h"

static _Thread_local char error_text[sizeof(((Fault *) NULL)->text)];

int error_set(int code, const char *format, ...) {
        va_list ap;

        va_start(ap, format);
        (void) vsnprintf(error_text, sizeof(error_text), format, ap);
        va_end(ap);
        return code;
}

int error_fault(const Fault *f) {
        return error_set(f->code, "%s", f->text[0] ? f->text : fault_text(f->code));
}

int error_errno(int r, const char *what) {
        return error_set(r, "%s: %s", what, websess_strerror(r));
}

int error_memory(void) {
        return error_errno(-ENOMEM, "websess");
}

void error_save(ErrorText *out) {
        memcpy(out->text, error_text, sizeof(error_text));
}

void error_restore(const ErrorText *t) {
        memcpy(error_text, t->text, sizeof(error_text));
}

const char *websess_last_error_text(void) {
        return error_text;
}

const char *websess_strerror(int code) {
        const char *text;

        if (code > 0)
                return fault_text(code);
        if (code == 0)
                return "Done.";
        /* The table behind strerrordesc_np() is read-only; strerror() may write into a buffer that threads share. */
        text = strerrordesc_np(code == INT32_MIN ? INT32_MAX : -code);
        return text ?: "Unknown error";
}

const char *websess_code_name(int code) {
        return code == 0 ? "OK" : fault_name(code);
}

int websess_http_status(int code) {
        return code == 0 ? 200 : fault_http_status(code);
}
