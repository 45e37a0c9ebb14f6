/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file pm_worker_fsm.h
 * @brief Layer 1: the life of a worker, one table.
 *
 * "What happens on X in Y?" is answered in pm_worker_fsm.c and nowhere else.
 */
#ifndef PM_WORKER_FSM_H
#define PM_WORKER_FSM_H

typedef enum pm_worker_state {
    PM_WORKER_BORN,     /**< forked; whether its program runs is not known */
    PM_WORKER_LOADING,  /**< its program runs; it has not yet waited for a
                         *   request, as far as is known */
    PM_WORKER_READY,    /**< serves */
    PM_WORKER_STOPPING, /**< told to go */
    PM_WORKER_KILLED,   /**< SIGKILL was sent */
    PM_WORKER_LEFT,     /**< it has ended, processes of its group have not */
    PM_WORKER_GONE      /**< nothing is left: to be freed */
} pm_worker_state_t;

typedef enum pm_worker_event {
    PM_WORKER_EVENT_RUNS,   /**< its program was executed */
    PM_WORKER_EVENT_READY,  /**< it waits for a request, or it will never be
                             *   known when it does */
    PM_WORKER_EVENT_STOP,   /**< it is to go */
    PM_WORKER_EVENT_RETELL, /**< the stop ladder says: tell it again */
    PM_WORKER_EVENT_KILL,   /**< the stop ladder says: its time is up */
    PM_WORKER_EVENT_EXIT,   /**< it was reaped; also when it never ran */
    PM_WORKER_EVENT_EMPTY   /**< its process group is empty */
} pm_worker_event_t;

/** What is to be done, a set of bits, in this order. */
typedef enum pm_worker_action {
    PM_WORKER_ACT_TERM = 1,  /**< SIGTERM to the worker */
    PM_WORKER_ACT_KILL = 2,  /**< SIGKILL to its process group */
    PM_WORKER_ACT_SWEEP = 4, /**< SIGTERM to what is left of its group */
    PM_WORKER_ACT_FREE = 8   /**< the pool no longer has it */
} pm_worker_action_t;

typedef struct pm_worker_move {
    pm_worker_state_t next;
    unsigned actions; /**< of pm_worker_action_t */
} pm_worker_move_t;

pm_worker_move_t pm_worker_fsm_step(pm_worker_state_t state,
                                    pm_worker_event_t event);

/** Does it count as one of its pool's workers? */
static inline int pm_worker_fsm_alive(pm_worker_state_t state)
{
    return state <= PM_WORKER_READY;
}

#endif /* PM_WORKER_FSM_H */
