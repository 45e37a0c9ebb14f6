/* SPDX-License-Identifier: Apache-2.0 */
/* The object and its attributes. */
#include "libfcgipm/manage/mgr_object.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

const char *fcgipm_version(void)
{
    return PM_VERSION;
}

/* Text that is not a number is 0, as in Perl. */
static long object_number(const char *variable)
{
    const char *text = getenv(variable);
    long n = text ? strtol(text, NULL, 10) : 0;

    return n > 0 ? n : 0;
}

fcgipm_t *fcgipm_create(void)
{
    fcgipm_t *pm = calloc(1, sizeof(*pm));

    if (!pm) {
        return NULL;
    }
    pm->role = FCGIPM_MANAGER;
    pm->die_timeout = 60;
    pm->max_requests = object_number("PM_MAX_REQUESTS");
    pm->sizecheck_num_requests = object_number("PM_SIZECHECK_NUM_REQUESTS");
    pm->max_process_size = object_number("PM_MAX_SIZE");
    return pm;
}

void fcgipm_destroy(fcgipm_t *pm)
{
    if (pm) {
        fcgipm_clear_signal_handler(pm);
        free(pm->pids.pid);
        free(pm->pids.worker);
        mgr_births_end(pm);
        free(pm->pidfile);
        free(pm->process_name);
        free(pm->manager_process_name);
        free(pm);
    }
}

static int object_set_string(char **field, const char *text)
{
    char *copy = text ? strdup(text) : NULL;

    if (text && !copy) {
        return -1;
    }
    free(*field);
    *field = copy;
    return 0;
}

#define STRING(name)                                                           \
    const char *fcgipm_##name(const fcgipm_t *pm)                              \
    {                                                                          \
        return pm->name;                                                       \
    }                                                                          \
    int fcgipm_set_##name(fcgipm_t *pm, const char *text)                      \
    {                                                                          \
        return object_set_string(&pm->name, text);                             \
    }

/* A value below 0 makes no sense. */
#define NUMBER(type, name)                                                     \
    type fcgipm_##name(const fcgipm_t *pm)                                     \
    {                                                                          \
        return pm->name;                                                       \
    }                                                                          \
    int fcgipm_set_##name(fcgipm_t *pm, type n)                                \
    {                                                                          \
        if (n < 0) {                                                           \
            errno = EINVAL;                                                    \
            return -1;                                                         \
        }                                                                      \
        pm->name = n;                                                          \
        return 0;                                                              \
    }

#define PLAIN(type, name)                                                      \
    type fcgipm_##name(const fcgipm_t *pm)                                     \
    {                                                                          \
        return pm->name;                                                       \
    }                                                                          \
    void fcgipm_set_##name(fcgipm_t *pm, type value)                           \
    {                                                                          \
        pm->name = value;                                                      \
    }

#define HOOK(name)                                                             \
    void fcgipm_on_##name(fcgipm_t *pm, fcgipm_hook_t hook, void *data)        \
    {                                                                          \
        pm->name.call = hook;                                                  \
        pm->name.data = data;                                                  \
    }

PLAIN(fcgipm_role_t, role)
NUMBER(int, n_processes)
NUMBER(int, start_delay)
NUMBER(int, die_timeout)
STRING(pidfile)
PLAIN(int, no_signals)
STRING(process_name)
STRING(manager_process_name)
PLAIN(pid_t, manager_pid)
NUMBER(long, max_requests)
NUMBER(long, sizecheck_num_requests)
NUMBER(long, max_process_size)
NUMBER(long, max_unshared_size)
NUMBER(long, min_share_size)
HOOK(manager_init)
HOOK(server_init)
HOOK(pre_dispatch)
HOOK(post_dispatch)

long fcgipm_request_count(const fcgipm_t *pm)
{
    return pm->request_count;
}

volatile sig_atomic_t *fcgipm_signals_received(fcgipm_t *pm)
{
    return pm->received;
}
