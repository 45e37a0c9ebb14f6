/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file pm_worker_fsm.h
 * @brief The states of a worker and what an event does in each: one table.
 *
 * "What happens on X in Y?" is answered in pm_worker_fsm.c and nowhere else.
 */
#ifndef PM_WORKER_FSM_H
#define PM_WORKER_FSM_H

typedef enum pm_worker_state {
    PM_WORKER_BORN,     /**< forked; whether its program runs is not known */
    PM_WORKER_LOADING,  /**< its program runs; as far as is known, it has not
                         *   waited for a request yet */
    PM_WORKER_READY,    /**< serves */
    PM_WORKER_FORKS,    /**< it is a fork server: it serves no requests */
    PM_WORKER_STOPPING, /**< SIGTERM was sent */
    PM_WORKER_KILLED,   /**< SIGKILL was sent */
    PM_WORKER_LEFT,     /**< it has ended, processes of its group that have to
                         *   end have not */
    PM_WORKER_GONE      /**< nothing is left: to be freed */
} pm_worker_state_t;

typedef enum pm_worker_event {
    PM_WORKER_EVENT_RUNS,   /**< its program was executed */
    PM_WORKER_EVENT_READY,  /**< it waits for a request, or it will never be
                             *   known when it does */
    PM_WORKER_EVENT_FORKS,  /**< it has become a fork server */
    PM_WORKER_EVENT_STOP,   /**< it is to stop */
    PM_WORKER_EVENT_RETELL, /**< pm_stop_policy_plan() says: SIGTERM again */
    PM_WORKER_EVENT_KILL,   /**< pm_stop_policy_plan() says: its time is up */
    PM_WORKER_EVENT_EXIT,   /**< it was reaped; also when it never ran */
    PM_WORKER_EVENT_EMPTY   /**< nothing of its group is left that has to end */
} pm_worker_event_t;

/** What the manager has to do: a set of bits, done in this order. */
typedef enum pm_worker_action {
    PM_WORKER_ACT_TERM = 1,  /**< SIGTERM to the worker */
    PM_WORKER_ACT_KILL = 2,  /**< SIGKILL to its process group */
    PM_WORKER_ACT_SWEEP = 4, /**< end what is left of its group */
    PM_WORKER_ACT_FREE = 8   /**< remove it from its pool */
} pm_worker_action_t;

typedef struct pm_worker_move {
    pm_worker_state_t next;
    unsigned actions; /**< of pm_worker_action_t */
} pm_worker_move_t;

/** @return the next state and what the manager has to do; an event that means
 *  nothing in this state changes nothing */
pm_worker_move_t pm_worker_fsm_step(pm_worker_state_t state,
                                    pm_worker_event_t event);

/** Does it count as one of its pool's workers? */
static inline int pm_worker_fsm_alive(pm_worker_state_t state)
{
    return state <= PM_WORKER_READY;
}

#endif /* PM_WORKER_FSM_H */
