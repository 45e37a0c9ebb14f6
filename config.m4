dnl SPDX-License-Identifier: Apache-2.0
dnl
dnl mod_fcgipm inside of an httpd source tree.  Copy this directory to
dnl modules/fcgipm, then
dnl
dnl     ./buildconf
dnl     ./configure --enable-fcgipm=shared      (or =static)
dnl
dnl What is built is found by its place, as in Makefile.apxs.

APACHE_MODPATH_INIT(fcgipm)

dnl Makefile.in makes the sources of all rooms look as if they were here:
dnl httpd's rules put objects into the directory they run in, so no two
dnl units have the same name.
fcgipm_objs=`cd "$srcdir/$modpath_current" && \
    for f in mod_fcgipm.c httpd/*/*.c pm_core/*/*.c; do \
        echo "$f" | sed 's,.*/,,;s,c$,lo,'; \
    done | tr '\n' ' '`

AC_CHECK_HEADER([cap-ng.h], [
    AC_CHECK_LIB([cap-ng], [capng_apply], [
        APR_ADDTO(MOD_CPPFLAGS, [-DPM_HAVE_LIBCAP_NG])
        APR_ADDTO(MOD_FCGIPM_LDADD, [-lcap-ng])
    ])
])

APACHE_MODULE(fcgipm, [FastCGI process manager: preforks and supervises
FastCGI applications and passes requests to them], $fcgipm_objs, , most, [
    AC_CHECK_HEADER([jansson.h], [
        AC_CHECK_LIB([jansson], [json_loadb], [
            APR_ADDTO(MOD_FCGIPM_LDADD, [-ljansson])
        ], [enable_fcgipm=no])
    ], [enable_fcgipm=no])
    if test "x$enable_fcgipm" = "xno"; then
        AC_MSG_WARN([mod_fcgipm needs libjansson and its jansson.h
                     (Debian: libjansson-dev)])
    fi
    if test "x$enable_fcgipm" = "xshared"; then
        # Nothing but the module record is httpd's business.
        APR_ADDTO(MOD_FCGIPM_LDADD, [-export-symbols-regex fcgipm_module])
    fi
])

APR_ADDTO(MOD_INCLUDES, [-I\$(srcdir)])

APACHE_MODPATH_FINISH
