/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file pm_overload.h
 * @brief Two lines in the log for a pool whose requests wait: that it may have
 *        no more workers, and that a worker could have more requests.
 *
 * The first is what php-fpm says of pm.max_children.  A pool with all the
 * workers that it may have has the children of httpd call the manager when a
 * request has to wait, though it will start none.  If requests wait still a
 * second later the line says so, with numbers.  Then the pool rests for
 * PM_OVERLOAD_REST before it has itself called again, so that a busy one costs
 * a call now and then and an idle one nothing.
 *
 * The second is said once, until FcgiPMRequestsPerWorker is another: a guarded
 * worker waits for a request while it has as many as it is given.
 *
 * The manager only.
 */
#ifndef PM_OVERLOAD_H
#define PM_OVERLOAD_H

#include "pm_core/pool/pm_pool.h"

/** From the call to the look. */
#define PM_OVERLOAD_LOOK apr_time_from_sec(1)
/** From the look to the next call. */
#define PM_OVERLOAD_REST apr_time_from_sec(10)
/** Between two lines. */
#define PM_OVERLOAD_REPEAT apr_time_from_sec(60)

extern const pm_pool_feature_t pm_overload_feature;

#endif /* PM_OVERLOAD_H */
