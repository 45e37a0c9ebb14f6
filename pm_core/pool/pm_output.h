/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file pm_output.h
 * @brief What a pool's workers write, on its way to a log.
 *
 * Lines go to the pool's own log if it has one (FcgiPMErrorLog), else, or if
 * that cannot take them, to httpd's.  Of more than FcgiPMLogLimit lines in ten
 * seconds the rest is dropped; their number is logged when the ten seconds are
 * over.  Lines of FCGI_STDERR, which httpd's children write, count with them,
 * and those that tell of a crash; the child that drops the first one wakes the
 * manager.  The last lines are
 * kept for the status, dropped or not.
 */
#ifndef PM_OUTPUT_H
#define PM_OUTPUT_H

#include "pm_core/pool/pm_pool.h"

/** At the pool's creation.  With pool->p the number of dropped lines is logged
 *  and the log is closed. */
void pm_output_init(pm_pool_t *pool);

/** Lines may have been dropped: have their number logged in time. */
void pm_output_attend(pm_pool_t *pool);

/** Use another log.  @param fd is taken; -1: httpd's */
void pm_output_open(pm_pool_t *pool, int fd);

/** Count a line about a worker.  @return 0: it is one too many */
int pm_output_may(pm_pool_t *pool);

/** A line that the worker @a pid has written. */
void pm_output_line(pm_pool_t *pool, pid_t pid, const char *line);

/** A line about the worker @a pid; less than 1: about none. */
void pm_output_say(pm_pool_t *pool, pid_t pid, const char *what,
                   const char *text);

/** The last lines its workers have written, a newline between them. */
const char *pm_output_last(const pm_pool_t *pool);

#endif /* PM_OUTPUT_H */
