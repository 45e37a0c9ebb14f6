/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file pm_base.h
 * @brief What every unit of pm_core may use.
 *
 * Reasons, the log sink, monotonic time, assertions, subpools.  Nothing here
 * keeps state, and only a failed assertion ends the process.  Any process and
 * any thread may call these functions.
 *
 * DIAGNOSTICS
 *   A function that can fail returns an apr_status_t and takes a
 *   pm_reason_t.  The status is for the program, the reason is for the
 *   person who reads the error log: one line, no trailing newline, naming
 *   what failed and with which value.
 */
#ifndef PM_BASE_H
#define PM_BASE_H

#include <stdarg.h>
#include <sys/types.h>

#include "apr.h"
#include "apr_errno.h"
#include "apr_pools.h"
#include "apr_time.h"

#if defined(__GNUC__)
#define PM_PRINTF(fmt, args) __attribute__((format(printf, fmt, args)))
#else
#define PM_PRINTF(fmt, args)
#endif

/** Why something failed, for people.  It belongs to the caller, usually on
 *  its stack; a text that is too long is cut. */
typedef struct pm_reason {
    char text[512];
} pm_reason_t;

/**
 * Write a reason and return the status, so that a failing function ends in
 * `return pm_fail(why, APR_EINVAL, "...")`.
 * @param why where the text goes, or NULL
 * @param rv  the status, returned unchanged
 */
apr_status_t pm_fail(pm_reason_t *why, apr_status_t rv, const char *fmt, ...)
    PM_PRINTF(3, 4);

/** Like pm_fail(), with ": " and the text of @a rv (an errno or any APR
 *  status) appended. */
apr_status_t pm_fail_os(pm_reason_t *why, apr_status_t rv, const char *fmt, ...)
    PM_PRINTF(3, 4);

/** Severity, the numbers of syslog(3) and of httpd's LogLevel. */
typedef enum pm_level {
    PM_CRIT = 2,
    PM_ERROR = 3,
    PM_WARNING = 4,
    PM_NOTICE = 5,
    PM_INFO = 6,
    PM_DEBUG = 7
} pm_level_t;

/** The log sink.  httpd or the tool that links pm_core supplies it and decides
 *  where a line goes. */
typedef struct pm_log {
    /** Lines above this level are not formatted. */
    pm_level_t level;
    /** Takes one line.  @param line without newline, valid during the call */
    void (*emit)(void *ctx, pm_level_t level, const char *line);
    void *ctx;
    /** Takes a line that a worker has written, so that it is never taken for
     *  one of the manager's.  NULL: emit() takes "pool NAME: pid PID: line" */
    void (*output)(void *ctx, pm_level_t level, const char *pool, pid_t pid,
                   const char *line);
} pm_log_t;

/** Log one line, of at most 8191 bytes.  @param log or NULL: no log */
void pm_log(const pm_log_t *log, pm_level_t level, const char *fmt, ...)
    PM_PRINTF(3, 4);

/** Log a line that a worker of a pool has written. */
void pm_log_output(const pm_log_t *log, pm_level_t level, const char *pool,
                   pid_t pid, const char *line);

/**
 * @return microseconds of CLOCK_MONOTONIC (clock_gettime(2)), for deadlines and
 * ages.  All processes of one boot can compare them; they are no dates.  Never
 * 0, which stands for "no time".
 */
apr_time_t pm_time_now(void);

/** A time that never comes: "no deadline". */
#define PM_TIME_NEVER APR_INT64_C(0x7fffffffffffffff)

/** The earlier of two deadlines. */
static inline apr_time_t pm_time_min(apr_time_t a, apr_time_t b)
{
    return a < b ? a : b;
}

static inline apr_time_t pm_time_max(apr_time_t a, apr_time_t b)
{
    return a > b ? a : b;
}

/**
 * Assert what is true whatever is received from outside.  A failure is a bug in
 * this program: the process writes the place to stderr and aborts; of a manager
 * the parent starts a successor.  @a exp has no side effect.
 */
#define PM_ASSERT(exp)                                                         \
    do {                                                                       \
        if (!(exp)) {                                                          \
            pm_assert_failed(#exp, __FILE__, __LINE__);                        \
        }                                                                      \
    } while (0)
__attribute__((noreturn)) void pm_assert_failed(const char *exp,
                                                const char *file, int line);

/**
 * Create a subpool.  Without memory for it the process aborts, as it does for
 * any other allocation: APR's palloc functions have no error to return.
 * @param parent the pool it is destroyed with at the latest
 */
apr_pool_t *pm_subpool_create(apr_pool_t *parent);

/** Version of the product, "0.1.0". */
#define PM_VERSION "0.1.0"

/** @return a fingerprint of the sources of this object.  A manager of another
 *  build than the module that is loaded is replaced, not reconfigured. */
const char *pm_build(void);

/** The memory of a process in bytes, as the kernel counts it; all 0: not known.
 */
typedef struct pm_memory {
    apr_int64_t resident;
    apr_int64_t shared; /**< of that, what other processes map as well */
    apr_int64_t pss;    /**< its share of it: each page by the number of
                         *   processes that map it */
} pm_memory_t;

#endif /* PM_BASE_H */
