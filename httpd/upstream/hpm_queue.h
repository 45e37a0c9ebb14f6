/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file hpm_queue.h
 * @brief The requests of this httpd child that wait for a worker, of all pools,
 *        and how many of the child's threads pools hold.
 *
 * A request in it is parked, and holds no thread, or blocked, and sleeps in
 * hpm_queue_wait().  A grant goes to the child with the oldest request
 * (pm_admission_rows.h); here it goes to the oldest of that pool's line.  A
 * parked request that is granted needs a thread, so it is passed over while
 * pools hold as many as they may (FcgiPMMaxThreads), or the MPM has none.
 *
 * A suspended request that is granted has the promise of a thread until one
 * comes.  There are no more promises than threads without a connection: when a
 * connection takes one that was promised, the request that was granted last
 * gives its grant back and waits on; so does one whose thread does not come in
 * time.
 *
 * One thread of the child, the waker, sleeps on the child's word.  It grants
 * when it is called, and ends what has waited for too long.  A descriptor, the
 * bell, tells of a parked request's end: whatever polls it is woken.
 *
 * A child has such a queue where its MPM can suspend a connection and poll for
 * it (AP_MPMQ_CAN_WAITIO).  Any thread of the child may call what is here,
 * unless it says otherwise; one mutex guards it all.
 */
#ifndef HPM_QUEUE_H
#define HPM_QUEUE_H

#include "httpd/config/hpm_pool.h"
#include "httpd/upstream/hpm_gone.h"
#include "pm_core/shm/pm_scoreboard.h"
#include "pm_core/shm/pm_waiters.h"

typedef struct hpm_queue hpm_queue_t;

/** What has become of a queued request. */
typedef enum hpm_waiter_state {
    HPM_WAITER_WAITING = 0,
    HPM_WAITER_GRANTED, /**< it holds a grant, and a thread is counted for it.
                         *   While it is suspended it may be WAITING again */
    HPM_WAITER_PASSED,  /**< the same without a grant: the admission's words are
                         *   not true, see pm_scoreboard_correct_admission() */
    HPM_WAITER_LATE,    /**< FcgiPMQueueTimeout is over */
    HPM_WAITER_GONE,    /**< its client has gone */
    HPM_WAITER_ENDED    /**< the pool answers no requests any more */
} hpm_waiter_state_t;

/** A queued request; where it lies it stays until it is not WAITING, and has
 * been resumed. */
typedef struct hpm_waiter {
    apr_uint32_t state; /**< hpm_waiter_state_t; hpm_waiter_state() reads it */
    int bell; /**< readable from when it is not WAITING; -1: it is blocked */

    /* private to hpm_queue.c */
    pm_waiter_t place;
    struct hpm_line *line;
    apr_time_t until;
    apr_uint32_t generation; /* of its pool */
    int suspended;           /* the MPM polls the bell */
    int promised;            /* a thread, as it is suspended and GRANTED */
    apr_time_t renew_at;     /* the bell rings all the same; promised: the grant
                              * is given back */
    APR_RING_ENTRY(hpm_waiter) renew;
} hpm_waiter_t;

static inline hpm_waiter_state_t hpm_waiter_state(const hpm_waiter_t *w)
{
    return (hpm_waiter_state_t)__atomic_load_n(&w->state, __ATOMIC_ACQUIRE);
}

/**
 * Make the child's queue and start the waker (child_init).  It lives as long as
 * the process: requests outlive the child's pool.
 * @param threads     that pools may hold together
 * @param mpm_threads all of the MPM
 * @param renew       so often the bell of a suspended request rings at least:
 *                    the MPM would take the connection for an idle one
 * @return NULL, and why: a thread cannot be had
 */
hpm_queue_t *hpm_queue_start(pm_scoreboard_t *board, int row, int threads,
                             int mpm_threads, apr_interval_time_t renew,
                             apr_pool_t *p, pm_reason_t *why);

/** End the waker; what waits goes on waiting, and nothing wakes it. */
void hpm_queue_stop(hpm_queue_t *q);

/** Count one more thread that pools hold.  @return 0: they hold all they may */
int hpm_queue_take_thread(hpm_queue_t *q);

/** Count a thread that a request brings along, whatever their number. */
void hpm_queue_add_thread(hpm_queue_t *q);

/** A thread is free for others, or for the request that is parked longest. */
void hpm_queue_return_thread(hpm_queue_t *q);

/**
 * A thread of the MPM has a connection from now on, and no more.
 * @param w the request that was parked with it and has been resumed, or NULL;
 *          if it is WAITING, it is granted what there is for it
 */
void hpm_queue_enter(hpm_queue_t *q, hpm_waiter_t *w);
void hpm_queue_leave(hpm_queue_t *q);

/** Ready the bell of a request that may be parked.  @return 0: there is no
 *  descriptor for it */
int hpm_queue_park(hpm_waiter_t *w);

/**
 * Queue a request, which pm_admission_enqueue() has counted, and its cell.  It
 * is parked if it has a bell.  It may have ended at once.
 * @param since pm_time_now(); it is LATE at @c since + the pool's queue_timeout
 */
void hpm_queue_join(hpm_queue_t *q, hpm_waiter_t *w, const hpm_pool_t *pool,
                    apr_time_t since);

/** The child was called by one of its own threads (pm_admission_t.called):
 *  grant what can be granted of the pool. */
void hpm_queue_look(hpm_queue_t *q, int slot);

/** Sleep until a blocked request is not WAITING; from time to time look whether
 *  its client has gone.  @param client NULL: a request without one */
void hpm_queue_wait(hpm_queue_t *q, hpm_waiter_t *w, const hpm_gone_t *client);

/** Take it out of the queue, if it is WAITING, with this state. */
void hpm_queue_end(hpm_queue_t *q, hpm_waiter_t *w, hpm_waiter_state_t state);

/** The MPM polls the bell from now on, and no more. */
void hpm_queue_suspended(hpm_queue_t *q, hpm_waiter_t *w);
void hpm_queue_resumed(hpm_queue_t *q, hpm_waiter_t *w);

/** Close the bell; the request is not WAITING and not suspended. */
void hpm_queue_forget(hpm_waiter_t *w);

#endif /* HPM_QUEUE_H */
