/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file pm_exit_hint.h
 * @brief What kind of program ends without having accepted a connection.
 *
 * A guess, for people who run a CGI program, PHP's command line or a WSGI file
 * as a worker.
 */
#ifndef PM_EXIT_HINT_H
#define PM_EXIT_HINT_H

/**
 * @param command the words of FcgiPMCommand, or a script's path
 * @param n       how many they are
 * @param said    what the worker has written, lines; NULL: nothing
 * @param clean   1: it has ended with status 0
 * @return what it is and what to do; "": nothing is known
 */
const char *pm_exit_hint(const char *const *command, int n, const char *said,
                         int clean);

#endif /* PM_EXIT_HINT_H */
