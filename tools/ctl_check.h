/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file ctl_check.h
 * @brief `fcgipmctl check`: a status for monitoring, as plugins of Nagios,
 *        Icinga and their like give it.
 *
 * One line: FCGIPM STATUS - what is wrong, the worst first, | performance data.
 */
#ifndef CTL_CHECK_H
#define CTL_CHECK_H

#include <stdio.h>

#include "apr_pools.h"

/** Exit statuses of plugins. */
typedef enum ctl_verdict {
    CTL_CHECK_OK,
    CTL_CHECK_WARNING,
    CTL_CHECK_CRITICAL,
    CTL_CHECK_UNKNOWN
} ctl_verdict_t;

/** Requests of one pool that wait for a worker; -1: as many as its workers may
 *  have at once is a warning, ten times as many critical. */
typedef struct ctl_check_limits {
    long warning, critical;
} ctl_check_limits_t;

/** Read "N" into a limit.  @return 0: it is no number */
int ctl_check_limit(const char *text, long *limit);

/**
 * A pool that is stopped, or in backoff without a worker that serves, is
 * critical; one that serves while new workers die at birth is a warning.  Too
 * many requests that wait are either.  A pool that drains is only named.
 * @param json   the manager's status
 * @param filter pools whose names it matches (ctl_text_matches()); NULL: all
 */
ctl_verdict_t ctl_check(FILE *out, const char *json, const char *filter,
                        const ctl_check_limits_t *limits, apr_pool_t *p);

/** There is no status: the manager does not answer, which is critical, or may
 *  not be asked, or the pool does not exist. */
ctl_verdict_t ctl_check_fail(FILE *out, ctl_verdict_t verdict, const char *why);

#endif /* CTL_CHECK_H */
