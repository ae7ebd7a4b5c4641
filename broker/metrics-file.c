/* SPDX-License-Identifier: MIT */
/* Owns the timer, and the writer whose thread waits for the disk. */
#include "metrics-file.h"

#include <unistd.h>

#include "file-writer.h"
#include "log.h"
#include "span.h"

struct MetricsFile {
        FileWriter *writer;
        sd_event_source *timer;
        uint64_t interval_usec;
        MetricsText text;
        void *userdata;
        bool failed;                    /* the last writing failed, and that has been said */
};

static void note(MetricsFile *f, int result) {
        if (result < 0 && !f->failed)
                log_error(result, "Cannot write the metrics to %s (File= in [Metrics])", file_writer_path(f->writer));
        f->failed = result < 0;
}

static void write_once(MetricsFile *f) {
        int result = 0;
        char *text;
        size_t size;

        /* A disk that takes longer than the interval misses some of them. */
        if (file_writer_collect(f->writer, false, &result))
                note(f, result);
        if (file_writer_is_busy(f->writer))
                return;
        result = f->text(f->userdata, &text, &size);
        if (result == 0)
                result = file_writer_start(f->writer, text, size);
        if (result < 0)
                note(f, result);
}

static int on_timer(sd_event_source *source, uint64_t usec, void *userdata) {
        MetricsFile *f = userdata;

        write_once(f);
        return sd_event_source_set_time_relative(f->timer, f->interval_usec);
}

int metrics_file_new(MetricsFile **ret, sd_event *event, const char *path, uint64_t interval_usec, MetricsText text, void *userdata) {
        _cleanup_(metrics_file_freep) MetricsFile *f = calloc(1, sizeof(*f));
        int r;

        if (!f)
                return -ENOMEM;
        *f = (MetricsFile) { .interval_usec = interval_usec, .text = text, .userdata = userdata };
        r = file_writer_new(&f->writer, path, 0644);
        if (r < 0)
                return r;
        r = sd_event_add_time_relative(event, &f->timer, CLOCK_BOOTTIME, 0, USEC_PER_SEC / 10, on_timer, f);
        if (r < 0)
                return r;
        r = sd_event_source_set_enabled(f->timer, SD_EVENT_ON);
        if (r < 0)
                return r;
        *ret = TAKE_PTR(f);
        return 0;
}

MetricsFile *metrics_file_free(MetricsFile *f) {
        int ignored;

        if (!f)
                return NULL;
        sd_event_source_disable_unref(f->timer);
        if (f->writer) {
                (void) file_writer_collect(f->writer, true, &ignored);
                (void) unlink(file_writer_path(f->writer));
        }
        file_writer_free(f->writer);
        free(f);
        return NULL;
}
