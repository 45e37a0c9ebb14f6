/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file pm_output.h
 * @brief Layer 3: what a pool's workers say, on its way to a log.
 *
 * Lines go to the pool's own log if it has one (FcgiPMErrorLog), else, or if
 * that cannot take them, to httpd's.  Of more than FcgiPMLogLimit lines in ten
 * seconds the rest is dropped; how many those were is said when the ten
 * seconds are over.  Lines of FCGI_STDERR, which httpd's children write, are
 * counted with them; the first of them to drop one rings the bell.  The last
 * lines stay for the status, dropped or not.
 */
#ifndef PM_OUTPUT_H
#define PM_OUTPUT_H

#include "pm_core/pool/pm_pool.h"

/** At the pool's birth. */
void pm_output_init(pm_pool_t *pool);

/** Lines may have been dropped: have their number said in time. */
void pm_output_attend(pm_pool_t *pool);

/** The pool's own log from now on.  @param fd is taken; -1: httpd's */
void pm_output_open(pm_pool_t *pool, int fd);

/** A line of the worker @a pid. */
void pm_output_line(pm_pool_t *pool, pid_t pid, const char *line);

/** What is to be said of the worker @a pid, beside its own words; less than
 *  1: of none. */
void pm_output_say(pm_pool_t *pool, pid_t pid, const char *what,
                   const char *text);

/** At the pool's end: what is still to be said of dropped lines is said. */
void pm_output_close(pm_pool_t *pool);

#endif /* PM_OUTPUT_H */
