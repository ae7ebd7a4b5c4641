/* SPDX-License-Identifier: MIT */
/*
 * What the service manager is told of a broker that runs. sd_notify(3) waits for room in the manager's queue, and a loop that answers others must not: a message that finds none is left
 * out. READY=1 of a start must not be, and goes by sd_notify() itself.
 */
#pragma once

/* Lines as in sd_notify(3), to whom $NOTIFY_SOCKET names; to nobody where it is not set. */
void notify_send(const char *format, ...) __attribute__((format(printf, 1, 2)));
