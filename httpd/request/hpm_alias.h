/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file hpm_alias.h
 * @brief URLs that are no files: FcgiPMAlias, and FcgiPMScriptName.
 *
 * FcgiPMAlias is looked at behind RewriteRule of the server, ProxyPass and
 * Redirect.  Between it and Alias (or UserDir) the longer prefix decides; both
 * are equal: FcgiPMAlias.  AliasMatch and an Alias in a <Location> have no
 * length, and stand above it.
 *
 * httpd calls the hooks in the request's thread, in this order.
 */
#ifndef HPM_ALIAS_H
#define HPM_ALIAS_H

#include "httpd.h"

/** translate_name hook: FcgiPMAlias takes a URL that no module before it has
 *  taken. */
int hpm_alias_translate(request_rec *r);

/** map_to_storage hook: FcgiPMAlias takes a URL from a shorter Alias.  What it
 *  has taken is not a file. */
int hpm_alias_map_to_storage(request_rec *r);

/** type_checker hook: it has no media type either. */
int hpm_alias_type(request_rec *r);

/**
 * How an application is told of a URL that is no file.
 * @param script_name SCRIPT_NAME: the prefix of FcgiPMAlias or
 *                    FcgiPMScriptName, as the URL has it
 * @param path_info PATH_INFO: what follows
 * @return 0: neither directive applies, and the parameters are not set
 */
int hpm_alias_split(request_rec *r, const char **script_name,
                    const char **path_info);

#endif /* HPM_ALIAS_H */
