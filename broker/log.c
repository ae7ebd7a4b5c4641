/* SPDX-License-Identifier: MIT */
/* The journal. Owns nothing; every line is sent when it is said. The ids below are stable: the catalog, documentation and
 * administrators' filters name them. */
#define SD_JOURNAL_SUPPRESS_LOCATION
#include "log.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <systemd/sd-journal.h>

#include "cleanup.h"

static const char *const message_ids[_LOG_EVENT_MAX] = {
        [LOG_EVENT_STARTED] = "b394f12e8eb3452c820c8db9d11a1f96",
        [LOG_EVENT_STOPPING] = "f7af7b9b70a24adcb373e0f4cae70723",
        [LOG_EVENT_LOGIN] = "88658b08a43647b6b0e6ba762be7323a",
        [LOG_EVENT_LOGIN_FAILED] = "0f4b355186b54e059344f0721411c924",
        [LOG_EVENT_THROTTLED] = "991bf2fb76db45e383cbedd032298ea9",
        [LOG_EVENT_THROTTLE_RESET] = "03b349614f6e4dfd9e7a9c92c6c6bb5a",
        [LOG_EVENT_DENIED] = "15b089b6a32240069c7dccddc10b842d",
        [LOG_EVENT_ENDED] = "08172a671b7041caa6957672ee969d94",
        [LOG_EVENT_REVOKED_MANY] = "f5f296b0b1e64a5aa1021ea1788efb8f",
        [LOG_EVENT_ROLES_CHANGED] = "96ce2b6b47e941b6bc5a806d5fd9b94a",
        [LOG_EVENT_POLICY_LOADED] = "f5fe4c23c2244c9ebcaef7bb28793358",
        [LOG_EVENT_POLICY_REFUSED] = "300f386f3e4943259801c8b62d2bd1ae",
        [LOG_EVENT_STORE_FAILED] = "70f522577af943338d9986a6a7edaec1",
        [LOG_EVENT_STORE_RECOVERED] = "74843030c9474e138fbb3ed68854e68e",
        [LOG_EVENT_RECORD_DAMAGED] = "ca5594cb584741cdb23067e41a99a0ba",
        [LOG_EVENT_RESTORED] = "452d6405e58f47b6a8ff51f3fc9008d7",
        [LOG_EVENT_QUOTA] = "4ef5401fdbea432e9a4e1ec5c9e1b2ee",
        [LOG_EVENT_HOSTILE_PEER] = "e4eb158b717f4337822e73acad494df8",
        [LOG_EVENT_INTERNAL] = "c0ea4d88f5ed44ac81518ba542001d10",
};

enum { FIELDS_MAX = 12, FIELD_SIZE = 600 };

typedef struct Line {
        struct iovec fields[FIELDS_MAX];
        char text[FIELDS_MAX][FIELD_SIZE];
        int n;
} Line;

static void add(Line *l, const char *key, const char *value) {
        int n;

        if (!value || !*value)
                return;

        n = snprintf(l->text[l->n], FIELD_SIZE, "%s=%s", key, value);
        if (n >= FIELD_SIZE)
                n = FIELD_SIZE - 1;
        l->fields[l->n] = (struct iovec) { l->text[l->n], (size_t) n };
        l->n++;
}

/* Is standard error connected to the journal? systemd says which file that would be (systemd.exec(5), $JOURNAL_STREAM). */
static bool journal_listens(void) {
        const char *stream = getenv("JOURNAL_STREAM");
        unsigned long long device, inode;
        struct stat st;

        return stream && sscanf(stream, "%llu:%llu", &device, &inode) == 2 && fstat(STDERR_FILENO, &st) == 0 &&
                st.st_dev == device && st.st_ino == inode;
}

static void to_stderr(const char *message, const LogFields *f) {
        const struct { const char *key, *value; } extra[] = {
                { "service", f->service }, { "user", f->user }, { "session", f->session },
                { "reason", f->reason }, { "remote", f->remote_host }, { "unit", f->unit },
        };
        char line[2048];
        size_t n;

        n = (size_t) snprintf(line, sizeof(line), "websessd: %s", message);
        for (size_t i = 0; i < ELEMENTSOF(extra) && n < sizeof(line); i++)
                if (extra[i].value && *extra[i].value)
                        n += (size_t) snprintf(line + n, sizeof(line) - n, " %s=%s", extra[i].key, extra[i].value);
        fprintf(stderr, "%s\n", line);
}

void log_to_journal(LogEvent event, int priority, const LogFields *f, const char *message) {
        char number[24];
        Line l = { .n = 0 };

        add(&l, "MESSAGE", message);
        add(&l, "MESSAGE_ID", message_ids[event]);
        snprintf(number, sizeof(number), "%d", priority);
        add(&l, "PRIORITY", number);
        add(&l, "SYSLOG_IDENTIFIER", "websessd");
        add(&l, "WEBSESS_SERVICE", f->service);
        add(&l, "WEBSESS_USER", f->user);
        add(&l, "WEBSESS_SESSION", f->session);
        add(&l, "WEBSESS_REASON", f->reason);
        add(&l, "WEBSESS_REMOTE_HOST", f->remote_host);
        add(&l, "WEBSESS_CALLER_UNIT", f->unit);
        if (f->uid >= 0) {
                snprintf(number, sizeof(number), "%lld", (long long) f->uid);
                add(&l, "WEBSESS_CALLER_UID", number);
        }
        (void) sd_journal_sendv(l.fields, l.n);
}

void log_event(LogEvent event, int priority, const LogFields *f, const char *format, ...) {
        char message[FIELD_SIZE];
        va_list ap;

        va_start(ap, format);
        vsnprintf(message, sizeof(message), format, ap);
        va_end(ap);

        if (journal_listens())
                log_to_journal(event, priority, f, message);
        else
                to_stderr(message, f);
}

int log_error(int error, const char *format, ...) {
        char text[FIELD_SIZE];
        va_list ap;

        va_start(ap, format);
        vsnprintf(text, sizeof(text), format, ap);
        va_end(ap);

        log_event(LOG_EVENT_INTERNAL, LOG_ERR, LOG_NO_FIELDS, "%s: %s", text, strerror(error < 0 ? -error : error));
        return error;
}
