/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file pm_service.h
 * @brief What the manager tells a service manager (pm_sd_notify.h), and when.
 *
 * READY=1 once the first set of pools is in force, whose sockets take
 * connections then; RELOADING=1, and READY=1 again when the reload is over,
 * whatever came of it; STOPPING=1.  STATUS= goes with each.  A watchdog that is
 * asked for hears of the manager twice in its time, from the loop's timers: a
 * loop that hangs is silent.  The socket's queue can be full: messages but
 * those for the watchdog wait for room, PM_SERVICE_WAITING of them; then the
 * newest takes the place of the one before it.
 *
 * Only the manager's thread calls these functions.
 */
#ifndef PM_SERVICE_H
#define PM_SERVICE_H

#include "pm_core/os/pm_sd_notify.h"
#include "pm_core/pool/pm_context.h"

#define PM_SERVICE_TEXT 512

/** Messages that wait for room in the socket's queue, at the most. */
#define PM_SERVICE_WAITING 4

typedef struct pm_service {
    const pm_sd_notify_t *notify; /**< NULL: nobody is to be told */
    pm_context_t *context;
    pm_timer_t watchdog;
    pm_watch_t room;   /**< watched while messages wait */
    apr_pool_t *proom; /**< what the loop needs for it */
    char waiting[PM_SERVICE_WAITING][PM_SERVICE_TEXT]; /**< the first first */
    int nwaiting;
    int is_ready; /**< 1: READY=1 is what was told last */
} pm_service_t;

/** Nothing is told yet.
 *  @param notify kept; may be NULL */
void pm_service_init(pm_service_t *s, const pm_sd_notify_t *notify,
                     pm_context_t *context, apr_pool_t *p);

/** Pools are in force; the watchdog begins.  Harmless when that was told. */
void pm_service_ready(pm_service_t *s);

/** A reload begins. */
void pm_service_reloading(pm_service_t *s);

/** The end begins, which takes the grace and the die timeout at the most. */
void pm_service_stopping(pm_service_t *s, apr_interval_time_t grace);

#endif /* PM_SERVICE_H */
