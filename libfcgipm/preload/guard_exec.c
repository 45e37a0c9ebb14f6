/* SPDX-License-Identifier: Apache-2.0 */
/*
 * See guard.h.  A worker that executes another program.
 *
 * Before it has waited for a request it is not the worker yet (a shell script,
 * env, nice): the next program gets the guard as this one did.  Its variables
 * are not in the environment meanwhile, for programs copy that when they begin
 * (Python's os.environ) and give the copy to their children.
 *
 * Afterwards the guard is not in the next program, so what its page says must
 * not stand there as if it were true.
 */
#include "libfcgipm/preload/guard.h"
#include "pm_core/ipc/pm_fork_order.h"

#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define PRELOAD "LD_PRELOAD="

static const char *const names[] = {"LD_PRELOAD", "FCGIPM_GUARD",
                                    "FCGIPM_CLIENTS", PM_FORK_VARIABLE};

#define NAMES (sizeof(names) / sizeof(names[0]))

/* "NAME=value" of those that came along; of LD_PRELOAD the guard's part. */
static char *kept[NAMES];
static char both[2 * PATH_MAX]; /* and the program's own */

/* Not from the heap: a child by fork(2) of a program with threads may not. */
#define ROOM(n) __builtin_alloca((n) * sizeof(char *))

void guard_env_remove(const char *name)
{
    char *value = getenv(name);

    if (value) {
        unsetenv(name);
        memset(value - strlen(name) - 1, 0, strlen(name) + 1 + strlen(value));
    }
}

static char *env_text(const char *name, const char *value, size_t len)
{
    size_t size = strlen(name) + 1 + len + 1;
    char *text = malloc(size);

    if (text) {
        snprintf(text, size, "%s=%.*s", name, (int)len, value);
    }
    return text;
}

/* What follows the guard is the program's own, or that of one before it. */
static void env_give_back(const char *preload)
{
    char *own = *preload ? strdup(preload + 1) : NULL;

    guard_env_remove("LD_PRELOAD");
    if (own) {
        setenv("LD_PRELOAD", own, 1);
        free(own);
    }
}

void guard_env_take(void)
{
    unsigned i;

    for (i = 0; i < NAMES; i++) {
        const char *value = getenv(names[i]);
        size_t len = !value ? 0 : i ? strlen(value) : strcspn(value, ": ");

        kept[i] = value ? env_text(names[i], value, len) : NULL;
        if (kept[i] && i) {
            guard_env_remove(names[i]);
        }
        else if (kept[i]) {
            env_give_back(value + len);
        }
    }
}

static int exec_leave_page(void)
{
    if (!guard_is_worker() || guard.child || !LOAD(guard.has_waited)) {
        return 0;
    }
    STORE(guard.slot->pid, 0);
    return 1;
}

/* It could not be executed. */
static int exec_come_back(int left, int rc)
{
    if (left) {
        STORE(guard.slot->pid, (uint32_t)guard.pid);
    }
    return rc;
}

static int exec_has_guard(void)
{
    return guard_is_worker() && !guard.child && !LOAD(guard.has_waited)
           && kept[0];
}

typedef int exec_fn(const char *, char *const[], char *const[]);

static const char *exec_own_preload(const char *variable)
{
    return strncmp(variable, PRELOAD, sizeof(PRELOAD) - 1)
               ? NULL
               : variable + sizeof(PRELOAD) - 1;
}

/* The guard comes before what the program preloads; where there is no room for
 * both, it stays behind. */
static char *exec_preload(const char *own)
{
    int n =
        snprintf(both, sizeof(both), "%s%s%s", kept[0], *own ? ":" : "", own);

    return n < 0 || (size_t)n >= sizeof(both) ? NULL : both;
}

/* @param env room for all of @a envp, NAMES more and NULL */
static void exec_add_guard(char **env, char *const envp[])
{
    char *preload = kept[0];
    unsigned i;

    for (; envp && *envp; envp++) {
        const char *own = exec_own_preload(*envp);
        char *with = own ? exec_preload(own) : NULL;

        if (with) {
            preload = with;
        }
        else {
            preload = own ? NULL : preload;
            *env++ = *envp;
        }
    }
    if (preload) {
        *env++ = preload;
    }
    for (i = 1; i < NAMES; i++) {
        if (kept[i]) {
            *env++ = kept[i];
        }
    }
    *env = NULL;
}

static int exec_run(exec_fn *run, const char *path, char *const argv[],
                    char *const envp[])
{
    char **env;
    size_t n = 0;
    int left, rc;

    if (exec_has_guard()) {
        while (envp && envp[n]) {
            n++;
        }
        env = ROOM(n + NAMES + 1);
        exec_add_guard(env, envp);
        guard_fork_hand_on(1);
        rc = run(path, argv, env);
        guard_fork_hand_on(0);
        return rc;
    }
    left = exec_leave_page();
    return exec_come_back(left, run(path, argv, envp));
}

PUBLIC int execve(const char *path, char *const argv[], char *const envp[])
{
    return exec_run(guard_libc()->execve, path, argv, envp);
}

PUBLIC int execv(const char *path, char *const argv[])
{
    return exec_run(guard_libc()->execve, path, argv, environ);
}

PUBLIC int execvpe(const char *file, char *const argv[], char *const envp[])
{
    return exec_run(guard_libc()->execvpe, file, argv, envp);
}

PUBLIC int execvp(const char *file, char *const argv[])
{
    return exec_run(guard_libc()->execvpe, file, argv, environ);
}

/* --- execl() and the like: in libc they do not come by here ----------------
 */

static size_t exec_count(const char *first, va_list rest)
{
    size_t n = 0;

    for (; first; n++) {
        first = va_arg(rest, const char *);
    }
    return n;
}

/* @param argv room for all, and the NULL at the end */
static void exec_fill(const char **argv, const char *first, va_list *rest)
{
    while ((*argv++ = first)) {
        first = va_arg(*rest, const char *);
    }
}

PUBLIC int execl(const char *path, const char *arg, ...)
{
    const char **argv;
    va_list ap;

    va_start(ap, arg);
    argv = ROOM(exec_count(arg, ap) + 1);
    va_end(ap);
    va_start(ap, arg);
    exec_fill(argv, arg, &ap);
    va_end(ap);
    return execv(path, (char *const *)(void *)argv);
}

PUBLIC int execlp(const char *file, const char *arg, ...)
{
    const char **argv;
    va_list ap;

    va_start(ap, arg);
    argv = ROOM(exec_count(arg, ap) + 1);
    va_end(ap);
    va_start(ap, arg);
    exec_fill(argv, arg, &ap);
    va_end(ap);
    return execvp(file, (char *const *)(void *)argv);
}

PUBLIC int execle(const char *path, const char *arg, ...)
{
    char *const *envp;
    const char **argv;
    va_list ap;

    va_start(ap, arg);
    argv = ROOM(exec_count(arg, ap) + 1);
    va_end(ap);
    va_start(ap, arg);
    exec_fill(argv, arg, &ap);
    envp = va_arg(ap, char *const *);
    va_end(ap);
    return execve(path, (char *const *)(void *)argv, envp);
}
