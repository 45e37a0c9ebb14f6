/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file pm_filewatch.h
 * @brief Layer 3: FcgiPMWatch, pools that reload when a file changes.
 *
 * A change is acted on a moment later, once for all that come with it: a
 * file that is copied there is made, written and closed.  A pool that is
 * stopped or has failed is left alone.
 */
#ifndef PM_FILEWATCH_H
#define PM_FILEWATCH_H

#include "pm_core/pool/pm_pool.h"

/** Another set is in force: watch the files its pools name, no others. */
void pm_filewatch_renew(pm_context_t *world);

/** The pool is about to be freed. */
void pm_filewatch_forget(pm_pool_t *pool);

#endif /* PM_FILEWATCH_H */
