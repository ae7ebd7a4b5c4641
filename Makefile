# websess: built by make alone. See README.md for the two commands.
BUILD ?= build
CC ?= gcc
CFLAGS ?= -O2 -g
override CFLAGS += -std=gnu17 -fPIC -fvisibility=hidden -Wall -Wextra -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wvla -Wundef -Wno-unused-parameter -Wno-missing-field-initializers
override CPPFLAGS += -D_GNU_SOURCE -Iinclude -Ilib -Ilib/core -Ibroker
CORE := $(patsubst %.c,$(BUILD)/%.o,$(wildcard lib/core/*.c))
BROKER := $(patsubst %.c,$(BUILD)/%.o,$(filter-out broker/main.c,$(wildcard broker/*.c)))
$(BUILD)/%.o: %.c
	@mkdir -p $(@D)
	$(CC) $(CPPFLAGS) $(CFLAGS) -MMD -c -o $@ $<
$(BUILD)/libcore.a: $(CORE)
	$(AR) rcs $@ $^
$(BUILD)/libbroker.a: $(BROKER)
	$(AR) rcs $@ $^
$(BUILD)/test-%: tests/unit/test-%.c $(BUILD)/libbroker.a $(BUILD)/libcore.a
	$(CC) $(CPPFLAGS) $(CFLAGS) -MMD -o $@ $^ -lcmocka -lsystemd -lcrypto -llmdb -lpcre2-8 -lpsl -lpthread
unit: $(patsubst tests/unit/%.c,$(BUILD)/%,$(wildcard tests/unit/test-*.c))
	@set -e; for t in $^; do $$t; done
-include $(shell find $(BUILD) -name '*.d' 2>/dev/null)
