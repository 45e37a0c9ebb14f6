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
# Debian's a2enmod.
MODS    := $(if $(wildcard /etc/debian_version),\
             $(DESTDIR)$(CONFDIR)/mods-available)

install: all
	install -d $(addprefix $(DESTDIR),$(MODDIR) $(BINDIR) $(SBINDIR) \
	    $(LIBDIR)/pkgconfig $(INCDIR) $(COMPDIR) \
	    $(addprefix $(MANDIR)/,man1 man3 man8)) $(MODS)
	install -m 644 $(MODULE) $(DESTDIR)$(MODDIR)/
	install -m 755 $(B)/fcgipmctl $(SCRIPTS) $(DESTDIR)$(SBINDIR)/
	install -m 755 $(B)/fcgipm-run $(DESTDIR)$(BINDIR)/
	install -m 644 docs/man/fcgipmctl.8 docs/man/fcgipm-migrate.8 \
	    $(DESTDIR)$(MANDIR)/man8/
	install -m 644 docs/man/fcgipm-run.1 $(DESTDIR)$(MANDIR)/man1/
	install -m 644 packaging/fcgipmctl.bash $(DESTDIR)$(COMPDIR)/fcgipmctl
	install -m 644 packaging/fcgipm-migrate.bash \
	    $(DESTDIR)$(COMPDIR)/fcgipm-migrate
	install -m 644 $(GUARD) $(DESTDIR)$(LIBDIR)/
	install -m 644 libfcgipm/manage/fcgipm.h $(DESTDIR)$(INCDIR)/
	install -m 644 docs/man/fcgipm.3 $(DESTDIR)$(MANDIR)/man3/
	sed 's,@LIBDIR@,$(LIBDIR),; s,@INCDIR@,$(INCDIR),; s,@VERSION@,$(VERSION),' \
	    packaging/libfcgipm.pc > $(DESTDIR)$(LIBDIR)/pkgconfig/libfcgipm.pc
ifneq ($(MODS),)
	sed 's,@MODDIR@,$(MODDIR),' packaging/fcgipm.load > $(MODS)/fcgipm.load
	test -e $(MODS)/fcgipm.conf || \
	    install -m 644 packaging/fcgipm.conf $(MODS)/
endif

uninstall:
	rm -f $(addprefix $(DESTDIR),$(MODDIR)/mod_fcgipm.so \
	    $(SBINDIR)/fcgipmctl $(BINDIR)/fcgipm-run $(LIBDIR)/libfcgipm.so \
	    $(LIBDIR)/pkgconfig/libfcgipm.pc $(INCDIR)/fcgipm.h \
	    $(MANDIR)/man3/fcgipm.3 $(MANDIR)/man8/fcgipmctl.8 \
	    $(MANDIR)/man1/fcgipm-run.1 $(COMPDIR)/fcgipmctl \
	    $(SBINDIR)/fcgipm-migrate $(MANDIR)/man8/fcgipm-migrate.8 \
	    $(COMPDIR)/fcgipm-migrate)
ifneq ($(MODS),)
	rm -f $(MODS)/fcgipm.load
	! cmp -s packaging/fcgipm.conf $(MODS)/fcgipm.conf || \
	    rm -f $(MODS)/fcgipm.conf
endif
