/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file hpm_auth.h
 * @brief Pools that decide on access: FCGI_AUTHORIZER (FastCGI 1.0, 6.3).
 *
 * Three places ask, all in the same way:
 *
 *     AuthBasicProvider fcgipm, FcgiPMAuthenticator NAME   user and password
 *     FcgiPMAccessChecker NAME                             before a user is
 *                                                          known
 *     Require fcgipm NAME                                  authorization
 *
 * Status 200 grants, and each header `Variable-NAME: value` becomes the
 * variable NAME of the request.  Any other status denies.  What the last two
 * say then, status, header and body, goes to the client, unless something
 * else grants after all (RequireAny, Satisfy Any); the first is httpd's own
 * 401.  Whoever gives no answer denies: 503 or 500, and a line in the log.
 */
#ifndef FCGIPM_AUTH_H
#define FCGIPM_AUTH_H

#include "httpd/mod_fcgipm.h"

typedef struct fcgipm_denial fcgipm_denial_t;

/** Who asks; the first FCGIPM_AUTH_DIRS have a directive in directories. */
typedef enum fcgipm_auth_role {
    FCGIPM_AUTHENTICATOR,
    FCGIPM_ACCESS_CHECKER,
    FCGIPM_AUTH_DIRS,
    FCGIPM_REQUIRE = FCGIPM_AUTH_DIRS
} fcgipm_auth_role_t;

/** Per-directory configuration, for the module record. */
void *fcgipm_auth_dir_create(apr_pool_t *p, char *dir);
void *fcgipm_auth_dir_merge(apr_pool_t *p, void *base, void *over);

/** The directives FcgiPMAuthenticator and FcgiPMAccessChecker; @c cmd->info
 *  is the role. */
const char *fcgipm_auth_set(cmd_parms *cmd, void *dir, const char *pool);

/** Register the providers (register_hooks). */
void fcgipm_auth_register(apr_pool_t *p);

/** access_checker hook: FcgiPMAccessChecker. */
int fcgipm_auth_access(request_rec *r);

/** type_checker hook, the first after authorization: it has been granted. */
int fcgipm_auth_granted(request_rec *r);

/** quick_handler hook, the first: httpd gives up on a request, what was said
 *  of it goes to the client. */
int fcgipm_auth_deny(request_rec *r, int lookup);

#endif /* FCGIPM_AUTH_H */
