/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file mgr_notify.h
 * @brief Messages.  fcgipm_notify() is for what an administrator may have to
 *        look at.
 */
#ifndef MGR_NOTIFY_H
#define MGR_NOTIFY_H

#include "libfcgipm/manage/fcgipm.h"

#pragma GCC visibility push(hidden)

/** As fcgipm_notify(), for what belongs to a process's normal life: level info
 *  in the log of a pool's manager. */
void mgr_notify_info(const fcgipm_t *pm, const char *fmt, ...)
    FCGIPM_PRINTF(2, 3);

#pragma GCC visibility pop

#endif /* MGR_NOTIFY_H */
