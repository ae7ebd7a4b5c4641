/* SPDX-License-Identifier: MIT */
/* Error messages. The broker's own text is shown as it is, apart from what would steer the terminal. */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "say.h"
#include "text.h"

static void say(const char *what, const char *text) {
        _cleanup_free_ char *about = what ? text_escape(what, strlen(what)) : NULL;
        _cleanup_free_ char *escaped = text_escape(text, strlen(text));

        fflush(stdout);
        fprintf(stderr, "websessctl: %s%s%s\n", about ? about : "", about ? ": " : "",
                escaped ? escaped : "out of memory");
}

int say_status(int r) {
        if (r == 0)
                return CTL_EXIT_OK;
        return r > 0 ? CTL_EXIT_OUTCOME + r : CTL_EXIT_ERROR;
}

int say_outcome(const char *what, int r) {
        const char *text = websess_last_error_text();

        say(what, *text ? text : websess_strerror(r));
        return say_status(r);
}

int say_errno(const char *what, int r) {
        say(what, strerror(r < 0 ? -r : r));
        return CTL_EXIT_ERROR;
}

int say_usage(const char *format, ...) {
        _cleanup_free_ char *text = NULL;
        va_list args;

        va_start(args, format);
        if (vasprintf(&text, format, args) < 0)
                text = NULL;
        va_end(args);
        say(NULL, text ? text : "wrong usage");
        return CTL_EXIT_USAGE;
}

int say_fault(const Fault *f, int r) {
        return r < 0 ? say_errno(NULL, r) : say_usage("%s", f->text);
}
