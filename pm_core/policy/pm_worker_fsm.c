/* SPDX-License-Identifier: Apache-2.0 */
#include "pm_core/policy/pm_worker_fsm.h"

#define T PM_WORKER_ACT_TERM
#define K PM_WORKER_ACT_KILL
#define S PM_WORKER_ACT_SWEEP
#define F PM_WORKER_ACT_FREE

/* An event that has no row here changes nothing and does nothing.  No event
 * leads back to BORN, which is 0: by that an empty entry is known. */
/* clang-format off */
static const pm_worker_move_t life[][PM_WORKER_EVENT_EMPTY + 1] = {
    [PM_WORKER_BORN] = {
        [PM_WORKER_EVENT_RUNS] = {PM_WORKER_LOADING, 0},
        [PM_WORKER_EVENT_STOP] = {PM_WORKER_STOPPING, T},
        [PM_WORKER_EVENT_KILL] = {PM_WORKER_KILLED, K},
        [PM_WORKER_EVENT_EXIT] = {PM_WORKER_LEFT, S},
    },
    [PM_WORKER_LOADING] = {
        [PM_WORKER_EVENT_READY] = {PM_WORKER_READY, 0},
        [PM_WORKER_EVENT_FORKS] = {PM_WORKER_FORKS, 0},
        [PM_WORKER_EVENT_STOP] = {PM_WORKER_STOPPING, T},
        [PM_WORKER_EVENT_KILL] = {PM_WORKER_KILLED, K},
        [PM_WORKER_EVENT_EXIT] = {PM_WORKER_LEFT, S},
    },
    [PM_WORKER_READY] = {
        [PM_WORKER_EVENT_FORKS] = {PM_WORKER_FORKS, 0},
        [PM_WORKER_EVENT_STOP] = {PM_WORKER_STOPPING, T},
        [PM_WORKER_EVENT_KILL] = {PM_WORKER_KILLED, K},
        [PM_WORKER_EVENT_EXIT] = {PM_WORKER_LEFT, S},
    },
    [PM_WORKER_FORKS] = {
        [PM_WORKER_EVENT_STOP] = {PM_WORKER_STOPPING, T},
        [PM_WORKER_EVENT_KILL] = {PM_WORKER_KILLED, K},
        [PM_WORKER_EVENT_EXIT] = {PM_WORKER_LEFT, S},
    },
    [PM_WORKER_STOPPING] = {
        [PM_WORKER_EVENT_RETELL] = {PM_WORKER_STOPPING, T},
        [PM_WORKER_EVENT_KILL] = {PM_WORKER_KILLED, K},
        [PM_WORKER_EVENT_EXIT] = {PM_WORKER_LEFT, S},
    },
    [PM_WORKER_KILLED] = {
        [PM_WORKER_EVENT_EXIT] = {PM_WORKER_LEFT, S},
    },
    [PM_WORKER_LEFT] = {
        [PM_WORKER_EVENT_RETELL] = {PM_WORKER_LEFT, S},
        [PM_WORKER_EVENT_KILL] = {PM_WORKER_GONE, K | F},
        [PM_WORKER_EVENT_EMPTY] = {PM_WORKER_GONE, F},
    },
};
/* clang-format on */

pm_worker_move_t pm_worker_fsm_step(pm_worker_state_t state,
                                    pm_worker_event_t event)
{
    pm_worker_move_t stay = {state, 0};
    const pm_worker_move_t *move = &life[state][event];

    return move->next == PM_WORKER_BORN ? stay : *move;
}
