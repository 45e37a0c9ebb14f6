/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file pm_names.h
 * @brief What names in a configuration stand for: addresses, users, owners.
 *
 * DNS and the user database can take seconds, in which a manager that reads its
 * configuration anew hears nobody.  So a name that the former configuration had
 * already stands for what it stood for then, and is not looked up again.  Only
 * what was found is remembered.  Manager under fcgipm-run, from its start on.
 */
#ifndef PM_NAMES_H
#define PM_NAMES_H

#include "pm_core/os/pm_ident.h"
#include "pm_core/os/pm_listen.h"

typedef struct pm_names pm_names_t;

/** @param p lives as long as the names */
pm_names_t *pm_names_create(apr_pool_t *p);

/** A configuration is read: only names that are asked for from now on are
 *  remembered after pm_names_end().  NULL is harmless. */
void pm_names_begin(pm_names_t *n);

/** It has been read.  @param good 0: those of the former one are remembered */
void pm_names_end(pm_names_t *n, int good);

/** pm_listen_parse().  @param n NULL: nothing is remembered */
apr_status_t pm_names_address(pm_names_t *n, const char *text, pm_addr_t *addr,
                              pm_reason_t *why);

/** pm_ident_lookup(), likewise. */
apr_status_t pm_names_ident(pm_names_t *n, pm_ident_t *id, const char *user,
                            const char *group, pm_reason_t *why);

/** pm_ident_parse_owner(), likewise. */
apr_status_t pm_names_owner(pm_names_t *n, const char *text, uid_t *uid,
                            gid_t *gid, pm_reason_t *why);

#endif /* PM_NAMES_H */
