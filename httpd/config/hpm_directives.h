/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file hpm_directives.h
 * @brief The directives, as httpd reads them.
 */
#ifndef HPM_DIRECTIVES_H
#define HPM_DIRECTIVES_H

#include "httpd/config/hpm_module.h"

/** For the module record: one command_rec for each row of pm_conf_rows, the
 *  two sections, FcgiPMAlias and the directives of hpm_auth.h. */
extern const command_rec hpm_directives[];

/** Check that a directive of another unit names a pool.  The configuration
 *  files name pools before they are all known, so the check is made in
 *  check_config; in .htaccess it is made at once.
 *  @param directive its name, for messages; must live forever
 *  @return what is wrong, or NULL */
const char *hpm_directives_pool_ref(cmd_parms *cmd, const char *directive,
                                    const char *pool);

/** @return "file:line" of a directive, that of its Use when it stands in a
 *  macro of mod_macro */
const char *hpm_directives_where(const ap_directive_t *d, apr_pool_t *p);

#endif /* HPM_DIRECTIVES_H */
