/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file run_log.h
 * @brief fcgipm-run's log on standard error: text for people, or a JSON object
 *        on each line.
 *
 * The core's lines begin with what they are about, "pool NAME: worker PID ..."
 * or "manager (pid PID): ...": as JSON that is taken apart into members.  What
 * a worker has written comes apart from them (pm_log_output()), so that it is
 * never taken for the manager's.
 *
 * No line waits for a reader: where standard error is a pipe or a socket that
 * is full, lines are dropped, and the next that is written is preceded by how
 * many.
 */
#ifndef RUN_LOG_H
#define RUN_LOG_H

#include "pm_core/base/pm_base.h"

/** A line, taken apart. */
typedef struct run_log_parts {
    const char *pool; /**< NULL: it is about none */
    apr_size_t pool_len;
    long pid;            /**< the worker's or the manager's; 0: of none */
    int is_output;       /**< 1: a worker has said it; never set by
                          *   run_log_split() */
    const char *message; /**< without what stands in the members */
    const char *reason;  /**< the end of @c message behind ": ", NULL: none */
} run_log_parts_t;

/** Take a line of the core apart.
 *  @param line not changed; the parts point into it */
run_log_parts_t run_log_split(const char *line);

/** Set a log up: text.  @param p lives as long as the process */
void run_log_open(pm_log_t *log, apr_pool_t *p);

/** @param format "text" or "json"
 *  @return APR_EINVAL with a reason: another format */
apr_status_t run_log_set_format(pm_log_t *log, const char *format,
                                pm_reason_t *why);

/** @return the descriptor it writes to, -1: standard error itself */
int run_log_fd(const pm_log_t *log);

/** Say what is wrong before there is a manager, whatever the level. */
void run_log_say(const pm_log_t *log, pm_level_t level, const char *text);

#endif /* RUN_LOG_H */
