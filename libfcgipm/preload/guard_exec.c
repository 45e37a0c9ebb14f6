/* SPDX-License-Identifier: Apache-2.0 */
/*
 * See guard.h.  A worker that executes another program after it has served,
 * perhaps itself: the guard is not in that, so what its page says must not
 * stand there as if it were true.
 */
#include "libfcgipm/preload/guard.h"

#include <unistd.h>

static int leave_page(void)
{
    if (!guard_is_worker() || guard.child || !LOAD(guard.has_waited)) {
        return 0;
    }
    STORE(guard.slot->pid, 0);
    return 1;
}

/* It could not be executed. */
static int come_back(int left, int rc)
{
    if (left) {
        STORE(guard.slot->pid, (uint32_t)guard.pid);
    }
    return rc;
}

PUBLIC int execve(const char *path, char *const argv[], char *const envp[])
{
    int left = leave_page();

    return come_back(left, guard_libc()->execve(path, argv, envp));
}

PUBLIC int execv(const char *path, char *const argv[])
{
    int left = leave_page();

    return come_back(left, guard_libc()->execv(path, argv));
}

PUBLIC int execvp(const char *file, char *const argv[])
{
    int left = leave_page();

    return come_back(left, guard_libc()->execvp(file, argv));
}

PUBLIC int execvpe(const char *file, char *const argv[], char *const envp[])
{
    int left = leave_page();

    return come_back(left, guard_libc()->execvpe(file, argv, envp));
}
