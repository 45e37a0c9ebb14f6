/* SPDX-License-Identifier: Apache-2.0 */
#include "pm_core/policy/pm_signal_map.h"

#include <signal.h>
#include <stddef.h>

const int pm_sigmap_taken[] = {SIGTERM, SIGINT, SIGHUP, SIGCHLD, 0};

const int pm_sigmap_ignored[] = {SIGPIPE, SIGUSR1, SIGUSR2, SIGWINCH, 0};

static const struct {
    int sig;
    pm_command_t in[2];   /* by pm_phase_t */
} map[] = {
    /*           running             dying */
    {SIGHUP,  {PM_COMMAND_RELOAD, PM_COMMAND_NONE}},
    {SIGTERM, {PM_COMMAND_DIE,    PM_COMMAND_NONE}},
    {SIGINT,  {PM_COMMAND_DIE,    PM_COMMAND_NONE}},
    {SIGCHLD, {PM_COMMAND_REAP,   PM_COMMAND_REAP}}
};

pm_command_t pm_sigmap(int sig, pm_phase_t phase)
{
    size_t i;

    for (i = 0; i < sizeof(map) / sizeof(map[0]); i++) {
        if (map[i].sig == sig) {
            return map[i].in[phase];
        }
    }
    return PM_COMMAND_NONE;
}
