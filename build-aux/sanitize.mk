# SPDX-License-Identifier: Apache-2.0
#
# Trees built with sanitizers.  Read by Makefile.apxs, which make reads once
# more for each of them with other values of B (the tree) and SAN.

# build-asan/ has pm_core, the tools and the units.  Workers, the guard and
# libfcgipm.so are those of build/: they run in programs without a sanitizer.
asan: $(WORKERS) $(GUARD) $(API_LINK)
	$(Q)mkdir -p build-asan/t
	$(Q)ln -sfn ../../build/t/bin build-asan/t/bin
	$(Q)ln -sfn ../build/examples build-asan/examples
	$(Q)ln -sfn ../build/fcgipm-guard.so build-asan/fcgipm-guard.so
	$(Q)ln -sfn ../build/libfcgipm.so.0 build-asan/libfcgipm.so.0
	$(Q)ln -sfn libfcgipm.so.0 build-asan/libfcgipm.so
	+$(Q)$(MAKE) --no-print-directory -f $(SELF) B=build-asan \
	    SAN=address,undefined asan-here

.PHONY: asan-here
asan-here: $(TOOLS) $(UNITS)

# procmanager-* test libfcgipm, which is build/'s there.
ASAN_T   = $(patsubst build/%,build-asan/%,$(UNIT_T)) \
           $(filter-out t/core/procmanager-%,$(CORE_T))
asan_prove = ASAN_OPTIONS=detect_stack_use_after_return=1 \
             UBSAN_OPTIONS=print_stacktrace=1 $(call prove,build-asan,$(1))

run-check-sanitize: asan
	@$(call asan_prove,$(ASAN_T))

# build-tsan/ has the guard and programs with threads, for t/core/tsan.t.  The
# tools are build/'s.
TSAN_BIN := $(addprefix build-tsan/,fcgipm-guard.so t/bin/threaded t/bin/ways)

# The queue of an httpd child, and the connections that it keeps, need no httpd,
# and little of pm_core.
TSAN_SHM   := $(addprefix pm_core/shm/pm_,admission.c admission_rows.c \
                waiters.c scoreboard.c)
TSAN_QUEUE := $(addprefix httpd/upstream/hpm_,queue.c watcher.c thread.c)
TSAN_KEPT  := $(addprefix httpd/upstream/hpm_,kept.c keep_policy.c thread.c)
TSAN_CHILD := build-tsan/queue build-tsan/kept

.PHONY: tsan
tsan: $(TOOLS) $(TSAN_CHILD)
	+$(Q)$(MAKE) --no-print-directory -f $(SELF) B=build-tsan SAN=thread \
	    API_LINK= $(TSAN_BIN)
	$(Q)ln -f build/fcgipm-run build/fcgipmctl build-tsan/

build-tsan/queue: $(TSAN_QUEUE)
build-tsan/kept: $(TSAN_KEPT)
$(TSAN_CHILD): build-tsan/%: t/unit/%.c $(TSAN_SHM) $(CORE_LIB) \
                             $(wildcard httpd/upstream/*.h pm_core/shm/*.h)
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) -fsanitize=thread -g -O1 $(CPP) $(CPPFLAGS) -o $@ \
	    $(filter %.c,$^) $(CORE_LIB) $(CORE_LIBS)
