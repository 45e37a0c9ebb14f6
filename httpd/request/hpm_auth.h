/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file hpm_auth.h
 * @brief Pools that decide on access: FCGI_AUTHORIZER (FastCGI 1.0, 6.3).
 *
 * Three hooks of httpd ask a pool:
 *
 *     AuthBasicProvider fcgipm, FcgiPMAuthenticator NAME   user and password
 *     FcgiPMAccessChecker NAME                             before a user is
 *                                                          known
 *     Require fcgipm NAME                                  authorization
 *
 * Status 200 grants access, and each header `Variable-NAME: value` becomes the
 * variable NAME of the request.  Any other status denies it.  For a denial of
 * the last two the client gets the pool's response, unless another provider
 * grants access after all (RequireAny, Satisfy Any); for a denial of the first
 * httpd responds with its own 401.  A pool that does not answer denies, too:
 * 503 or 500, and a line in the log.
 */
#ifndef HPM_AUTH_H
#define HPM_AUTH_H

#include "httpd/config/hpm_module.h"

typedef struct hpm_denial hpm_denial_t;

/** The role of a pool; the first HPM_AUTH_DIRS are set by a directive in
 *  directories. */
typedef enum hpm_auth_role {
    HPM_AUTHENTICATOR,
    HPM_ACCESS_CHECKER,
    HPM_AUTH_DIRS,
    HPM_REQUIRE = HPM_AUTH_DIRS
} hpm_auth_role_t;

/** The directives FcgiPMAuthenticator and FcgiPMAccessChecker; @c cmd->info
 *  is the role. */
const char *hpm_auth_set(cmd_parms *cmd, void *dir, const char *pool);

/** Register the providers (register_hooks). */
void hpm_auth_register(apr_pool_t *p);

/** access_checker hook: FcgiPMAccessChecker. */
int hpm_auth_access(request_rec *r);

/** type_checker hook, the first after authorization: access was granted. */
int hpm_auth_granted(request_rec *r);

/** quick_handler hook, the first: httpd has denied access and redirected the
 *  request; respond with the pool's response. */
int hpm_auth_deny(request_rec *r, int lookup);

#endif /* HPM_AUTH_H */
