/* SPDX-License-Identifier: MIT */
/*
 * Any memory as a map. A whole one with a few sessions is patched as the input says: one byte chooses what is asked for,
 * then come offset (2), length (1) and bytes, again and again. The reader must come back without having looked elsewhere, and
 * who does not know the secret is never let in.
 */
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "client.h"
#include "fuzz.h"
#include "map-writer.h"

#define SESSIONS 6u
#define SECRET 0xa0             /* session n has the secret of 32 bytes SECRET + n; nobody has that of … */
#define WRONG 0x55

static char *memory, *untouched;
static size_t memory_size;
static int memory_fd = -1;
static websess *handle;
static websess_session *session;

static Token token_of(unsigned n, bool wrong) {
        Token t = {};

        memset(t.id.bytes, 7, sizeof(t.id.bytes));
        t.id.bytes[15] = (uint8_t) n;
        memset(t.secret, wrong ? WRONG : SECRET + (int) n, sizeof(t.secret));
        return t;
}

static void put_session(Map *map, unsigned n) {
        static const Attribute cart = { .key = { "cart", 4 }, .type = 's', .bytes = { "three books", 11 } };
        static const Slice roles[] = { { "USER", 4 }, { "STAFF", 5 } };
        Token t = token_of(n, false);
        Record r = {
                .id = t.id, .version = 1, .idle_usec = UINT64_C(1) << 50, .lifetime_end = UINT64_C(1) << 60, .last_seen = 1,
                .uid = 1000, .service = slice_of("shop"), .user = slice_of("anna"), .n_roles = 2, .roles = roles,
                .n_attributes = n % 2, .attributes = &cart,
        };
        uint8_t record[512];
        const uint8_t *where;
        uint32_t cell = 0;
        size_t size;

        CHECK(token_secret_hash(t.secret, r.secret_hash) == 0);
        size = record_size(&r);
        CHECK(size > 0 && size <= sizeof(record) && record_encode(&r, record, size) == 0);
        CHECK(map_put(map, record, size, 1, &cell, &where) == 0);
}

static void copy_map(const Map *map) {
        int fd = map_open(map);
        off_t size;

        CHECK(fd >= 0);
        size = lseek(fd, 0, SEEK_END);
        CHECK(size > 0);
        memory_size = (size_t) size;
        untouched = malloc(memory_size);
        CHECK(untouched && pread(fd, untouched, memory_size, 0) == size);
        close(fd);
        memory_fd = memfd_create("map", MFD_CLOEXEC);
        CHECK(memory_fd >= 0 && ftruncate(memory_fd, size) == 0);
        memory = mmap(NULL, memory_size, PROT_READ | PROT_WRITE, MAP_SHARED, memory_fd, 0);
        CHECK(memory != MAP_FAILED);
}

/* By the broker's own writer, so that this is what a map looks like. */
static void make_map(void) {
        MapFacts facts = { .touch_usec = 30000000, .service = slice_of("shop"), .token_prefix = slice_of("T:"), .admin_role = slice_of("ADMIN"),
                           .roles_size = 17, .roles = "\4USER\5STAFF\5ADMIN" };
        MapSize size = { .n_buckets = 4, .n_cells = 64 };
        Lifeline *lifeline;
        struct stat st;
        Map *map;

        CHECK(stat("/proc/self/ns/time", &st) == 0);
        facts.time_namespace = st.st_ino;
        CHECK(lifeline_new(&lifeline, offsetof(MapHeader, owner)) == 0);
        CHECK(map_new(&map, lifeline, &facts, 1, &size) == 0);
        for (unsigned n = 0; n < SESSIONS; n++)
                put_session(map, n);
        map_publish(map);
        copy_map(map);
        map_free(map);
        lifeline_free(lifeline);
}

static void patch(const uint8_t *data, size_t size) {
        memcpy(memory, untouched, memory_size);
        while (size >= 3) {
                size_t at = (data[0] | (size_t) data[1] << 8) % memory_size, n = data[2];

                data += 3;
                size -= 3;
                n = n < size ? n : size;
                n = n < memory_size - at ? n : memory_size - at;
                memcpy(memory + at, data, n);
                data += n;
                size -= n;
        }
}

static int ask(unsigned n, bool wrong) {
        static const Slice roles[] = { { "STAFF", 5 } };
        Need need = { .flags = NEED_NO_TOUCH, .roles = roles, .n_roles = n & 1 };
        char text[TOKEN_MAX + 1];
        Token t = token_of(n, wrong);
        int r;

        token_format(&t, "T:", text);
        r = resolve_by_map(handle, slice_of(text), &need, session);
        if (r == 0)
                CHECK(strlen(websess_session_id(session)) == IDENT_HEX_SIZE && websess_session_role_count(session) <= ROLES_MAX);
        websess_session_clear(session);
        return r;
}

static void set_up(void) {
        make_map();
        CHECK(websess_open_socket(&handle, "shop", "/nowhere", 1) == 0 && websess_session_new(&session) == 0);
        /* As it was made it lets in whom it should: else nothing here would mean anything. */
        patch(NULL, 0);
        CHECK(map_handle_adopt(&handle->map, memory_fd) == 0);
        for (unsigned n = 0; n < SESSIONS; n++)
                CHECK(ask(n, false) == 0 && ask(n, true) == FAULT_NO_SESSION);
        map_handle_done(&handle->map);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        if (!handle)
                set_up();
        if (size == 0)
                return 0;
        patch(data + 1, size - 1);
        if (map_handle_adopt(&handle->map, memory_fd) < 0)
                return 0;
        (void) ask(data[0] % (SESSIONS + 1), false);
        CHECK(ask(data[0] % (SESSIONS + 1), true) != 0);
        map_handle_done(&handle->map);
        return 0;
}
