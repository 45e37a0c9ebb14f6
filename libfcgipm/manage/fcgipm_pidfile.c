/* SPDX-License-Identifier: Apache-2.0 */
/* The manager's pid file. */
#include "libfcgipm/manage/fcgipm_priv.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

void fcgipm_pidfile_write(const fcgipm_t *pm)
{
    FILE *f;
    int bad;

    if (!pm->pidfile) {
        return;
    }
    f = fopen(pm->pidfile, "we");
    bad = !f || fprintf(f, "%d\n", (int)getpid()) < 0;
    if ((f && fclose(f)) || bad) {
        fcgipm_notify(pm, "Could not write the PID file because: %s: %s",
                      pm->pidfile, strerror(errno));
    }
}

/* One that another manager has written meanwhile is left to that one. */
void fcgipm_pidfile_remove(const fcgipm_t *pm)
{
    FILE *f;
    int pid = 0;
    int mine;

    if (!pm->pidfile) {
        return;
    }
    f = fopen(pm->pidfile, "re");
    mine = !f || (fscanf(f, "%d", &pid) == 1 && pid == (int)getpid());
    if (f) {
        fclose(f);
    }
    if (mine && unlink(pm->pidfile)) {
        fcgipm_notify(pm, "Could not remove PID file: %s", strerror(errno));
    }
}
