/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file hpm_variables.h
 * @brief A request's variables, and the records that carry them.
 *
 * CGI/1.1 (RFC 3875 section 4.1) as httpd's util_script has it, with what a
 * role of FastCGI (specification 1.0, section 6) wants to be different.
 */
#ifndef HPM_VARIABLES_H
#define HPM_VARIABLES_H

#include "httpd.h"

#include "httpd/upstream/hpm_codec.h"
#include "pm_core/base/pm_base.h"

/**
 * The variables of a Responder (6.2), into @c r->subprocess_env.
 *
 * PATH_TRANSLATED is left out after an internal redirect that no Action has
 * made (mod_rewrite, ErrorDocument): php-cgi takes REDIRECT_URL together
 * with PATH_TRANSLATED for the sign of an Action, and would run what
 * PATH_TRANSLATED names in the place of SCRIPT_FILENAME.
 *
 * @param length of the body, which is sent whole whatever the client's
 *               framing was; -1: there is none
 */
void hpm_variables_responder(request_rec *r, apr_off_t length);

/**
 * The variables of an Authorizer (6.3), into @c r->subprocess_env: those of
 * a Responder without CONTENT_LENGTH, PATH_INFO, PATH_TRANSLATED and
 * SCRIPT_NAME.  They are not the request's own: the caller gives it a table
 * for them, and takes that away again.
 * @param more set above them
 */
void hpm_variables_authorizer(request_rec *r, const apr_table_t *more);

/**
 * BEGIN_REQUEST and PARAMS with their end, for @a role (HPM_RESPONDER...),
 * from @c r->subprocess_env.
 * @param head made in the request's pool
 * @return OK or the HTTP status of the refusal, with a reason
 */
int hpm_variables_encode(request_rec *r, int role, char **head, apr_size_t *len,
                         pm_reason_t *why);

#endif /* HPM_VARIABLES_H */
