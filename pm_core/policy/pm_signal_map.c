/* SPDX-License-Identifier: Apache-2.0 */
#include "pm_core/policy/pm_signal_map.h"

#include <signal.h>
#include <stddef.h>

const int pm_signal_map_taken[] = {SIGTERM, SIGINT, SIGHUP, SIGCHLD, 0};

const int pm_signal_map_ignored[] = {SIGPIPE, SIGUSR1, SIGUSR2, 0};

static const struct {
    int sig;
    pm_signal_command_t in[2]; /* by pm_phase_t */
} map[] = {
    /*           running             dying */
    {SIGHUP, {PM_SIGNAL_RELOAD, PM_SIGNAL_NONE}},
    {SIGTERM, {PM_SIGNAL_DIE, PM_SIGNAL_NONE}},
    {SIGINT, {PM_SIGNAL_DIE, PM_SIGNAL_NONE}},
    {SIGCHLD, {PM_SIGNAL_REAP, PM_SIGNAL_REAP}}};

pm_signal_command_t pm_signal_map(int sig, pm_phase_t phase)
{
    size_t i;

    for (i = 0; i < sizeof(map) / sizeof(map[0]); i++) {
        if (map[i].sig == sig) {
            return map[i].in[phase];
        }
    }
    return PM_SIGNAL_NONE;
}
