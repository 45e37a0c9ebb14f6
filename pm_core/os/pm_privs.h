/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file pm_privs.h
 * @brief Drop privileges of this process.
 *
 * Linux; elsewhere both do nothing.
 */
#ifndef PM_PRIVS_H
#define PM_PRIVS_H

/**
 * Keep the capabilities (capabilities(7)) that the manager needs, and drop all
 * others: it sets users, groups, roots, limits and priorities of workers, gives
 * sockets and logs to other users, signals workers and reads the size of their
 * memory.  For workers this changes nothing: the change of user clears theirs,
 * and the bounding set stays.  A manager started by root calls it.  Needs
 * libcap-ng at build time; without it, all are kept.
 */
void pm_privs_keep_needed(void);

/**
 * From now on no exec gives this process or its children more privileges:
 * set-user-ID, set-group-ID and file capabilities are ignored
 * (PR_SET_NO_NEW_PRIVS, prctl(2)).  A worker calls it before exec
 * (FcgiPMNoNewPrivs). Async-signal-safe.
 * @return 0, or an errno
 */
int pm_privs_set_no_new(void);

#endif /* PM_PRIVS_H */
