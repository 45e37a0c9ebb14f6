/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file pm_signals.h
 * @brief Signals as events of the loop.
 *
 * The handler only notes the signal and writes a byte to a pipe that the loop
 * watches.  Handlers are set without SA_RESTART.  Manager and fcgipm-run;
 * workers call pm_signals_reset().
 */
#ifndef PM_SIGNALS_H
#define PM_SIGNALS_H

#include <sys/types.h>

#include "pm_core/base/pm_base.h"

typedef struct pm_signals pm_signals_t;

/** Set every signal of this process to its default.  Async-signal-safe: also
 * for a worker between fork() and exec(). */
void pm_signals_reset(void);

/** fork(2), and in the child all signals are blocked: those it inherits are not
 *  its own.  The caller's mask is as before.  Parent and manager.
 *  @return as fork(2), with its errno */
pid_t pm_signals_fork(void);

/**
 * Take over the signals of this process: all are set to their defaults and
 * unblocked, then @a taken are noted and @a ignored ignored.  Once per process,
 * as the handler has one static pointer.  When @a p is destroyed, @a taken are
 * ignored.
 * @param taken, ignored signal numbers, 0 at the end
 */
apr_status_t pm_signals_open(pm_signals_t **signals, const int *taken,
                             const int *ignored, apr_pool_t *p,
                             pm_reason_t *why);

/** @return the descriptor that is readable when a signal has come */
int pm_signals_fd(const pm_signals_t *signals);

/** Empty the pipe.  Before pm_signals_take(), so that a signal that comes in
 *  between makes it readable again. */
void pm_signals_drain(pm_signals_t *signals);

/** @return the signals that have come since the last call: bit n for signal n
 */
apr_uint64_t pm_signals_take(pm_signals_t *signals);

#endif /* PM_SIGNALS_H */
