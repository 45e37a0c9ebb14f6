# SPDX-License-Identifier: Apache-2.0
#
# The fuzzers of t/fuzz, in build-fuzz/.  Read by Makefile.apxs.
#
# libFuzzer belongs to clang.  Without clang nothing is built, and t/fuzz.t
# says so.
FUZZ_CC   ?= clang
# Seconds for each target.
FUZZ_TIME ?= 1200
FUZZ      ?= $(notdir $(basename $(wildcard t/fuzz/*.c)))
FUZZERS   := $(call bins,t/fuzz,t/fuzz/)
FUZZ_FLAG := -fsanitize=fuzzer
# APR_OFFSETOF computes with a null pointer.  A real access through one is
# still found.
FUZZ_NOT  := -fno-sanitize=null,object-size

.PHONY: fuzzers fuzz-here
fuzzers:
	+$(Q)if printf 'int LLVMFuzzerTestOneInput(void) { return 0; }\n' | \
	    $(FUZZ_CC) $(FUZZ_FLAG) -x c -o /dev/null - 2>/dev/null; then \
	    $(MAKE) --no-print-directory -f $(SELF) B=build-fuzz \
	        CC=$(FUZZ_CC) WARN= HERE_WARN= \
	        SAN='fuzzer-no-link,address,undefined $(FUZZ_NOT)' \
	        fuzz-here; \
	fi

fuzz-here: $(FUZZERS)

# What of the glue and the tools runs without httpd and without a terminal.
FUZZ_SRC := $(addprefix httpd/,upstream/hpm_upstream.c \
              request/hpm_response.c request/hpm_script_reply.c \
              request/hpm_spool.c request/hpm_tempfile.c \
              request/hpm_variables.c status/hpm_openmetrics.c \
              status/hpm_page.c status/hpm_status.c) \
            $(filter-out %top.c,$(TOOL_SRC))

ifeq ($(B),build-fuzz)
FUZZ_LIB := $(B)/obj/libfuzz.a
$(FUZZ_LIB): $(call objs,$(FUZZ_SRC))
	$(call say,AR)
	$(Q)ar rcs $@ $^

$(FUZZERS): $(B)/%: $(B)/obj/%.o $(FUZZ_LIB) $(CORE_LIB)
	$(call say,LINK)
	$(Q)mkdir -p $(@D)
	$(Q)$(LINK) $(FUZZ_FLAG) -o $@ $^ $(CORE_LIBS)
endif

run-fuzz: fuzzers
	@for f in $(FUZZ); do \
	    mkdir -p build-fuzz/corpus/$$f && \
	    { [ ! -e t/fuzz/corpus/$$f.tar.gz ] || \
	        tar -xzf t/fuzz/corpus/$$f.tar.gz -C build-fuzz/corpus/$$f; } && \
	    build-fuzz/t/fuzz/$$f -max_total_time=$(FUZZ_TIME) -max_len=4096 \
	        -print_final_stats=1 -artifact_prefix=build-fuzz/$$f- \
	        build-fuzz/corpus/$$f t/fuzz/seeds/$$f || exit 1; \
	done
