/* SPDX-License-Identifier: MIT */
/* A CGI response without a body. nginx lets 2xx pass, hands 401 and 403 on, and takes all others for an error of its
 * own. */
#include "cgi.h"

void cgi_value(FILE *out, const char *text) {
        for (const unsigned char *p = (const unsigned char *) text; *p; p++)
                fprintf(out, *p <= 0x1f || *p >= 0x7f || *p == '%' ? "%%%02X" : "%c", *p);
}

static void header(FILE *out, const char *name, const char *value) {
        if (!value)
                return;
        fprintf(out, "%s: ", name);
        cgi_value(out, value);
        fputs("\r\n", out);
}

static void roles(FILE *out, const websess_session *s) {
        fputs("X-Websess-Roles:", out);
        for (size_t i = 0; i < websess_session_role_count(s); i++) {
                fputc(' ', out);
                cgi_value(out, websess_session_role_at(s, i));
        }
        fputs("\r\n", out);
}

void cgi_answer(FILE *out, int r, const websess_session *s) {
        const char *name = websess_code_name(r);

        fprintf(out, "Status: %d\r\nCache-Control: no-store\r\n", r == 0 ? 204 : websess_http_status(r));
        if (r == 0) {
                header(out, "X-Websess-User", websess_session_user(s));
                header(out, "X-Websess-Id", websess_session_id(s));
                roles(out, s);
        } else {
                header(out, "X-Websess-Error", name ? name : "Error");
        }
        fputs("\r\n", out);
}
