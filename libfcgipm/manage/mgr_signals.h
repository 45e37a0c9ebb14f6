/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file mgr_signals.h
 * @brief What a signal does to a manager and to a worker.
 */
#ifndef MGR_SIGNALS_H
#define MGR_SIGNALS_H

#include "libfcgipm/manage/fcgipm.h"

#pragma GCC visibility push(hidden)

/** Block every signal, so that none gets lost between a look and a wait or a
 *  fork.  @param before the mask to wait with, and to return to */
void mgr_signals_block(sigset_t *before);

/** Unblock those that the library handles: the parent may have left them
 *  blocked. */
void mgr_signals_unblock(void);

/** Make the end of a reader, of standard error or of a connection, an errno
 *  instead of this process's end. */
void mgr_signals_survive_pipe(void);

/** Forget what has come: it came to the manager that has forked this worker. */
void mgr_signals_forget(fcgipm_t *pm);

/** Has a signal come that the manager has not acted on? */
int mgr_signals_are_noted(const fcgipm_t *pm);

/** Act on those that have. */
void mgr_signals_act(fcgipm_t *pm);

/** @return why a worker leaves, as its last message; NULL: it was not told to
 */
const char *mgr_signals_told(const fcgipm_t *pm);

/** SIGTERM to all workers, and a message that says so. */
void mgr_signals_tell_all(fcgipm_t *pm);

#pragma GCC visibility pop

#endif /* MGR_SIGNALS_H */
