/* SPDX-License-Identifier: MIT */
/* The ring. It is searched rarely, by people, and filled often: so there is no index. */
#include "ended.h"

#include <stdio.h>
#include <stdlib.h>

void ended_done(Ended *e) {
        free(e->entries);
        *e = (Ended) {};
}

void ended_add(Ended *e, const Record *r, Reason reason, uint64_t realtime) {
        EndedEntry *entry;

        if (!e->entries)
                e->entries = calloc(ENDED_MAX, sizeof(*e->entries));
        if (!e->entries)
                return;
        entry = &e->entries[e->next];
        *entry = (EndedEntry) { .id = r->id, .reason = reason, .realtime = realtime };
        snprintf(entry->service, sizeof(entry->service), "%.*s", (int) r->service.size, r->service.data);
        e->next = (e->next + 1) % ENDED_MAX;
        e->n += e->n < ENDED_MAX;
}

const EndedEntry *ended_find(const Ended *e, const Ident *id) {
        /* The newest first. */
        for (size_t i = 1; i <= e->n; i++) {
                const EndedEntry *entry = &e->entries[(e->next + ENDED_MAX - i) % ENDED_MAX];

                if (ident_compare(&entry->id, id) == 0)
                        return entry;
        }
        return NULL;
}
