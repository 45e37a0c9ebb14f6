/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file pm_admission_rows.h
 * @brief Which httpd child is called when a queued request can be granted.
 *
 * A child whose requests wait without a thread each has one thread for all of
 * them, which sleeps on the child's word here.  In its row of the scoreboard
 * the child says of each pool since when the request waits that it would
 * grant next.  A call goes to the child where that is longest, or costs none
 * where the caller's own has waited nearly as long.
 *
 * What rows say is a claim.  A child that says it waits for ever is called in
 * vain; so each child looks for itself from time to time (hpm_queue.h).
 */
#ifndef PM_ADMISSION_ROWS_H
#define PM_ADMISSION_ROWS_H

#include "pm_core/base/pm_base.h"

/** A child's words; any child can write them.  In their own cache line. */
typedef struct pm_admission_word {
    apr_uint32_t calls;   /**< futex: changes with each call */
    apr_uint32_t recalls; /**< futex: likewise; a worker that the child holds
                           *   by a kept connection is needed (hpm_kept.h) */
    apr_uint32_t crowded; /**< 1: the child says that it is */
} __attribute__((aligned(64))) pm_admission_word_t;

/** The children's rows, where this process has them mapped. */
typedef struct pm_admission_rows {
    int count;          /**< rows; 0: children do not wait that way */
    int own;            /**< this child's row; -1: the process has none */
    const char *owners; /**< of row 0: its child's pid; 0: the row is free */
    apr_size_t owner_size;
    const char *rows; /**< row 0 */
    apr_size_t row_size;
    pm_admission_word_t *words;
} pm_admission_rows_t;

/** This child says whether it is crowded: whether it has so many more
 *  connections than threads that its MPM runs out of these
 *  (hpm_keepalive_wait.c). */
void pm_admission_rows_set_crowded(const pm_admission_rows_t *rows,
                                   int crowded);

/** Is any child crowded?  Then few requests wait in the kernel's queue, where
 *  each holds a thread.  It is the same for all children, as they share the
 *  grants. */
int pm_admission_rows_crowded(const pm_admission_rows_t *rows);

/** @param at where in a row the pool's head stands: since when its oldest
 *            request waits that can be granted, 0: there is none
 *  @return the row with the oldest head, or this child's own, if its head is at
 *          most 10 ms younger: to call another child costs a switch of
 *          context; -1: no row has one */
int pm_admission_rows_oldest(const pm_admission_rows_t *rows, apr_size_t at);

/** Does another child have a request that goes before one of this child, as it
 *  has waited for 10 ms more?
 *  @param at    as above
 *  @param since the one of this child waits
 *  @return since when that one waits; 0: there is none */
apr_time_t pm_admission_rows_elder(const pm_admission_rows_t *rows,
                                   apr_size_t at, apr_time_t since);

/**
 * Call children.
 * @param n 1: pm_admission_rows_oldest(); more: each child with a head;
 *          INT_MAX: each child
 * @return 1: one of them is this process itself, which costs no system call;
 *         it is to look at its queue
 */
int pm_admission_rows_call(const pm_admission_rows_t *rows, apr_size_t at,
                           int n);

/** Wake the thread of a row, whatever the row says. */
void pm_admission_rows_wake(const pm_admission_rows_t *rows, int row);

#endif /* PM_ADMISSION_ROWS_H */
