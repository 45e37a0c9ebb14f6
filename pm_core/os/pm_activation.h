/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file pm_activation.h
 * @brief Sockets that a service manager has passed: LISTEN_PID, LISTEN_FDS,
 *        LISTEN_FDNAMES (sd_listen_fds(3)), without libsystemd.
 *
 * The descriptors begin at 3, and each has a name: FileDescriptorName= of the
 * socket unit, which is a pool's name.  fcgipm-run, once, before it opens or
 * closes descriptors.
 */
#ifndef PM_ACTIVATION_H
#define PM_ACTIVATION_H

#include "apr_tables.h"
#include "pm_core/base/pm_base.h"

#define PM_ACTIVATION_MAX 1024 /**< descriptors */

/** A socket that was passed. */
typedef struct pm_passed {
    const char *name;
    const char *address; /**< "unix:/path" or "host:port", numeric */
    int fd;              /**< close-on-exec */
} pm_passed_t;

typedef struct pm_activation {
    apr_array_header_t *passed; /**< of pm_passed_t */
    long other; /**< pid of another process that was meant; 0: there is none */
} pm_activation_t;

/**
 * Take what was passed to this process, and take the variables out of the
 * environment, so that no worker believes it was meant.
 * @param a set; without sockets when none were passed, or to another process
 * @return EINVAL with a reason: what was passed is not a listening stream
 *         socket, or two have one name
 */
apr_status_t pm_activation_take(pm_activation_t *a, apr_pool_t *p,
                                pm_reason_t *why);

#define PM_ACTIVATION_METRICS "metrics" /**< that of --metrics */

/** @return a warning, if no pool has the socket; it lives in @a p */
const char *pm_activation_warning(const pm_passed_t *passed, apr_pool_t *p);

/** @return the socket of that name, or NULL
 *  @param a may be NULL */
const pm_passed_t *pm_activation_find(const pm_activation_t *a,
                                      const char *name);

#endif /* PM_ACTIVATION_H */
