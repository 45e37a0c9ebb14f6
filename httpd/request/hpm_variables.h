/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file hpm_variables.h
 * @brief A request's variables, and the records that carry them.
 *
 * CGI/1.1 (RFC 3875 section 4.1) as httpd's util_script makes them, with the
 * differences that a role of FastCGI (specification 1.0, section 6) needs.
 * The request's thread calls all of this.
 */
#ifndef HPM_VARIABLES_H
#define HPM_VARIABLES_H

#include "httpd.h"

#include "pm_core/base/pm_codec.h"
#include "pm_core/base/pm_base.h"
#include "pm_core/config/pm_conf.h"

/**
 * Add the variables of a Responder (6.2) to @c r->subprocess_env.
 *
 * They are those of mod_cgi.
 *
 * @param length of the body, for CONTENT_LENGTH; -1: there is no body
 */
void hpm_variables_responder(request_rec *r, apr_off_t length);

/**
 * Add the variables of an Authorizer (6.3) to @c r->subprocess_env: those of
 * a Responder without CONTENT_LENGTH, PATH_INFO, PATH_TRANSLATED and
 * SCRIPT_NAME.  The request must not keep them: the caller gives it a table
 * for them, and its own table back afterwards.
 * @param more variables that win over these
 */
void hpm_variables_authorizer(request_rec *r, const apr_table_t *more);

/**
 * Encode BEGIN_REQUEST and PARAMS with their end, from @c r->subprocess_env.
 *
 * PHP gets PATH_TRANSLATED and REDIRECT_URL by names which only become these in
 * $_SERVER, when there is a PATH_INFO: docs/admin/variables.md says why.
 *
 * @param conf of the pool of a Responder; NULL for an Authorizer
 * @param role PM_FCGI_RESPONDER, PM_FCGI_AUTHORIZER
 * @param head allocated from @c r->pool
 * @return OK; or the HTTP status of the refusal, and @a why
 */
int hpm_variables_encode(request_rec *r, const pm_conf_t *conf, int role,
                         char **head, apr_size_t *len, pm_reason_t *why);

#endif /* HPM_VARIABLES_H */
