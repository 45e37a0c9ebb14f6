/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file pm_exit_hint.h
 * @brief What to tell people of workers that end by themselves.
 *
 * A guess what kind of program ends without having accepted a connection, for
 * people who run a CGI program, PHP's command line or a WSGI file as a worker.
 * And when to say that workers end all the time because their program counts
 * requests, as php-cgi does up to 500: while another one starts, requests wait.
 */
#ifndef PM_EXIT_HINT_H
#define PM_EXIT_HINT_H

#include "pm_core/base/pm_base.h"

/**
 * @param command the words of FcgiPMCommand, or a script's path
 * @param n       how many they are
 * @param said    what the worker has written, lines; NULL: nothing
 * @param clean   1: it has ended with status 0
 * @return what it is and what to do; "": nothing is known
 */
const char *pm_exit_hint(const char *const *command, int n, const char *said,
                         int clean);

/** So many workers that end by themselves within PM_EXIT_LEFT_TIME, each after
 *  at least PM_EXIT_LEFT_REQUESTS, are worth a line. */
#define PM_EXIT_LEFT_WORKERS  5
#define PM_EXIT_LEFT_TIME     apr_time_from_sec(60)
#define PM_EXIT_LEFT_REQUESTS 10

/** Workers of a pool that have ended by themselves.  All zero: none. */
typedef struct pm_exit_left {
    int n;
    apr_time_t since; /**< the first of them */
    int said;         /**< it was worth a line already */
} pm_exit_left_t;

/** Note that a worker has ended well, untold, after so many requests.
 *  @return 1: it is worth a line now, which it is once */
int pm_exit_left_note(pm_exit_left_t *left, apr_int64_t requests,
                      apr_time_t now);

/** @return what to do about it, besides FcgiPMMaxRequests */
const char *pm_exit_left_hint(const char *const *command, int n);

#endif /* PM_EXIT_HINT_H */
