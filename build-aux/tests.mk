# SPDX-License-Identifier: Apache-2.0
#
# Running what has been built: tests, the demo, the benchmarks.  Read by
# Makefile.apxs.

# Most tests wait most of their time, so more of them run at once than there
# are processors.  ALONE are those that load the machine: one after the other.
JOBS  ?= $(shell expr $$(nproc 2>/dev/null || echo 1) + 2)
ALONE := t/httpd/graceful-*.t t/httpd/bodies.t
PROVE ?= prove
PROVE_FLAGS ?= -j$(JOBS) --rules='seq={$(subst $(space),$(comma),$(ALONE))}' \
               --rules='par=**'
prove = FCGIPM_BUILD=$(1) $(PROVE) $(PROVE_FLAGS) $(2)

UNIT_T  := $(UNITS)
CORE_T  := $(sort $(wildcard t/core/*.t))
HTTPD_T := $(sort $(wildcard t/httpd/*.t))
TOP_T   := $(sort $(wildcard t/*.t))
TESTS   ?= $(UNIT_T) $(TOP_T) $(CORE_T) $(HTTPD_T)

# Without TESTS= everything runs, and what ASAN_T names a second time with
# sanitizers (sanitize.mk).
run-check: tests $(if $(filter file,$(origin TESTS)),asan fuzzers tsan build-clang) \
           $(if $(filter %fuzz.t,$(TESTS)),fuzzers) \
           $(if $(filter %tsan.t,$(TESTS)),tsan)
	@rm -f build/failed; \
	{ $(call prove,build,$(TESTS)) || : >build/failed; \
	  if [ '$(origin TESTS)' = file ]; then \
	      echo 'With the address and undefined-behaviour sanitizers:'; \
	      $(call asan_prove,$(ASAN_T)) || : >build/failed; \
	      $(call build_prove,build-clang) || : >build/failed; \
	  fi; } 2>&1 | tee build/check.log; \
	[ ! -e build/failed ] || { \
	    echo 'What failed, once more:'; \
	    grep -A 6 -E '^# +Failed|^t/.*Failed|Wstat: [1-9]' \
	        build/check.log; \
	    exit 1; \
	}

run-check-unit: tests
	@$(call prove,build,$(UNIT_T) $(TOP_T))

run-check-core: $(TOOLS) $(WORKERS)
	@$(call prove,build,$(CORE_T))

run-check-httpd: tests
	@$(call prove,build,$(HTTPD_T))

run-check-browser: all $(WORKERS)
	@$(call prove,build,$(sort $(wildcard t/browser/*.t)))

run-check-intree: all $(WORKERS)
	@t/bin/intree

APPS ?= $(notdir $(basename $(wildcard t/apps/*.t)))

run-check-apps: tests
	@$(call prove,build,--timer $(APPS:%=t/apps/%.t))

run-check-hosts: tests
	@$(call prove,build,-v $(wildcard t/hosts/*.t))

STORM ?= 10000

run-storm: tests
	@FCGIPM_STORM=$(STORM) FCGIPM_WAYS_STORM=$$((2 * $(STORM))) \
	    $(call prove,build,-v t/core/storm.t t/core/ways.t)

run-soak: tests
	@FCGIPM_SOAK=$(SOAK) $(call prove,build,-v $(wildcard t/soak/*.t))

# The tests that attack; those with a length of their own take a minute.
ATTACKS := $(addprefix build/t/unit/,shared_memory safe_dir wakeup prefix) \
           $(addprefix t/core/,clients.t flood.t heavy.t leftovers.t \
             nonblock.t preload.t socket-harm.t) \
           $(addprefix t/httpd/,scribble.t descriptors.t scripts-hostile.t \
             allow.t alone.t apart.t clients.t records.t sandbox.t sendfile.t \
             socket-harm.t held-auth.t held-php.t held-requests.t \
             held-scripts.t)

run-attack: tests
	@FCGIPM_ATTACK=60 $(call prove,build,$(ATTACKS))

# Has a copy of the tree and builds there.
run-mutate:
	@t/mutation/run '$(MUTATE)'

run-bench: tests
	@FCGIPM_BUILD=$(B) exec bench/run

run-demo: all $(WORKERS)
	@FCGIPM_BUILD=$(B) exec examples/demo
