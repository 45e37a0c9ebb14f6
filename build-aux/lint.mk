# SPDX-License-Identifier: Apache-2.0
#
# What compilers and linters say of the sources.  Read by Makefile.apxs.

# One file after the other, as many at once as there are processors.
EACH := xargs -n 1 -P $(shell nproc 2>/dev/null || echo 1)
LINT_CPP = $(CPP) -Ilibfcgipm/manage $(HTTPD_INC) -I$(B)/obj $(CPPFLAGS) \
           $(if $(CURSES),-DCTL_HAVE_CURSES)
FORMATTED := $(filter-out libfcgipm/preload/%,$(ALL_SRC) $(wildcard $(addsuffix *.h, \
               $(sort $(dir $(ALL_SRC))) httpd/)))

.PHONY: lint-format lint-gcc lint-tidy lint-cppcheck
run-lint: lint-format lint-gcc lint-tidy lint-cppcheck
lint-gcc lint-tidy lint-cppcheck: $(PAGE)

lint-format:
	@echo clang-format
	@clang-format --dry-run -Werror $(FORMATTED)

lint-gcc:
	@echo 'gcc -fanalyzer'
	@printf '%s\n' $(ALL_SRC) | $(EACH) gcc $(LINT_CPP) -std=gnu11 -O2 \
	    $(WARN) -Wno-date-time -fanalyzer -c -o /dev/null

lint-tidy:
	@echo clang-tidy
	@printf '%s\n' $(ALL_SRC) | $(EACH) sh -c \
	    'clang-tidy --quiet "$$1" -- $(LINT_CPP) -std=gnu11' sh

lint-cppcheck:
	@echo cppcheck
	@cppcheck --quiet --error-exitcode=1 --inline-suppr --std=c11 \
	    --enable=warning,performance,portability -I. \
	    -I$(B)/obj $(ALL_SRC)
