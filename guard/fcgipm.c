/* SPDX-License-Identifier: Apache-2.0 */
#include "fcgipm.h"

#include "pm_base.h"

/* Weak, so that libfcgi comes with the program that uses this and not with
 * every program the library is preloaded into. */
#pragma weak FCGX_Accept_r

#define PUBLIC __attribute__((visibility("default")))

PUBLIC const char *fcgipm_version(void)
{
    return PM_VERSION;
}

PUBLIC int fcgipm_accept(FCGX_Request *request)
{
    return FCGX_Accept_r(request) < 0 ? -1 : 0;
}
