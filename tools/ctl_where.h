/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file ctl_where.h
 * @brief Why there is no manager at the control socket, and where there may be
 *        one.
 */
#ifndef CTL_WHERE_H
#define CTL_WHERE_H

#include <stdio.h>

#include "apr_pools.h"

/**
 * Write what can be known without a manager: where it was looked for and how
 * to look elsewhere, the manager's sockets that others listen on, whether httpd
 * runs and has the module.
 * @param path  of the socket that was tried
 * @param named where that path comes from
 */
void ctl_where_explain(FILE *out, const char *path, const char *named,
                       apr_pool_t *p);

#endif /* CTL_WHERE_H */
