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

ALL_CPPFLAGS = -D_GNU_SOURCE -DWEBSESS_VERSION='"$(VERSION)"' -Iinclude -Ilib -Ilib/core -Ibroker $(addprefix -Ibroker/,$(ROOMS)) $(CPPFLAGS)
# One set of position-independent objects serves programs (PIE) and shared objects. A shared object exports what its .sym
# file lists and nothing else: there the sources beside it are visible, and everything else is hidden.
ALL_CFLAGS = -std=gnu17 -fPIC -fvisibility=hidden $(WARNINGS) $(HARDENING) $(SANITIZERS) $(CFLAGS)
ALL_LDFLAGS = $(LINK_HARDENING) -Wl,--as-needed $(SANITIZERS) $(LDFLAGS)
# Undefined symbols in a shared object are an error; the sanitizers' own come from the program that loads it.
SHARED = -shared $(if $(SANITIZE),,-Wl,-z,defs)

# ---- sources --------------------------------------------------------------------------------------------------------

# The rooms of the broker, from the top of the layers to the bottom.
ROOMS := api bus login session store policy metrics

objects = $(patsubst %.c,$(BUILD)/%.o,$(filter-out %/main.c,$(wildcard $(1))))

ARCHIVES := $(addprefix $(BUILD)/,libcore.a libwebsess.a libbroker.a libhelper.a libctl.a libmodule.a libtest.a)
$(BUILD)/libcore.a:    $(call objects,lib/core/*.c)
$(BUILD)/libwebsess.a: $(call objects,lib/*.c)
$(BUILD)/libbroker.a:  $(call objects,broker/*.c $(addprefix broker/,$(addsuffix /*.c,$(ROOMS))))
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
# PAM modules to test with.
TEST_MODULES := $(patsubst tests/modules/%.c,$(BUILD)/tests/%.so,$(wildcard tests/modules/*.c))
# Faults to preload. The sanitizers have an allocator of their own.
FAULTS := $(if $(SANITIZE),,$(BUILD)/tests/faults.so)
# Fuzz targets: run over their corpora by the tests, and by libFuzzer in `make fuzz`.
FUZZ_TARGETS := $(patsubst tests/fuzz/%.c,$(BUILD)/tests/%,$(wildcard tests/fuzz/fuzz-*.c))

all: $(PROGRAMS) $(LIBRARIES)
unit-programs: $(UNIT_TESTS)
test-programs: $(FUZZ_TARGETS) $(UNIT_TESTS) $(TEST_TOOLS) $(TEST_MODULES) $(FAULTS)

# ---- rules ----------------------------------------------------------------------------------------------------------

run = @$(if $(V),set -x,printf '  %-7s %s\n' '$(1)' '$(2)');

$(BUILD)/%.o: %.c $(BUILD)/flags
	@mkdir -p $(@D)
	$(call run,CC,$<) $(CC) $(ALL_CPPFLAGS) $(ALL_CFLAGS) -MMD -MP -c -o $@ $<

# Written anew only when the flags change: then everything is built again. The first time, say what is missing before a compiler does.
$(BUILD)/flags: FORCE
	@mkdir -p $(@D)
	@test -e $@ || printf '#include <%s>\n' $(HEADERS) | $(CC) -DPCRE2_CODE_UNIT_WIDTH=8 -fsyntax-only -x c - 2>/dev/null || \
		{ echo "No $(CC), or not all the libraries that websess is built from. As root, run:" >&2; echo "  make deps" >&2; exit 1; }
	@printf '%s\n' $(call quote,$(CC) $(ALL_CPPFLAGS) $(ALL_CFLAGS) $(ALL_LDFLAGS)) | cmp -s - $@ || \
		printf '%s\n' $(call quote,$(CC) $(ALL_CPPFLAGS) $(ALL_CFLAGS) $(ALL_LDFLAGS)) > $@
HEADERS := stdio.h systemd/sd-bus.h openssl/evp.h lmdb.h bsd/sys/tree.h security/pam_appl.h pcre2.h libpsl.h jansson.h
quote = '$(subst ','\'',$(1))'

$(ARCHIVES):
	$(call run,AR,$@) mkdir -p $(@D); rm -f $@; $(AR) rcs $@ $(filter %.o,$^)

link = $(call run,LINK,$@) mkdir -p $(@D); $(CC) $(ALL_CFLAGS) $(ALL_LDFLAGS) $(1) -o $@ $(filter %.o %.a,$^) $(LIBS)

# The order of the archives is the order of the layers. Only the helper, the module and the tests may see libpam.
$(BUILD)/websessd: LIBS := -lsystemd -lcrypto -llmdb -lpcre2-8 -lpsl -lpthread
$(BUILD)/websessd: $(BUILD)/broker/main.o $(BUILD)/libbroker.a $(BUILD)/libcore.a
	$(call link,-pie)

# The address sanitizer's crypt_r(3) finds the real one only if libcrypt is there from the start, not when a PAM module brings it.
$(BUILD)/websess-pam: LIBS := -lsystemd -lcrypto -lpcre2-8 -lpsl -lpam $(if $(SANITIZE),-Wl$(comma)--no-as-needed -lcrypt)
$(BUILD)/websess-pam: $(BUILD)/broker/helper/main.o $(BUILD)/libhelper.a $(BUILD)/libbroker.a $(BUILD)/libcore.a
	$(call link,-pie)

$(BUILD)/websessctl: LIBS := -L$(BUILD) -lwebsess -lsystemd -lcrypto -ljansson
$(BUILD)/websessctl: $(BUILD)/broker/ctl/main.o $(BUILD)/libctl.a $(BUILD)/libcore.a $(BUILD)/libwebsess.so
	$(call link,-pie -Wl$(comma)-rpath$(comma)'$$ORIGIN')

# libwebsess.so.1 is the soname, libwebsess.so.VERSION the file; the links beside it are those that programs and linkers ask for.
SONAME := libwebsess.so.1
SYMBOLS := lib/libwebsess.sym
$(call objects,lib/*.c): private ALL_CFLAGS += -fvisibility=default
$(BUILD)/libwebsess.so: $(BUILD)/$(SONAME)
	@ln -sf $(<F) $@
$(BUILD)/$(SONAME): $(BUILD)/libwebsess.so.$(VERSION)
	@ln -sf $(<F) $@
$(BUILD)/libwebsess.so.$(VERSION): LIBS := -lsystemd -lcrypto -lpthread
$(BUILD)/libwebsess.so.$(VERSION): $(call objects,lib/*.c) $(BUILD)/libcore.a $(SYMBOLS)
	$(call link,$(SHARED) -Wl$(comma)-soname=$(SONAME) -Wl$(comma)--version-script=$(SYMBOLS))

# A module brings the library along: a program that loads it must not depend on which libwebsess it finds.
$(call objects,pam/*.c): private ALL_CFLAGS += -fvisibility=default
$(BUILD)/pam_websess.so: LIBS := -lsystemd -lcrypto -lpam -lpthread
$(BUILD)/pam_websess.so: $(call objects,pam/*.c) $(BUILD)/libwebsess.a $(BUILD)/libcore.a pam/pam_websess.sym
	$(call link,$(SHARED) -Wl$(comma)--version-script=pam/pam_websess.sym)

# Unit tests may look into every layer.
LAYERS := $(addprefix $(BUILD)/,libtest.a libctl.a libmodule.a libhelper.a libbroker.a libwebsess.a libcore.a)
$(UNIT_TESTS): LIBS := -lcmocka -lsystemd -lcrypto -llmdb -lpcre2-8 -lpsl -lpam -ljansson -lpthread
$(UNIT_TESTS): $(BUILD)/tests/%: $(BUILD)/tests/unit/%.o $(LAYERS)
	$(call link,-pie $(addprefix -Wl$(comma)--wrap=,$(WRAPPED)))
# What these call by way of functions of their own, which can fail.
$(BUILD)/tests/test-secret: WRAPPED := SHA256_Init getrandom
$(BUILD)/tests/test-stack: WRAPPED := calloc strdup
$(BUILD)/tests/test-module-entries: WRAPPED := calloc strdup asprintf websess_resolve websess_get websess_create websess_logout websess_revoke \
	websess_revoke_user websess_status
$(TEST_TOOLS): LIBS := -lcmocka -lsystemd -lcrypto -llmdb -lpam -lpthread
$(TEST_TOOLS): $(BUILD)/tests/%: $(BUILD)/tests/%.o $(LAYERS)
	$(call link,-pie)

$(call objects,tests/modules/*.c): private ALL_CFLAGS += -fvisibility=default
$(TEST_MODULES): LIBS := -lpam
$(TEST_MODULES): $(BUILD)/tests/%.so: $(BUILD)/tests/modules/%.o
	$(call link,$(SHARED))
# These are libc's functions in other words: fortified headers would have them call themselves.
$(call objects,tests/faults/*.c): private ALL_CFLAGS += -fvisibility=default -U_FORTIFY_SOURCE -fno-builtin
$(BUILD)/tests/faults.so: LIBS :=
$(BUILD)/tests/faults.so: $(call objects,tests/faults/*.c)
	$(call link,$(SHARED))
# libFuzzer brings a main() of its own.
FUZZER := $(findstring fuzzer,$(SANITIZE))
$(FUZZ_TARGETS): LIBS := -lsystemd -lcrypto -llmdb -lpcre2-8 -lpsl -lpam -lpthread $(if $(FUZZER),-fsanitize=fuzzer)
$(FUZZ_TARGETS): $(BUILD)/tests/%: $(BUILD)/tests/fuzz/%.o $(if $(FUZZER),,$(BUILD)/tests/fuzz/standalone.o) $(LAYERS)
	$(call link,-pie)

# ---- packages -------------------------------------------------------------------------------------------------------

# To build: Debian's names, and what for.
DEPS := gcc libc6-dev make
DEPS += libsystemd-dev          # D-Bus, event loop, journal
DEPS += libssl-dev              # libcrypto: SHA-256
DEPS += liblmdb-dev             # the store
DEPS += libbsd-dev              # red-black trees as header
DEPS += libpam0g-dev            # helper and module
DEPS += libpcre2-dev            # DomainPattern=
DEPS += libpsl-dev              # public suffixes are no cookie domains
DEPS += libjansson-dev          # websessctl --json
# To show it: a bus, a way to start the helper, users from a file of their own.
DEMO_DEPS := dbus-daemon systemd python3 libpam-pwdfile
# To test it.
TEST_DEPS := libcmocka-dev      # unit tests
TEST_DEPS += clang libclang-rt-dev      # the second compiler, and its sanitizers
TEST_DEPS += python3-pytest python3-pytest-xdist        # integration tests, several at a time
TEST_DEPS += python3-dasbus python3-dbus-next   # D-Bus clients in another language, on GLib and on nothing
TEST_DEPS += python3-prometheus-client  # reads metrics as Prometheus does
TEST_DEPS += dbus systemd-sysv systemd-container login passwd   # system tests: a machine that boots
TEST_DEPS += pamtester libpam-wrapper   # a PAM program to be told what to do; stacks in a folder of their own
TEST_DEPS += e2fsprogs mount        # disks whose power fails
TEST_DEPS += libpam-oath oathtool        # one-time codes
TEST_DEPS += locales          # a language for PAM to speak
TEST_DEPS += sudo             # takes a session for a password
TEST_DEPS += libnss-systemd   # users that stand in no file
TEST_DEPS += spin             # the model of the map's protocol
TEST_DEPS += mandoc libxml2-utils shellcheck apparmor    # linters
TEST_DEPS += selinux-policy-dev selinux-policy-default policycoreutils python3-setools  # rules of the SELinux policy
TEST_DEPS += gcovr            # what tests leave out
TEST_DEPS += cppcheck         # beside the compilers' own analyzers
# To see it confined, in a machine that is emulated.
SELINUX_DEPS := qemu-system-x86 debootstrap e2fsprogs selinux-policy-dev policycoreutils
# To measure it.
BENCH_DEPS := redis-server libhiredis-dev

deps:
	$(call install-packages,$(DEPS))
deps-demo:
	$(call install-packages,$(DEPS) $(DEMO_DEPS))
deps-test:
	$(call install-packages,$(DEPS) $(DEMO_DEPS) $(TEST_DEPS))
deps-selinux:
	$(call install-packages,$(DEPS) $(DEMO_DEPS) $(TEST_DEPS) $(SELINUX_DEPS))
deps-bench:
	$(call install-packages,$(DEPS) $(DEMO_DEPS) $(BENCH_DEPS))

# Does nothing, and needs no root, when all are there.
define install-packages
	@missing=$$(for p in $(1); do dpkg-query -W -f '$${db:Status-Status}\n' $$p 2>/dev/null | grep -qx installed || echo $$p; done); \
	test -n "$$missing" || exit 0; \
	set -- apt-get install -y --no-install-recommends $$missing; \
	if [ $$(id -u) != 0 ]; then echo "Packages are missing. As root, run:" >&2; echo "  $$*" >&2; exit 1; fi; \
	echo "Installing:" $$missing; \
	export DEBIAN_FRONTEND=noninteractive; apt-get update -q && "$$@"
endef

# ---- to see and to test ---------------------------------------------------------------------------------------------

# On all processors, unless -j says how many.
PARALLEL = $(MAKE) --no-print-directory $(if $(findstring jobserver,$(MAKEFLAGS)),,-j$(shell nproc))

demo: deps-demo
	+@$(PARALLEL) all
	@BUILD=$(BUILD) tests/demo

test: deps-test
	+@$(PARALLEL) all test-programs
	@BUILD=$(BUILD) tests/run

# One kind of tests alone; integration and system take pytest's arguments as ARGS='-k S10'.
unit sanitized threads model check policy integration system: all test-programs
	@BUILD=$(BUILD) tests/run $@ $(ARGS)

# The same as `make test`, for longer: make check-crash CYCLES=10000. The figures are left in build/crash.json and so on.
CYCLES ?= 2000
CUTS ?= 300
TOKENS ?= 1000000
SESSIONS ?= 1000000
SOAK_SECONDS ?= 3600
long-run = @BUILD=$(BUILD) WEBSESS_TEST_TIMEOUT=86400 $(1) tests/run integration -k '$(2)' $(ARGS)
check-crash: deps-test
	+@$(PARALLEL) all test-programs
	$(call long-run,WEBSESS_CYCLES=$(CYCLES),L01 and kill_9)
check-power: deps-test
	+@$(PARALLEL) all test-programs
	$(call long-run,WEBSESS_CUTS=$(CUTS),L02)
check-tokens: deps-test
	+@$(PARALLEL) all test-programs
	$(call long-run,WEBSESS_TOKENS=$(TOKENS),S01 and unique)
check-soak: deps-test
	+@$(PARALLEL) all test-programs
	$(call long-run,WEBSESS_SESSIONS=$(SESSIONS) WEBSESS_SOAK_SECONDS=$(SOAK_SECONDS),L09)
check-faults: deps-test
	+@$(PARALLEL) all test-programs
	$(call long-run,WEBSESS_SITES=0 WEBSESS_JOBS=$(shell nproc),L04 and every_site)

# Each target as long as it says, or some: make fuzz FUZZ_SECONDS=3600 ARGS='record live'
FUZZ_SECONDS ?= 10
fuzz: deps-test
	+@$(PARALLEL) CC=clang SANITIZE=fuzzer-no-link,address,undefined BUILD=build-fuzz fuzz-programs
	@BUILD=build-fuzz FUZZ_SECONDS=$(FUZZ_SECONDS) tests/fuzz/run $(ARGS)
# For tests/fuzz/live the programs too.
fuzz-programs: all $(FUZZ_TARGETS)

# What unit and integration tests leave out; fails below what tests/coverage asks for. A cache of compilers would keep no notes of where counters go.
coverage: deps-test
	+@CCACHE_DISABLE=1 $(PARALLEL) CC=gcc CFLAGS='-O0 -g --coverage -fprofile-update=atomic' BUILD=build-coverage all test-programs
	@BUILD=build-coverage tests/coverage $(ARGS)

# Each must find nothing: make analyze ARGS='cppcheck clang gcc'
analyze: deps-test
	@BUILD=$(BUILD) FLAGS=$(call quote,$(ALL_CPPFLAGS)) tests/analyze/run $(ARGS)

# Integration tests with broker, helper, library and module under the sanitizers; gcc's are shared objects, which Python can be started with. (Without
# libcrypt beside them, the sanitizer's crypt() finds none.)
check-sanitized: deps-test
	+@$(PARALLEL) CC=gcc SANITIZE=address,undefined BUILD=build-sanitized all test-programs
	@BUILD=build-sanitized LD_PRELOAD="$$(gcc -print-file-name=libasan.so) libcrypt.so.1" ASAN_OPTIONS=detect_leaks=0:detect_stack_use_after_return=1 \
		UBSAN_OPTIONS=print_stacktrace=1:halt_on_error=1 tests/run integration $(ARGS)
# The broker and its store's thread under theirs, by tests that load no library of ours into Python.
check-threads: deps-test
	+@$(PARALLEL) CC=clang SANITIZE=thread BUILD=build-thread all test-programs
	@BUILD=build-thread TSAN_OPTIONS=halt_on_error=1 tests/run integration -k 'test_api' $(ARGS)

# The map's proof for longer: the model, threads under their sanitizer, READS reads of threads and as many of processes, and histories.
READS ?= 1000000000
check-map: deps-test
	+@$(PARALLEL) all test-programs
	@BUILD=$(BUILD) tests/run model
	@BUILD=$(BUILD) tests/run threads
	WEBSESS_MAP_READS=$(READS) $(BUILD)/tests/test-map-stress
	@BUILD=$(BUILD) WEBSESS_HISTORY_SECONDS=60 tests/run integration -k test_map $(ARGS)

bench: deps-bench
	+@$(PARALLEL) all bench-programs
	@BUILD=$(BUILD) tests/bench/run $(ARGS)

# Boots a machine of its own in which websess is confined, with this machine's kind of kernel or one of backports (KERNEL=bookworm-backports). Minutes; where the packages cannot be had, the tests say so.
check-selinux:
	@$(MAKE) --no-print-directory deps-selinux || :
	+@$(PARALLEL) all confined-programs
	@BUILD=$(BUILD) KERNEL=$(KERNEL) tests/run confined $(ARGS)

CONFINED_PROGRAMS := $(patsubst %.c,$(BUILD)/%,$(wildcard tests/confined/*.c))
confined-programs: $(CONFINED_PROGRAMS)
$(CONFINED_PROGRAMS): LIBS := -L$(BUILD) -lwebsess -lsystemd
$(CONFINED_PROGRAMS): $(BUILD)/%: $(BUILD)/%.o $(BUILD)/libwebsess.so
	$(call link,-pie)

BENCHES := $(patsubst %.c,$(BUILD)/%,$(wildcard tests/bench/*.c))
bench-programs: $(BENCHES) $(TEST_MODULES)
$(BENCHES): LIBS := -lsystemd -lcrypto -llmdb -lpcre2-8 -lpsl -lpam -lhiredis -lpthread -lm
$(BENCHES): $(BUILD)/%: $(BUILD)/%.o $(LAYERS)
	$(call link,-pie)

# The policy module builds with the reference policy's own Makefile (package selinux-policy-dev), in the build folder.
SELINUX_DEVEL := $(wildcard /usr/share/selinux/devel/Makefile)
selinux: $(BUILD)/selinux/websess.pp
$(BUILD)/selinux/websess.pp: $(wildcard selinux/websess.*)
	$(call run,POLICY,$@) mkdir -p $(@D); cp selinux/websess.te selinux/websess.fc selinux/websess.if $(@D); \
		$(MAKE) -s -C $(@D) -f /usr/share/selinux/devel/Makefile $(@F)

# ---- to install -----------------------------------------------------------------------------------------------------

# prefix moves what is ours to name. What other programs look for in one place (units, PAM modules, bus policy, …) stays in /usr.
prefix ?= /usr
sysconfdir ?= /etc
multiarch := $(shell $(CC) -print-multiarch 2>/dev/null | grep . || echo $$(uname -m)-linux-gnu)
libexecdir = $(prefix)/lib/websess
libdir = $(prefix)/lib/$(multiarch)
mandir = $(prefix)/share/man

MAN_PAGES := $(wildcard man/*.[1-8])
# man websess_resolve shows libwebsess(3).
FUNCTIONS := $(sort $(shell sed -n 's/^\.F[no] \(websess_[a-z0-9_]*\).*/\1/p' man/libwebsess.3))

# mode source destination
define INSTALLED
0755 $(BUILD)/websessd                  $(libexecdir)/websessd
0755 $(BUILD)/websess-pam               $(libexecdir)/websess-pam
0755 $(BUILD)/installed/websessctl      $(prefix)/bin/websessctl
0644 $(BUILD)/libwebsess.so.$(VERSION)  $(libdir)/libwebsess.so.$(VERSION)
0644 $(BUILD)/installed/libwebsess.pc   $(libdir)/pkgconfig/libwebsess.pc
0644 include/websess.h                  $(prefix)/include/websess.h
0644 include/websess-names.h            $(prefix)/include/websess-names.h
$(if $(wildcard pam/*.c),0644 $(BUILD)/pam_websess.so /usr/lib/$(multiarch)/security/pam_websess.so)
0644 $(BUILD)/installed/websessd.service        /usr/lib/systemd/system/websessd.service
0644 $(BUILD)/installed/websess-pam@.service    /usr/lib/systemd/system/websess-pam@.service
0644 pam/websess.pam-config              /usr/share/pam-configs/websess
0644 systemd/websessd.socket            /usr/lib/systemd/system/websessd.socket
0644 systemd/websess-pam.socket         /usr/lib/systemd/system/websess-pam.socket
0644 systemd/websess.sysusers           /usr/lib/sysusers.d/websess.conf
0644 systemd/websess.tmpfiles           /usr/lib/tmpfiles.d/websess.conf
0644 systemd/websess.catalog            /usr/lib/systemd/catalog/websess.catalog
0644 systemd/org.websess1.conf          /usr/share/dbus-1/system.d/org.websess1.conf
0644 systemd/org.websess1.service       /usr/share/dbus-1/system-services/org.websess1.service
0644 systemd/org.websess1.xml           /usr/share/dbus-1/interfaces/org.websess1.xml
0644 $(BUILD)/installed/websess.apparmor $(sysconfdir)/apparmor.d/websessd
$(if $(SELINUX_DEVEL),0644 $(BUILD)/selinux/websess.pp /usr/share/selinux/packages/websess.pp)
0644 selinux/websess.if                 /usr/share/selinux/devel/include/services/websess.if
$(if $(wildcard broker/ctl/websessctl.bash),0644 broker/ctl/websessctl.bash /usr/share/bash-completion/completions/websessctl)
$(foreach page,$(MAN_PAGES),0644 $(page) $(mandir)/man$(subst .,,$(suffix $(page)))/$(notdir $(page))$(newline))
$(foreach function,$(FUNCTIONS),0644 $(BUILD)/installed/function.3 $(mandir)/man3/$(function).3$(newline))
endef
# The administrator's own: written once, never over his changes, and left alone by uninstall.
define CONFIGURATION
0644 broker/default.conf                $(sysconfdir)/websess/services.d/default.conf
0644 broker/websess.conf                $(sysconfdir)/websess/websess.conf
0644 systemd/websess.pam                $(sysconfdir)/pam.d/websess
endef
define newline


endef
export INSTALLED CONFIGURATION

needs-root = $(if $(DESTDIR),,@test $$(id -u) = 0 || { echo "As root, run:  make $(1)   (or choose a folder: DESTDIR=…)" >&2; exit 1; })

# Each file takes its place at once: what is started meanwhile, a helper for a login, is the old one or the new one.
install: all $(if $(SELINUX_DEVEL),selinux) $(addprefix $(BUILD)/installed/,function.3 websessctl libwebsess.pc websessd.service websess-pam@.service websess.apparmor)
	$(call needs-root,install)
	@set -e; echo "$$INSTALLED" | while read -r mode from to; do test -n "$$to" || continue; \
		install -D -m $$mode "$$from" "$(DESTDIR)$$to.new" && mv -f "$(DESTDIR)$$to.new" "$(DESTDIR)$$to"; done
	@set -e; echo "$$CONFIGURATION" | while read -r mode from to; do \
		test -e "$(DESTDIR)$$to" || install -D -m $$mode "$$from" "$(DESTDIR)$$to"; done
	@ln -sf libwebsess.so.$(VERSION) $(DESTDIR)$(libdir)/$(SONAME)
	@ln -sf $(SONAME) $(DESTDIR)$(libdir)/libwebsess.so
	@$(if $(DESTDIR),echo "Installed below $(DESTDIR).",sh systemd/after-install)

uninstall:
	$(call needs-root,uninstall)
	@$(if $(DESTDIR),:,sh systemd/before-uninstall)
	@set -e; echo "$$INSTALLED" | while read -r mode from to; do test -z "$$to" || rm -f "$(DESTDIR)$$to"; done
	@rm -f $(DESTDIR)$(libdir)/$(SONAME) $(DESTDIR)$(libdir)/libwebsess.so
	@rmdir $(DESTDIR)$(libexecdir) 2>/dev/null || :
	@$(if $(DESTDIR),:,sh systemd/after-install --removed)

# Always anew: prefix may be another than last time.
$(BUILD)/installed/%.service: systemd/%.service FORCE
	@mkdir -p $(@D); sed 's|/usr/lib/websess/|$(libexecdir)/|; s|/usr/bin/|$(prefix)/bin/|' $< > $@
$(BUILD)/installed/%.apparmor: systemd/%.apparmor FORCE
	@mkdir -p $(@D); sed 's|/usr/lib/websess/|$(libexecdir)/|' $< > $@
$(BUILD)/installed/%.pc: lib/%.pc.in FORCE
	@mkdir -p $(@D); sed 's|@prefix@|$(prefix)|; s|@libdir@|$(libdir)|; s|@version@|$(VERSION)|i' $< > $@
$(BUILD)/installed/function.3:
	@mkdir -p $(@D); echo '.so man3/libwebsess.3' > $@
# As in build/, but it finds the library where the system looks for it.
$(BUILD)/installed/websessctl: LIBS := -L$(BUILD) -lwebsess -lsystemd -lcrypto -ljansson
$(BUILD)/installed/websessctl: $(BUILD)/broker/ctl/main.o $(BUILD)/libctl.a $(BUILD)/libcore.a $(BUILD)/libwebsess.so
	$(call link,-pie)

clean:
	rm -rf build build-*

help:
	@sed -n '1,2d; /^#/!q; s/^# \{0,1\}//p' Makefile
	@echo
	@echo "Targets: all deps demo test | unit sanitized threads model check integration system fuzz bench selinux policy | analyze coverage check-sanitized check-threads check-map check-crash check-power check-tokens check-soak check-faults check-selinux | install uninstall clean"

FORCE:
.PHONY: all fuzz analyze coverage check-sanitized check-threads check-map fuzz-programs unit-programs test-programs bench-programs deps deps-demo deps-test deps-selinux deps-bench demo test unit sanitized threads model check \
	integration system policy bench selinux confined-programs check-selinux check-crash check-power check-tokens check-soak check-faults install uninstall clean help FORCE

-include $(shell find $(BUILD) -name '*.d' 2>/dev/null)
