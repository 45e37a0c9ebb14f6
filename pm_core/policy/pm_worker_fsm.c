/* SPDX-License-Identifier: Apache-2.0 */
#include "pm_core/policy/pm_worker_fsm.h"

#define T PM_WORKER_ACT_TERM
#define K PM_WORKER_ACT_KILL
#define C PM_WORKER_ACT_COUNT
#define S PM_WORKER_ACT_SWEEP
#define F PM_WORKER_ACT_FREE

/* What is not in a row stays as it is and does nothing: the first member of
 * every entry is a mark, so that an empty one is known. */
static const struct {
    int given;
    pm_worker_move_t move;
} life[PM_WORKER_GONE + 1][PM_WORKER_EVENT_EMPTY + 1] = {
    [PM_WORKER_BORN] = {[PM_WORKER_EVENT_RUNS] = {1, {PM_WORKER_LOADING, 0}},
                        [PM_WORKER_EVENT_STOP] = {1, {PM_WORKER_STOPPING, T}},
                        [PM_WORKER_EVENT_KILL] = {1, {PM_WORKER_KILLED, K}},
                        [PM_WORKER_EVENT_EXIT] = {1, {PM_WORKER_LEFT, C | S}}},
    [PM_WORKER_LOADING] = {[PM_WORKER_EVENT_READY] = {1, {PM_WORKER_READY, 0}},
                           [PM_WORKER_EVENT_STOP] = {1,
                                                     {PM_WORKER_STOPPING, T}},
                           [PM_WORKER_EVENT_KILL] = {1, {PM_WORKER_KILLED, K}},
                           [PM_WORKER_EVENT_EXIT] = {1,
                                                     {PM_WORKER_LEFT, C | S}}},
    [PM_WORKER_READY] = {[PM_WORKER_EVENT_STOP] = {1, {PM_WORKER_STOPPING, T}},
                         [PM_WORKER_EVENT_KILL] = {1, {PM_WORKER_KILLED, K}},
                         [PM_WORKER_EVENT_EXIT] = {1, {PM_WORKER_LEFT, C | S}}},
    [PM_WORKER_STOPPING] =
        {[PM_WORKER_EVENT_RETELL] = {1, {PM_WORKER_STOPPING, T}},
         [PM_WORKER_EVENT_KILL] = {1, {PM_WORKER_KILLED, K}},
         [PM_WORKER_EVENT_EXIT] = {1, {PM_WORKER_LEFT, C | S}}},
    [PM_WORKER_KILLED] = {[PM_WORKER_EVENT_EXIT] = {1,
                                                    {PM_WORKER_LEFT, C | S}}},
    [PM_WORKER_LEFT] = {[PM_WORKER_EVENT_KILL] = {1, {PM_WORKER_GONE, K | F}},
                        [PM_WORKER_EVENT_EMPTY] = {1, {PM_WORKER_GONE, F}}},
    [PM_WORKER_GONE] = {{0, {PM_WORKER_GONE, 0}}}};

pm_worker_move_t pm_worker_fsm_step(pm_worker_state_t state,
                                    pm_worker_event_t event)
{
    pm_worker_move_t stay = {state, 0};

    return life[state][event].given ? life[state][event].move : stay;
}
