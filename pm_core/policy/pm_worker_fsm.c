/* SPDX-License-Identifier: Apache-2.0 */
#include "pm_core/policy/pm_worker_fsm.h"

#define T PM_ACT_TERM
#define K PM_ACT_KILL
#define C PM_ACT_COUNT
#define S PM_ACT_SWEEP
#define F PM_ACT_FREE

/* What is not in a row stays as it is and does nothing: the first member of
 * every entry is a mark, so that an empty one is known. */
static const struct {
    int given;
    pm_move_t move;
} life[PM_STATE_GONE + 1][PM_EVENT_EMPTY + 1] = {
    [PM_STATE_BORN] = {
        [PM_EVENT_RUNS]   = {1, {PM_STATE_LOADING,  0}},
        [PM_EVENT_STOP]   = {1, {PM_STATE_STOPPING, T}},
        [PM_EVENT_KILL]   = {1, {PM_STATE_KILLED,   K}},
        [PM_EVENT_EXIT]   = {1, {PM_STATE_LEFT,     C | S}}
    },
    [PM_STATE_LOADING] = {
        [PM_EVENT_READY]  = {1, {PM_STATE_READY,    0}},
        [PM_EVENT_STOP]   = {1, {PM_STATE_STOPPING, T}},
        [PM_EVENT_KILL]   = {1, {PM_STATE_KILLED,   K}},
        [PM_EVENT_EXIT]   = {1, {PM_STATE_LEFT,     C | S}}
    },
    [PM_STATE_READY] = {
        [PM_EVENT_STOP]   = {1, {PM_STATE_STOPPING, T}},
        [PM_EVENT_KILL]   = {1, {PM_STATE_KILLED,   K}},
        [PM_EVENT_EXIT]   = {1, {PM_STATE_LEFT,     C | S}}
    },
    [PM_STATE_STOPPING] = {
        [PM_EVENT_RETELL] = {1, {PM_STATE_STOPPING, T}},
        [PM_EVENT_KILL]   = {1, {PM_STATE_KILLED,   K}},
        [PM_EVENT_EXIT]   = {1, {PM_STATE_LEFT,     C | S}}
    },
    [PM_STATE_KILLED] = {
        [PM_EVENT_EXIT]   = {1, {PM_STATE_LEFT,     C | S}}
    },
    [PM_STATE_LEFT] = {
        [PM_EVENT_KILL]   = {1, {PM_STATE_GONE,     K | F}},
        [PM_EVENT_EMPTY]  = {1, {PM_STATE_GONE,     F}}
    },
    [PM_STATE_GONE] = {{0, {PM_STATE_GONE, 0}}}
};

pm_move_t pm_life(pm_state_t state, pm_event_t event)
{
    pm_move_t stay = {state, 0};

    return life[state][event].given ? life[state][event].move : stay;
}
