/* SPDX-License-Identifier: MIT */
/* A walk over all of a message: how much memory it holds, and whether all of it can be read. */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <systemd/sd-bus.h>

uint64_t message_size(sd_bus_message *m);       /* m is sealed; leaves its read position at the beginning */
bool message_is_sound(sd_bus_message *m);       /* false: strings that are not UTF-8 and the like */
