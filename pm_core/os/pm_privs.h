/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file pm_privs.h
 * @brief Layer 2: what a process may do, made less.
 *
 * Linux; elsewhere both do nothing.
 */
#ifndef PM_PRIVS_H
#define PM_PRIVS_H

/**
 * The manager that was started by root keeps the capabilities it works with
 * (capabilities(7)) and drops all others: it sets users, groups, roots,
 * limits and priorities of workers, gives sockets and logs to others, signals
 * workers and reads their memory's size.  For workers this changes nothing:
 * the change of user takes theirs away, and the bounding set is left alone.
 * Needs libcap-ng at build time; without it all are kept.
 */
void pm_privs_keep_needed(void);

/**
 * From now on no exec gives this process or its children more than it has:
 * set-user-ID, set-group-ID and file capabilities count for nothing
 * (PR_SET_NO_NEW_PRIVS, prctl(2)).  Async-signal-safe.
 * @return 0, or an errno
 */
int pm_privs_set_no_new(void);

#endif /* PM_PRIVS_H */
