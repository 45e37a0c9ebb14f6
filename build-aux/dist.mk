# SPDX-License-Identifier: Apache-2.0
#
# The release tarball, Debian packages and an RPM of it.  Read by Makefile.apxs.
#
# All is made of the tarball, in $(B)/dist, $(B)/deb and $(B)/rpm: what is not
# in it is missed here, and not by those that build a release.

DIST      = mod_fcgipm-$(VERSION)
TARBALL   = $(B)/dist/$(DIST).tar.gz
DEB_DIR  ?= $(B)/deb
DEB_TREE  = $(DEB_DIR)/$(DIST)
RPM_DIR  ?= $(B)/rpm

# Files as they are in the work tree, those that git knows; outside of git all
# but what is built.  The time is that of CHANGES.md's last commit, else the
# file's: the same files make the same bytes.
run-dist:
	$(Q)rm -rf $(B)/dist && mkdir -p $(B)/dist
	$(Q)test -z "$$(git status --porcelain 2>/dev/null)" || \
	    echo 'dist: there are changes that are not committed' >&2
	$(Q){ git ls-files -z 2>/dev/null || \
	      find . -path './build*' ! -path './build-aux*' -prune -o \
	          ! -type d -printf '%P\0'; } | \
	    LC_ALL=C sort -z | tar -c --null -T - --format=gnu --owner=0 --group=0 \
	        --numeric-owner --mode=u=rwX,go=rX \
	        --mtime="@$$(git log -1 --format=%ct 2>/dev/null || \
	                     stat -c %Y CHANGES.md)" \
	        --transform='flags=r;s,^,$(DIST)/,' | gzip -9n > $(TARBALL)
	$(Q)cd $(B)/dist && sha256sum $(DIST).tar.gz > $(DIST).tar.gz.sha256
	@echo $(TARBALL)

run-deb: run-dist
	$(Q)rm -rf $(DEB_DIR) && mkdir -p $(DEB_DIR)
	$(Q)cp $(TARBALL) $(DEB_DIR)/mod-fcgipm_$(VERSION).orig.tar.gz
	$(Q)tar -xzf $(TARBALL) -C $(DEB_DIR)
	$(Q)cp -r packaging/debian $(DEB_TREE)/debian
	+$(Q)cd $(DEB_TREE) && env -u MAKEFLAGS -u MFLAGS -u CFLAGS -u CPPFLAGS \
	    -u LDFLAGS -u APXS -u PORT dpkg-buildpackage -us -uc -nc \
	    $(DEB_FLAGS) >../build.log 2>&1 || { tail -n 30 ../build.log; exit 1; }
	@echo $(DEB_DIR)/*.deb

run-check-deb: run-deb
	@$(call prove,$(B),--timer -j1 t/deb/*.t)

# Debian's rpm knows of no package that is installed.
run-rpm: run-dist
	$(Q)rm -rf $(RPM_DIR) && mkdir -p $(RPM_DIR)/SOURCES
	$(Q)cp $(TARBALL) $(RPM_DIR)/SOURCES/
	+$(Q)env -u MAKEFLAGS -u MFLAGS rpmbuild -bb \
	    $(if $(wildcard /etc/debian_version),--nodeps) \
	    --define '_topdir $(abspath $(RPM_DIR))' \
	    --define '_httpd_apxs $(shell command -v $(APXS))' $(RPM_FLAGS) \
	    packaging/fcgipm.spec >$(RPM_DIR)/build.log 2>&1 || \
	    { tail -n 30 $(RPM_DIR)/build.log; exit 1; }
	@echo $(RPM_DIR)/RPMS/*/*.rpm
