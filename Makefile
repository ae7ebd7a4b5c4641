# SPDX-License-Identifier: MIT
#
#   make            build everything into build/
#   make demo       install what is missing, build, and show the main job at work in a temporary folder
#   make test       install what is missing, build, and run every test
#   make help       the other targets
#
#   make V=1                            show the commands in full
#   make CC=clang BUILD=build-clang     another compiler, in a folder of its own
#   make SANITIZE=address,undefined     (or thread) builds into build-address-undefined/
#   make WERROR=1                       a warning stops the build
#
# Sources are found by wildcard: put a file in its folder and it is built. Folders are archives, and programs are one
# file on top of archives; that keeps the layers apart, since an archive only sees what is linked behind it.

VERSION := 0.1

empty :=
comma := ,
space := $(empty) $(empty)
BUILD ?= build$(if $(SANITIZE),-$(subst $(comma),-,$(SANITIZE)))

.DEFAULT_GOAL := all
.DELETE_ON_ERROR:
.SECONDARY:
MAKEFLAGS += --no-builtin-rules

# ---- flags ----------------------------------------------------------------------------------------------------------

ifeq ($(origin CC),default)
CC := gcc
endif
CFLAGS ?= $(if $(SANITIZE),-O1,-O2) -g

WARNINGS := -Wall -Wextra
WARNINGS += -Wcast-align                # a pointer into a record may not be aligned: read it byte by byte
WARNINGS += -Wdate-time                 # the same source gives the same binary
WARNINGS += -Wfloat-equal
WARNINGS += -Wformat=2                  # a format that is not a literal may come from a caller
WARNINGS += -Wimplicit-fallthrough
WARNINGS += -Wmissing-prototypes        # what has no prototype in a header is static
WARNINGS += -Wold-style-definition
WARNINGS += -Wpointer-arith             # no arithmetic on void pointers
WARNINGS += -Wredundant-decls
WARNINGS += -Wshadow
WARNINGS += -Wstrict-prototypes         # f() says nothing about its arguments
WARNINGS += -Wundef                     # a misspelt macro is 0 in #if
WARNINGS += -Wvla                       # a size from outside must not become stack
WARNINGS += -Wwrite-strings             # literals are const
WARNINGS += -Wno-unused-parameter       # callbacks take what their type says
WARNINGS += -Wno-missing-field-initializers     # { .a = 1 } zeroes the rest, on purpose
WARNINGS += $(if $(WERROR),-Werror)

# An attacker who finds a bug should find as little else as possible. Fortify needs an optimiser and is blind under sanitizers.
HARDENING := -fstack-protector-strong -fstack-clash-protection \
	$(if $(SANITIZE),,$(if $(filter -O1 -O2 -O3 -Os,$(CFLAGS)),-U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=3))
LINK_HARDENING := -Wl,-z,relro -Wl,-z,now -Wl,-z,noexecstack

SANITIZERS := $(if $(SANITIZE),-fsanitize=$(SANITIZE) -fno-sanitize-recover=all -fno-omit-frame-pointer)

ALL_CPPFLAGS = -D_GNU_SOURCE -DWEBSESS_VERSION='"$(VERSION)"' -Iinclude -Ilib -Ilib/core -Ibroker $(CPPFLAGS)
# One set of position-independent objects serves programs (PIE) and shared objects. Hidden unless marked: a shared object
# exports what its .sym file lists and nothing else.
ALL_CFLAGS = -std=gnu17 -fPIC -fvisibility=hidden $(WARNINGS) $(HARDENING) $(SANITIZERS) $(CFLAGS)
ALL_LDFLAGS = $(LINK_HARDENING) -Wl,--as-needed $(SANITIZERS) $(LDFLAGS)
# Undefined symbols in a shared object are an error; the sanitizers' own come from the program that loads it.
SHARED = -shared $(if $(SANITIZE),,-Wl,-z,defs)

# ---- sources --------------------------------------------------------------------------------------------------------

objects = $(patsubst %.c,$(BUILD)/%.o,$(filter-out %/main.c,$(wildcard $(1))))

ARCHIVES := $(addprefix $(BUILD)/,libcore.a libwebsess.a libbroker.a libhelper.a libctl.a libmodule.a libtest.a)
$(BUILD)/libcore.a:    $(call objects,lib/core/*.c)
$(BUILD)/libwebsess.a: $(call objects,lib/*.c)
$(BUILD)/libbroker.a:  $(call objects,broker/*.c)
$(BUILD)/libhelper.a:  $(call objects,broker/helper/*.c)
$(BUILD)/libctl.a:     $(call objects,broker/ctl/*.c)
$(BUILD)/libmodule.a:     $(call objects,pam/*.c)
$(BUILD)/libtest.a:    $(call objects,$(filter-out tests/unit/test-%,$(wildcard tests/unit/*.c)))

PROGRAMS := $(if $(wildcard broker/main.c),$(BUILD)/websessd) \
	$(if $(wildcard broker/helper/*.c),$(BUILD)/websess-pam) \
	$(if $(wildcard broker/ctl/*.c),$(BUILD)/websessctl)
LIBRARIES := $(if $(wildcard lib/*.c),$(BUILD)/libwebsess.so) $(if $(wildcard pam/*.c),$(BUILD)/pam_websess.so)
# Test programs: one per unit test, and the tools that the integration and system tests call.
UNIT_TESTS := $(patsubst tests/unit/%.c,$(BUILD)/tests/%,$(wildcard tests/unit/test-*.c))
TEST_TOOLS := $(patsubst tests/%.c,$(BUILD)/tests/%,$(wildcard tests/integration/*.c tests/system/*.c))

all: $(PROGRAMS) $(LIBRARIES)
unit-programs: $(UNIT_TESTS)
test-programs: $(UNIT_TESTS) $(TEST_TOOLS)

# ---- rules ----------------------------------------------------------------------------------------------------------

run = @$(if $(V),set -x,printf '  %-7s %s\n' '$(1)' '$(2)');

$(BUILD)/%.o: %.c $(BUILD)/flags
	@mkdir -p $(@D)
	$(call run,CC,$<) $(CC) $(ALL_CPPFLAGS) $(ALL_CFLAGS) -MMD -MP -c -o $@ $<

# Written anew only when the flags change: then everything is built again.
$(BUILD)/flags: FORCE
	@mkdir -p $(@D)
	@printf '%s\n' $(call quote,$(CC) $(ALL_CPPFLAGS) $(ALL_CFLAGS) $(ALL_LDFLAGS)) | cmp -s - $@ || \
		printf '%s\n' $(call quote,$(CC) $(ALL_CPPFLAGS) $(ALL_CFLAGS) $(ALL_LDFLAGS)) > $@
quote = '$(subst ','\'',$(1))'

$(ARCHIVES):
	$(call run,AR,$@) mkdir -p $(@D); rm -f $@; $(AR) rcs $@ $(filter %.o,$^)

link = $(call run,LINK,$@) mkdir -p $(@D); $(CC) $(ALL_CFLAGS) $(ALL_LDFLAGS) $(1) -o $@ $(filter %.o %.a,$^) $(LIBS)

# The order of the archives is the order of the layers. Only the helper, the module and the tests may see libpam.
$(BUILD)/websessd: LIBS := -lsystemd -lcrypto -llmdb -lpcre2-8 -lpsl -lpthread
$(BUILD)/websessd: $(BUILD)/broker/main.o $(BUILD)/libbroker.a $(BUILD)/libcore.a
	$(call link,-pie)

$(BUILD)/websess-pam: LIBS := -lsystemd -lcrypto -lpcre2-8 -lpsl -lpam
$(BUILD)/websess-pam: $(BUILD)/broker/helper/main.o $(BUILD)/libhelper.a $(BUILD)/libbroker.a $(BUILD)/libcore.a
	$(call link,-pie)

CTL_JSON := $(if $(shell grep -ls 'json-c/' broker/ctl/*),-ljson-c) $(if $(shell grep -ls 'jansson.h' broker/ctl/*),-ljansson)
$(BUILD)/websessctl: LIBS := -L$(BUILD) -lwebsess -lsystemd -lcrypto $(CTL_JSON)
$(BUILD)/websessctl: $(BUILD)/broker/ctl/main.o $(BUILD)/libctl.a $(BUILD)/libcore.a $(BUILD)/libwebsess.so
	$(call link,-pie -Wl$(comma)-rpath$(comma)'$$ORIGIN')

# libwebsess.so.1 is the soname, libwebsess.so.VERSION the file; the links beside it are those that programs and linkers ask for.
SONAME := libwebsess.so.1
SYMBOLS := $(wildcard lib/libwebsess.sym)
$(BUILD)/libwebsess.so: $(BUILD)/$(SONAME)
	@ln -sf $(<F) $@
$(BUILD)/$(SONAME): $(BUILD)/libwebsess.so.$(VERSION)
	@ln -sf $(<F) $@
$(BUILD)/libwebsess.so.$(VERSION): LIBS := -lsystemd -lcrypto -lpthread
$(BUILD)/libwebsess.so.$(VERSION): $(call objects,lib/*.c) $(BUILD)/libcore.a $(SYMBOLS)
	$(call link,$(SHARED) -Wl$(comma)-soname=$(SONAME) $(SYMBOLS:%=-Wl$(comma)--version-script=%))

# A module brings the library along: a program that loads it must not depend on which libwebsess it finds.
$(BUILD)/pam/%.o: ALL_CFLAGS += -fvisibility=default
$(BUILD)/pam_websess.so: LIBS := -lsystemd -lcrypto -lpam -lpthread
$(BUILD)/pam_websess.so: $(call objects,pam/*.c) $(BUILD)/libwebsess.a $(BUILD)/libcore.a pam/pam_websess.sym
	$(call link,$(SHARED) -Wl$(comma)--version-script=pam/pam_websess.sym)

# Unit tests may look into every layer.
LAYERS := $(addprefix $(BUILD)/,libtest.a libctl.a libmodule.a libhelper.a libbroker.a libwebsess.a libcore.a)
$(UNIT_TESTS): LIBS := -lcmocka -lsystemd -lcrypto -llmdb -lpcre2-8 -lpsl -lpam $(CTL_JSON) -lpthread
$(UNIT_TESTS): $(BUILD)/tests/%: $(BUILD)/tests/unit/%.o $(LAYERS)
	$(call link,-pie)
$(TEST_TOOLS): LIBS := -lsystemd -lcrypto -llmdb -lpam -lpthread
$(TEST_TOOLS): $(BUILD)/tests/%: $(BUILD)/tests/%.o $(LAYERS)
	$(call link,-pie)

unit: unit-programs
	@set -e; for t in $(UNIT_TESTS); do $$t; done

clean:
	rm -rf build build-*

FORCE:
.PHONY: all unit-programs test-programs unit clean FORCE

-include $(shell find $(BUILD) -name '*.d' 2>/dev/null)
