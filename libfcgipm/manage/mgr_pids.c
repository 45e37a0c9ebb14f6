/* SPDX-License-Identifier: Apache-2.0 */
/* The workers of a manager. */
#include "libfcgipm/manage/mgr_pids.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "libfcgipm/manage/mgr_object.h"
#include "libfcgipm/manage/mgr_wait.h"

int mgr_pids_reserve(fcgipm_t *pm)
{
    mgr_pids_t *pids = &pm->pids;
    size_t room = pids->room ? pids->room * 2 : 16;
    mgr_worker_t *workers;
    pid_t *more;

    if (pids->count < pids->room) {
        return 0;
    }
    more = realloc(pids->pid, room * sizeof(*more));
    if (!more) {
        return -1;
    }
    pids->pid = more;
    workers = realloc(pids->worker, room * sizeof(*workers));
    if (!workers) {
        return -1;
    }
    pids->worker = workers;
    pids->room = room;
    return 0;
}

int mgr_pids_add(fcgipm_t *pm, pid_t pid, const mgr_worker_t *worker)
{
    if (mgr_pids_reserve(pm)) {
        return -1;
    }
    pm->pids.pid[pm->pids.count] = pid;
    pm->pids.worker[pm->pids.count++] = *worker;
    return 0;
}

int fcgipm_add_pid(fcgipm_t *pm, pid_t pid)
{
    const mgr_worker_t worker = {.born_at = mgr_wait_now()};

    return mgr_pids_add(pm, pid, &worker);
}

int mgr_pids_take(fcgipm_t *pm, pid_t pid, mgr_worker_t *worker)
{
    mgr_pids_t *pids = &pm->pids;
    size_t i, behind;

    for (i = 0; i < pids->count; i++) {
        if (pids->pid[i] == pid) {
            *worker = pids->worker[i];
            behind = --pids->count - i;
            memmove(pids->pid + i, pids->pid + i + 1, behind * sizeof(pid_t));
            memmove(pids->worker + i, pids->worker + i + 1,
                    behind * sizeof(*worker));
            return 1;
        }
    }
    return 0;
}

int fcgipm_remove_pid(fcgipm_t *pm, pid_t pid)
{
    mgr_worker_t worker;

    return mgr_pids_take(pm, pid, &worker);
}

const pid_t *fcgipm_server_pids(const fcgipm_t *pm)
{
    return pm->pids.pid;
}

size_t fcgipm_get_all_pids(const fcgipm_t *pm, pid_t *pids, size_t room)
{
    size_t n = pm->pids.count < room ? pm->pids.count : room;

    if (n) {
        memcpy(pids, pm->pids.pid, n * sizeof(pid_t));
    }
    return pm->pids.count;
}

size_t fcgipm_pid_count(const fcgipm_t *pm)
{
    return pm->pids.count;
}

int fcgipm_has_pids(const fcgipm_t *pm)
{
    return pm->pids.count > 0;
}

void fcgipm_forget_all_pids(fcgipm_t *pm)
{
    pm->pids.count = 0;
}

char *mgr_pids_text(const fcgipm_t *pm)
{
    const size_t width = 3 * sizeof(pid_t) + 2;
    size_t size = pm->pids.count * width + 1;
    char *text = calloc(1, size);
    size_t at = 0, i;

    for (i = 0; text && i < pm->pids.count; i++) {
        at += (size_t)snprintf(text + at, size - at, "%s%d", i ? " " : "",
                               (int)pm->pids.pid[i]);
    }
    return text;
}
