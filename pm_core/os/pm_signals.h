/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file pm_signals.h
 * @brief Layer 2: signals as events.
 *
 * A handler notes the signal and writes a byte into a pipe the loop watches;
 * nothing else happens in it.  Handlers are set without SA_RESTART.
 */
#ifndef PM_SIGNALS_H
#define PM_SIGNALS_H

#include "pm_core/base/pm_base.h"

typedef struct pm_signals pm_signals_t;

/** Every disposition of this process back to the default, as exec(3) finds
 *  them.  Async-signal-safe: also for a child between fork() and exec(). */
void pm_signals_reset(void);

/**
 * Take signals over in this process: every disposition goes back to the
 * default, what was blocked is unblocked, then @a taken are noted and
 * @a ignored ignored.  Once per process: a handler has no other way to its
 * data than the process's one pointer.  When @a p goes they are ignored.
 * @param taken, ignored signal numbers, 0 at the end
 */
apr_status_t pm_signals_open(pm_signals_t **signals, const int *taken,
                             const int *ignored, apr_pool_t *p,
                             pm_reason_t *why);

/** The descriptor that is readable when a signal has come. */
int pm_signals_fd(const pm_signals_t *signals);

/** Make it unreadable again; before pm_signals_take(), so that a signal that
 *  comes in between makes it readable once more. */
void pm_signals_drain(pm_signals_t *signals);

/** Which have come since the last call: bit n for signal n. */
apr_uint64_t pm_signals_take(pm_signals_t *signals);

#endif /* PM_SIGNALS_H */
