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
#ifndef HPM_AUTH_H
#define HPM_AUTH_H

#include "httpd/config/hpm_module.h"

typedef struct hpm_denial hpm_denial_t;

/** Who asks; the first HPM_AUTH_DIRS have a directive in directories. */
typedef enum hpm_auth_role {
    HPM_AUTHENTICATOR,
    HPM_ACCESS_CHECKER,
    HPM_AUTH_DIRS,
    HPM_REQUIRE = HPM_AUTH_DIRS
} hpm_auth_role_t;

/** Per-directory configuration, for the module record. */
void *hpm_auth_dir_create(apr_pool_t *p, char *dir);
void *hpm_auth_dir_merge(apr_pool_t *p, void *base, void *over);

/** The directives FcgiPMAuthenticator and FcgiPMAccessChecker; @c cmd->info
 *  is the role. */
const char *hpm_auth_set(cmd_parms *cmd, void *dir, const char *pool);

/** Register the providers (register_hooks). */
void hpm_auth_register(apr_pool_t *p);

/** access_checker hook: FcgiPMAccessChecker. */
int hpm_auth_access(request_rec *r);

/** type_checker hook, the first after authorization: it has been granted. */
int hpm_auth_granted(request_rec *r);

/** quick_handler hook, the first: httpd gives up on a request, what was said
 *  of it goes to the client. */
int hpm_auth_deny(request_rec *r, int lookup);

#endif /* HPM_AUTH_H */
