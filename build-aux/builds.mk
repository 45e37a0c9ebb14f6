# SPDX-License-Identifier: Apache-2.0
#
# Everything with other compilers and flags, in a tree of its own each
# (build-NAME/), and the units run there.  Read by Makefile.apxs.
CLANG  ?= clang
BUILDS ?= o3 lto fortify clang clang-o3 clang-lto clang-fortify

BUILD_o3            := CFLAGS='-O3 -g'
BUILD_lto           := CFLAGS='-O2 -g -flto=auto' AR=gcc-ar
BUILD_fortify       := CPPFLAGS='-U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=3'
BUILD_clang         := CC=$(CLANG)
BUILD_clang-o3      := CC=$(CLANG) $(BUILD_o3)
BUILD_clang-lto     := CC=$(CLANG) CFLAGS='-O2 -g -flto' AR=llvm-ar \
                       LDFLAGS=-fuse-ld=lld
BUILD_clang-fortify := CC=$(CLANG) $(BUILD_fortify)

# What links nothing here is left out.
BUILD_TREES := $(BUILDS:%=build-%)
.PHONY: $(BUILD_TREES)
$(BUILD_TREES): build-%:
	+$(Q)if printf 'int main(void) { return 0; }\n' | \
	    env CC='$(CC)' $(BUILD_$*) sh -c \
	        '$$CC $$CFLAGS $$LDFLAGS -x c -o /dev/null -'; then \
	    $(MAKE) --no-print-directory -f $(SELF) B=$@ $(BUILD_$*) tests; \
	else \
	    echo '$@: not built, as there is no such compiler here'; \
	    rm -rf $@; \
	fi

build_prove = if [ -e $(1)/t/unit ]; then \
    echo 'The units of $(1):'; \
    $(call prove,$(1),$(UNIT_T:build/%=$(1)/%)); \
fi

run-builds: $(BUILD_TREES)
	@rc=0; $(foreach b,$^,$(call build_prove,$b) || rc=1;) exit $$rc
