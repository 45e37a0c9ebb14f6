/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file ctl_top.h
 * @brief `fcgipmctl top`: what the pools do, live, on a terminal.
 */
#ifndef CTL_TOP_H
#define CTL_TOP_H

#include "pm_core/base/pm_base.h"

/**
 * Show it until q, Ctrl-C or SIGTERM, and leave the terminal as it was.
 * @param path of the control socket
 * @param request a status, of all pools or one
 * @param filter pools that are shown (ctl_text_matches()); NULL: all
 * @return the exit status; the reason has been printed
 */
int ctl_top(const char *path, const char *request, const char *filter,
            apr_pool_t *p);

#endif /* CTL_TOP_H */
