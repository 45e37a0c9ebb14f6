/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file pm_filewatch.h
 * @brief FcgiPMWatch: a pool reloads when a file changes.
 *
 * The reload comes a moment after the first change and stands for all that
 * come with it: a file that is copied is made, written and closed.
 */
#ifndef PM_FILEWATCH_H
#define PM_FILEWATCH_H

#include "pm_core/pool/pm_pool.h"

extern const pm_pool_feature_t pm_filewatch_feature;

/** Another set is in force: watch the files its pools name, no others. */
void pm_filewatch_renew(pm_context_t *context);

#endif /* PM_FILEWATCH_H */
