/* SPDX-License-Identifier: Apache-2.0 */
#include "pm_core/os/pm_pidfile.h"

#include <errno.h>
#include <stdio.h>
#include <unistd.h>

#include "apr_strings.h"

apr_status_t pm_pidfile_write(const char *path, apr_pool_t *p, pm_reason_t *why)
{
    const char *temp = apr_psprintf(p, "%s.%d", path, (int)getpid());
    FILE *f;
    int bad;

    unlink(temp); /* of a manager that died and had this pid */
    f = fopen(temp, "wxe");
    if (!f) {
        return pm_fail_os(why, errno, "cannot write the pid file %s", path);
    }
    bad = fprintf(f, "%d\n", (int)getpid()) < 0;
    if ((fclose(f) || bad) || rename(temp, path)) {
        apr_status_t rv = errno;

        unlink(temp);
        return pm_fail_os(why, rv, "cannot write the pid file %s", path);
    }
    return APR_SUCCESS;
}

void pm_pidfile_remove(const char *path)
{
    FILE *f = fopen(path, "re");
    int pid = 0;

    if (!f) {
        return;
    }
    if (fscanf(f, "%d", &pid) == 1 && pid == (int)getpid()) {
        unlink(path);
    }
    fclose(f);
}
