/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file pm_base.h
 * @brief Layer 0: what every unit of pm_core may use.
 *
 * Reasons, the log sink, monotonic time, assertions.  Nothing here keeps
 * state, and nothing here exits but a failed assertion.
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

#include "apr.h"
#include "apr_errno.h"
#include "apr_pools.h"
#include "apr_time.h"

#if defined(__GNUC__)
#define PM_PRINTF(fmt, args) __attribute__((format(printf, fmt, args)))
#else
#define PM_PRINTF(fmt, args)
#endif

/** Why something failed, for people.  Owned by the caller, usually on its
 *  stack; the text is cut, never overrun. */
typedef struct pm_reason {
    char text[512];
} pm_reason_t;

/**
 * Write a reason and hand the status through, so that a failing function
 * ends in `return pm_fail(why, APR_EINVAL, "...")`.
 * @param why where the text goes; may be NULL
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

/** The log sink: where a line goes is the embedder's business. */
typedef struct pm_log {
    /** Lines above this level are not even formatted. */
    pm_level_t level;
    /** @param line without newline, valid during the call only */
    void (*emit)(void *ctx, pm_level_t level, const char *line);
    void *ctx;
} pm_log_t;

/** Log one line.  @param log may be NULL (nothing is logged) */
void pm_log(const pm_log_t *log, pm_level_t level, const char *fmt, ...)
    PM_PRINTF(3, 4);

/**
 * Microseconds of CLOCK_MONOTONIC: for deadlines and ages, comparable
 * between the processes of one boot, never to be shown as a date.
 * 0 is never returned and stands for "no time".
 */
apr_time_t pm_time_now(void);

/** A time that is never reached; "no deadline". */
#define PM_TIME_NEVER APR_INT64_C(0x7fffffffffffffff)

/** The earlier of two deadlines. */
static inline apr_time_t pm_time_min(apr_time_t a, apr_time_t b)
{
    return a < b ? a : b;
}

/**
 * What must be true whatever the world sends.  A failure is a bug of ours:
 * it says where on stderr and aborts, so that the parent replaces us.
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

/** Fingerprint of the sources this object was built from; a manager of
 *  another build than the loaded module is replaced, not reconfigured. */
const char *pm_build(void);

/** A process's memory in bytes, as the kernel counts it; all 0: not known. */
typedef struct pm_memory {
    apr_int64_t resident;
    apr_int64_t shared; /**< of that, what others have as well */
} pm_memory_t;

#endif /* PM_BASE_H */
