/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file hpm_keeper.h
 * @brief The process that keeps sockets of scripts for the next manager
 *        (pm_fd_store.h), as the parent sees it.  Parent only.
 */
#ifndef HPM_KEEPER_H
#define HPM_KEEPER_H

struct hpm_parent;

/** Start one, if this configuration has scripts and there is none.  When it
 *  cannot be started, or dies before the next configuration is read, that is
 *  logged, and scripts' sockets go with their manager. */
void hpm_keeper_renew(struct hpm_parent *me);

#endif /* HPM_KEEPER_H */
