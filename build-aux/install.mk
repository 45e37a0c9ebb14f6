# SPDX-License-Identifier: Apache-2.0
#
# install and uninstall.  Read by Makefile.apxs, which also compiles LIBDIR into
# pm_preload.c.

BINDIR  ?= $(call ask,exp_bindir)
SBINDIR ?= $(call ask,exp_sbindir)
LIBDIR  ?= $(call ask,exp_libdir)
INCDIR  ?= $(patsubst %/apache2,%,$(call ask,exp_includedir))
MODDIR  ?= $(call ask,exp_libexecdir)
CONFDIR ?= $(call ask,exp_sysconfdir)
MANDIR  ?= $(call ask,exp_mandir)
VERSION := $(shell sed -n 's/^\#define PM_VERSION "\(.*\)"/\1/p' \
             pm_core/base/pm_base.h)
# Where bash-completion looks, beside the programs.
COMPDIR ?= $(dir $(SBINDIR))share/bash-completion/completions
DATADIR ?= $(dir $(SBINDIR))share/fcgipm
# Where systemd looks; empty: no unit.
UNITDIR ?= $(firstword $(wildcard /usr/lib/systemd/system /lib/systemd/system))
# Debian's a2enmod.
MODS    := $(if $(wildcard /etc/debian_version),$(CONFDIR)/mods-available)
ENABLED := $(addprefix $(DESTDIR)$(CONFDIR)/mods-enabled/fcgipm.,load conf)

# Files whose text names directories.
UNIT_FILES := $(addprefix $(B)/,$(notdir $(wildcard packaging/systemd/*.service)))
FILLED := $(addprefix $(B)/,libfcgipm.pc fcgipm.load) $(UNIT_FILES)
FILL    = sed $(foreach v,LIBDIR INCDIR MODDIR BINDIR VERSION,-e 's,@$v@,$($v),') \
              $< > $@
$(B)/libfcgipm.pc $(B)/fcgipm.load: $(B)/%: packaging/% FORCE
	$(Q)$(FILL)
$(UNIT_FILES): $(B)/%: packaging/systemd/% FORCE
	$(Q)$(FILL)
.PHONY: FORCE
FORCE:

# mode:file:where it goes
INSTALLED := \
    644:$(MODULE):$(MODDIR)/$(notdir $(MODULE)) \
    755:$(B)/fcgipmctl:$(SBINDIR)/fcgipmctl \
    755:$(B)/fcgipm-migrate:$(SBINDIR)/fcgipm-migrate \
    755:$(B)/fcgipm-run:$(BINDIR)/fcgipm-run \
    644:$(GUARD):$(LIBDIR)/fcgipm/$(notdir $(GUARD)) \
    644:$(API):$(LIBDIR)/$(notdir $(API)) \
    644:$(B)/libfcgipm.pc:$(LIBDIR)/pkgconfig/libfcgipm.pc \
    644:libfcgipm/manage/fcgipm.h:$(INCDIR)/fcgipm.h \
    644:docs/man/fcgipm.3:$(MANDIR)/man3/fcgipm.3 \
    644:docs/man/fcgipm-run.1:$(MANDIR)/man1/fcgipm-run.1 \
    644:docs/man/fcgipmctl.8:$(MANDIR)/man8/fcgipmctl.8 \
    644:docs/man/fcgipm-migrate.8:$(MANDIR)/man8/fcgipm-migrate.8 \
    644:packaging/fcgipmctl.bash:$(COMPDIR)/fcgipmctl \
    644:packaging/fcgipm-migrate.bash:$(COMPDIR)/fcgipm-migrate \
    644:packaging/prometheus/fcgipm.rules.yml:$(DATADIR)/prometheus/fcgipm.rules.yml \
    644:packaging/prometheus/grafana-dashboard.json:$(DATADIR)/prometheus/grafana-dashboard.json \
    $(if $(UNITDIR),644:$(B)/fcgipm-run@.service:$(UNITDIR)/fcgipm-run@.service) \
    $(if $(UNITDIR),644:$(B)/fcgipm@.service:$(UNITDIR)/fcgipm@.service) \
    $(if $(UNITDIR),644:$(B)/fcgipm.service:$(UNITDIR)/fcgipm.service) \
    $(if $(UNITDIR),644:packaging/systemd/sysusers.conf:/usr/lib/sysusers.d/fcgipm.conf) \
    $(if $(UNITDIR),644:packaging/systemd/tmpfiles.conf:/usr/lib/tmpfiles.d/fcgipm.conf) \
    $(if $(MODS),644:$(B)/fcgipm.load:$(MODS)/fcgipm.load)

# A configuration that is there stays as it is.
install: all $(FILLED)
	$(Q)set -e; for file in $(INSTALLED); do \
	    IFS=:; set -- $$file; unset IFS; \
	    install -D -m "$$1" "$$2" "$(DESTDIR)$$3"; \
	done
	ln -sf $(notdir $(API)) $(DESTDIR)$(LIBDIR)/libfcgipm.so
ifneq ($(MODS),)
	test -e $(DESTDIR)$(MODS)/fcgipm.conf || \
	    install -m 644 packaging/fcgipm.conf $(DESTDIR)$(MODS)/
endif
	$(if $(DESTDIR),,ldconfig || :)

# httpd starts afterwards, unless its configuration still wants the module.
uninstall:
	$(Q)set -e; for file in $(INSTALLED); do \
	    rm -f "$(DESTDIR)$${file##*:}"; \
	done
	rm -f $(DESTDIR)$(LIBDIR)/libfcgipm.so
	-$(Q)rmdir $(addprefix $(DESTDIR),$(LIBDIR)/fcgipm $(DATADIR)/prometheus \
	    $(DATADIR)) 2>/dev/null || :
ifneq ($(MODS),)
	! cmp -s packaging/fcgipm.conf $(DESTDIR)$(MODS)/fcgipm.conf || \
	    rm -f $(DESTDIR)$(MODS)/fcgipm.conf
	$(Q)for link in $(ENABLED); do \
	    [ ! -L $$link ] || { rm -f $$link; \
	        echo "uninstall: fcgipm was enabled; removed $$link"; }; \
	done
endif
	$(Q)grep -RlEis --exclude-dir='*-available' \
	    '^[[:space:]]*(<?FcgiPM|LoadModule[[:space:]]+fcgipm_)' \
	    $(DESTDIR)$(CONFDIR) | \
	    sed 's/^/uninstall: httpd does not start with what is left in /' || :
	$(if $(DESTDIR),,ldconfig || :)
