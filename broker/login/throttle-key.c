/* SPDX-License-Identifier: MIT */
/* From what a caller says to the keys of buckets: names without their case, hosts as addresses. Pure. */
#include "throttle.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "digest.h"

#define TEXT_MAX 512u

static int digest_text(const char *text, size_t size, uint8_t *out, size_t out_size) {
        uint8_t digest[DIGEST_SIZE];
        int r = digest_sha256(text, size, digest);

        if (r == 0)
                memcpy(out, digest, out_size);
        return r;
}

/* Only ASCII: what other letters' case means, only the PAM stack's modules know. */
static size_t fold(const char *text, char out[static TEXT_MAX]) {
        size_t n = 0;

        for (; n < TEXT_MAX && text[n]; n++)
                out[n] = text[n] >= 'A' && text[n] <= 'Z' ? (char) (text[n] - 'A' + 'a') : text[n];
        return n;
}

int throttle_service_digest(const char *service, uint8_t out[static THROTTLE_SERVICE_SIZE]) {
        return digest_text(service, strlen(service), out, THROTTLE_SERVICE_SIZE);
}

int throttle_user_digest(const char *user, uint8_t out[static THROTTLE_NAME_SIZE]) {
        char folded[TEXT_MAX];

        return digest_text(folded, fold(user, folded), out, THROTTLE_NAME_SIZE);
}

/* ---- hosts ---- */

/* The address itself: without brackets, a port behind it, or a zone. Without a colon in it, or with several, it may be one already. */
static void strip(const char *host, char out[static INET6_ADDRSTRLEN]) {
        const char *colon = strchr(host, ':');
        size_t n = strcspn(host, "%");

        if (*host == '[') {
                host++;
                n = strcspn(host, "]%");
        } else if (colon && !strchr(colon + 1, ':'))
                n = (size_t) (colon - host);
        snprintf(out, INET6_ADDRSTRLEN, "%.*s", n < INET6_ADDRSTRLEN ? (int) n : 0, host);
}

/* IPv4 in 4 bytes, the /64 of an IPv6 address in 8; 0 when it is no address. A mapped IPv4 address is one of IPv4. */
static size_t parse_address(const char *host, uint8_t out[static 16], bool *is_loopback) {
        static const uint8_t mapped[12] = { [10] = 0xff, [11] = 0xff }, zero[15] = {};
        char text[INET6_ADDRSTRLEN];
        uint8_t v6[16];

        strip(host, text);
        if (inet_pton(AF_INET, text, out) != 1) {
                if (inet_pton(AF_INET6, text, v6) != 1)
                        return 0;
                if (memcmp(v6, mapped, sizeof(mapped)) != 0) {
                        *is_loopback = memcmp(v6, zero, sizeof(zero)) == 0 && v6[15] <= 1;
                        memcpy(out, v6, 8);
                        return 8;
                }
                memcpy(out, v6 + sizeof(mapped), 4);
        }
        *is_loopback = out[0] == 127 || memcmp(out, zero, 4) == 0;
        return 4;
}

int throttle_host_digest(const char *host, uint8_t out[static THROTTLE_NAME_SIZE]) {
        bool is_loopback = false;
        char folded[TEXT_MAX];
        uint8_t address[16];
        size_t n;

        n = parse_address(host, address, &is_loopback);
        if (n > 0)
                return is_loopback ? 1 : digest_text((const char *) address, n, out, THROTTLE_NAME_SIZE);

        n = fold(host, folded);
        if (n == 0 || (n == 9 && memcmp(folded, "localhost", n) == 0))
                return 1;
        return digest_text(folded, n, out, THROTTLE_NAME_SIZE);
}

/* ---- the keys ---- */

static int caller_digest(uid_t caller, uint8_t out[static THROTTLE_NAME_SIZE]) {
        char text[32];

        return digest_text(text, (size_t) snprintf(text, sizeof(text), "uid:%u", (unsigned) caller), out, THROTTLE_NAME_SIZE);
}

int throttle_keys(const ThrottleAttempt *a, ThrottleKey out[static _THROTTLE_KINDS]) {
        ThrottleKey all = {};
        uint8_t caller[THROTTLE_NAME_SIZE];
        bool has_host;
        int r, n = 0;

        r = throttle_service_digest(a->service, all.service);
        if (r == 0)
                r = throttle_user_digest(a->user, all.who);
        if (r == 0)
                r = caller_digest(a->caller, caller);
        if (r != 0)
                return r;
        r = throttle_host_digest(a->remote_host, all.where);
        if (r < 0)
                return r;
        has_host = r == 0;

        if (has_host) {
                out[n] = all;
                out[n++].kind = THROTTLE_USER_HOST;
                out[n] = (ThrottleKey) { .kind = THROTTLE_HOST };
                memcpy(out[n++].where, all.where, sizeof(all.where));
        }
        out[n] = all;
        memset(out[n].where, 0, sizeof(out[n].where));
        out[n++].kind = THROTTLE_USER;
        out[n] = (ThrottleKey) { .kind = THROTTLE_CALLER };
        memcpy(out[n++].who, caller, sizeof(caller));
        if (!has_host) {
                out[n] = all;
                memcpy(out[n].where, caller, sizeof(caller));
                out[n++].kind = THROTTLE_USER_CALLER;
        }
        return n;
}
