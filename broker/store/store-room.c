/* SPDX-License-Identifier: MIT */
/*
 * Room: sees to it that a group finds the blocks it needs, and that revoking works when the disk or the map is full.
 *
 * Blocks are allocated ahead of the last page in use. That is not only for the reserve: on a full disk the kernel may
 * write a page by half, which LMDB 0.9 reports as an I/O error, and that would be the end of the process.
 * A file system that cannot allocate ahead (or copies on write) gives no such promise; there, what it says is free is compared.
 */
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/statvfs.h>

#include "store-internal.h"

#define STEP_MIN (UINT64_C(64) * 1024)
#define STEP_MAX (UINT64_C(8) * 1024 * 1024)
#define RESERVE_MIN (UINT64_C(256) * 1024)      /* what one small revocation may need, and then some */
#define MARGIN_MIN (UINT64_C(1024) * 1024)

/* Pages that any transaction may touch besides the sessions' own: the two other tables, the root, the list of free pages. */
#define PAGES_ALWAYS 24u

static uint64_t min_u64(uint64_t a, uint64_t b) {
        return a < b ? a : b;
}

static uint64_t max_u64(uint64_t a, uint64_t b) {
        return a > b ? a : b;
}

void store_need_add(StoreNeed *need, const StoreOp *op, bool append, size_t page_size) {
        size_t whole = sizeof(op->id) + op->size + 16;

        /* LMDB keeps at least two nodes in a page and puts what is larger into pages of its own. */
        if (op->put && whole > page_size / 2 - 16) {
                need->overflow_pages += (op->size + 16 + page_size - 1) / page_size;
                whole = 64;
        }
        if (!op->put)
                need->deletes++;
        else if (append)
                need->append_bytes += whole;
        else
                need->puts++;
        if (op->put)
                need->revocation = false;
}

/* Pages the group may write one by one. A put may copy its leaf and split it, a delete copies its leaf and one beside it, but no leaf
 * twice; then the branches above, of which there are not more than there are. The list of free pages takes a page for
 * about 500 of them. */
static uint64_t single_pages(const Store *s, const StoreNeed *need) {
        size_t page_size = lmdb_page_size(s->lmdb);
        uint64_t ops = need->puts + need->deletes, leaves = 2 * need->puts + min_u64(2 * need->deletes, s->shape.leaf_pages);
        uint64_t branches = min_u64(ops * (s->shape.depth + 1), 2 * s->shape.branch_pages);
        uint64_t appended = need->append_bytes / (page_size / 2);
        uint64_t pages = leaves + branches + appended + s->shape.depth + PAGES_ALWAYS;

        return pages + pages / 250;
}

/* Pages before the last one in use that may be written again. */
static int free_pages(Store *s, uint64_t *ret) {
        uint64_t before = lmdb_last_txn_id(s->lmdb), pinned;

        pthread_mutex_lock(&s->mutex);
        pinned = store_backup_pins(s);
        pthread_mutex_unlock(&s->mutex);
        return lmdb_free_pages(s->lmdb, min_u64(before, pinned), ret);
}

/* How much the group may add behind the last page in use, now that free pages are counted. */
static int growth(Store *s, const StoreNeed *need, uint64_t *ret) {
        uint64_t pages = single_pages(s, need), available = 0;
        int r;

        r = free_pages(s, &available);
        if (r < 0)
                return r;
        pages -= min_u64(pages, available);
        *ret = (pages + need->overflow_pages) * lmdb_page_size(s->lmdb);
        return 0;
}

static int compare_free(Store *s, uint64_t target) {
        struct statvfs vfs;
        uint64_t used = lmdb_used_bytes(s->lmdb);

        if (fstatvfs(lmdb_fd(s->lmdb), &vfs) < 0)
                return -errno;
        if (target > used && (uint64_t) vfs.f_bavail * vfs.f_frsize < target - used)
                return -ENOSPC;
        return 0;
}

static int allocate_to(Store *s, uint64_t target) {
        int r;

        do
                r = fallocate(lmdb_fd(s->lmdb), 0, 0, (off_t) target) < 0 ? -errno : 0;
        while (r == -EINTR);
        return r;
}

/* See that the first target bytes of the file have blocks. Grows in steps, since each makes the file's new length durable. */
static int ensure(Store *s, uint64_t target) {
        StoreRoom *room = &s->room;
        uint64_t limit = lmdb_max_bytes(s->lmdb), step = min_u64(max_u64(room->reserve / 2, STEP_MIN), STEP_MAX);
        int r;

        target = min_u64(target, limit);
        if (room->refused)
                return compare_free(s, target);
        if (target <= room->allocated)
                return 0;

        r = allocate_to(s, min_u64(target + step, limit));
        if (r == 0)
                target = min_u64(target + step, limit);
        else if (r == -ENOSPC || r == -EDQUOT)
                r = allocate_to(s, target);
        if (r == -EOPNOTSUPP) {
                room->refused = true;
                return compare_free(s, target);
        }
        if (r < 0)
                return r;
        if (fsync(lmdb_fd(s->lmdb)) < 0)
                return -errno;
        room->allocated = target;
        return 0;
}

static int admit_disk(Store *s, const StoreNeed *need, uint64_t reserve) {
        uint64_t used = lmdb_used_bytes(s->lmdb), grown;
        size_t page_size = lmdb_page_size(s->lmdb);
        int r, error;

        error = ensure(s, used + (single_pages(s, need) + need->overflow_pages) * page_size + reserve);
        if (error != -ENOSPC && error != -EDQUOT)
                return error;
        r = growth(s, need, &grown);
        if (r < 0)
                return r;
        if (s->room.refused)
                return compare_free(s, used + grown + reserve);
        return used + grown + reserve <= s->room.allocated ? 0 : error;
}

/* The margin is for revocations. They may have used it up behind the last page, which never comes back down; pages that have become free are as good. */
static int admit_map(Store *s, const StoreNeed *need) {
        uint64_t used = lmdb_used_bytes(s->lmdb), limit = lmdb_max_bytes(s->lmdb), behind = limit > used ? limit - used : 0, available = 0;
        size_t page_size = lmdb_page_size(s->lmdb);
        uint64_t wanted = (single_pages(s, need) + need->overflow_pages) * page_size + s->room.margin;
        int r;

        if (wanted <= behind)
                return 0;
        r = free_pages(s, &available);
        if (r < 0)
                return r;
        return wanted <= behind + available * page_size ? 0 : -E2BIG;
}

int store_room_admit(Store *s, const StoreNeed *need) {
        int r;

        if (need->revocation)
                return admit_disk(s, need, 0);
        r = admit_map(s, need);
        return r < 0 ? r : admit_disk(s, need, s->room.reserve);
}

bool store_room_reserved(const Store *s) {
        uint64_t target = min_u64(lmdb_used_bytes(s->lmdb) + s->room.reserve, lmdb_max_bytes(s->lmdb));

        return !s->room.refused && s->room.allocated >= target;
}

/* A disk that is full already does not keep the broker from starting: sessions are resolved and revoked all the same. Nor does a map
 * that is, or that was made smaller: it is widened by the margin, for revocations only. */
int store_room_init(Store *s, uint64_t reserve_bytes) {
        uint64_t limit = lmdb_max_bytes(s->lmdb), used = lmdb_used_bytes(s->lmdb);
        struct stat st;
        int r;

        s->room.reserve = min_u64(max_u64(reserve_bytes, RESERVE_MIN), limit / 4);
        s->room.margin = min_u64(max_u64(limit / 64, MARGIN_MIN), limit / 8);
        if (used + s->room.margin > limit) {
                r = lmdb_set_max_bytes(s->lmdb, used + s->room.margin);
                if (r < 0)
                        return r;
        }
        if (ensure(s, used + s->room.reserve) == 0)
                return 0;
        /* What is in use has blocks; try to keep hold of what lies behind it. */
        if (fstat(lmdb_fd(s->lmdb), &st) == 0 && st.st_size > 0 && allocate_to(s, (uint64_t) st.st_size) == 0)
                s->room.allocated = (uint64_t) st.st_size;
        return 0;
}
