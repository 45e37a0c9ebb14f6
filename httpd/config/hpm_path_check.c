/* SPDX-License-Identifier: Apache-2.0 */
#include "httpd/config/hpm_path_check.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "ap_mpm.h"
#include "apr_strings.h"
#include "http_config.h"
#include "mpm_common.h"

#include "pm_core/config/pm_parsed.h"

typedef struct path_check {
    hpm_server_t *server;
    apr_hash_t *users; /* address or path -> path_user_t */
    apr_pool_t *p, *ptemp;
} path_check_t;

/* What uses an address or path. */
typedef struct path_user {
    const char *what;
    int is_log; /* several pools can share one */
} path_user_t;

/* One path for one file, whether it is there or not: links are followed, as
 * far as it is. */
static const char *path_canonical(const char *path, apr_pool_t *p)
{
    const char *slash = strrchr(path, '/');
    char real[PATH_MAX];
    char *merged;

    if (realpath(path, real)) {
        return apr_pstrdup(p, real);
    }
    if (slash
        && realpath(apr_pstrmemdup(p, path, (apr_size_t)(slash - path) + 1),
                    real)) {
        return apr_pstrcat(p, real, slash, NULL);
    }
    return apr_filepath_merge(&merged, "/", path, 0, p) == APR_SUCCESS ? merged
                                                                       : path;
}

/* @return what uses that already, or NULL: @a what does now */
static const char *path_use(path_check_t *c, const void *key, apr_ssize_t len,
                            const char *what, int is_log)
{
    path_user_t *user = apr_hash_get(c->users, key, len);

    if (user) {
        return user->is_log && is_log ? NULL : user->what;
    }
    user = apr_palloc(c->ptemp, sizeof(*user));
    user->what = what;
    user->is_log = is_log;
    apr_hash_set(c->users, key, len, user);
    return NULL;
}

/* @return 0: something else uses the path, which is noted */
static int path_use_file(path_check_t *c, const char *directive,
                         const char *path, const char *what, int is_log)
{
    const char *before = path_use(c, path_canonical(path, c->ptemp),
                                  APR_HASH_KEY_STRING, what, is_log);

    if (before) {
        pm_parsed_add_fault(c->server->parsed,
                            apr_psprintf(c->p, "%s: %s is %s already",
                                         directive, path, before));
    }
    return !before;
}

static void path_use_log(path_check_t *c, const char *directive,
                         const char *target)
{
    const char *path =
        target && target[0] != '|' && strncmp(target, "syslog", 6)
            ? ap_server_root_relative(c->ptemp, target)
            : NULL;

    if (path) {
        path_use_file(c, directive, path, "a log", 1);
    }
}

/* As pm_script_pools.c names them. */
static int path_is_script_socket(const hpm_server_t *server, const char *path,
                                 apr_pool_t *p)
{
    const char *prefix = path_canonical(
        apr_pstrcat(p, server->global->runtime_dir, "/script-", NULL), p);
    apr_size_t len = strlen(prefix);
    const char *rest = path + len;

    return server->templates->nelts && !strncmp(path, prefix, len)
           && !strcmp(rest + strspn(rest, "0123456789abcdef"), ".sock");
}

static void path_use_pool(path_check_t *c, hpm_pool_t *pool)
{
    const char *what =
        apr_psprintf(c->ptemp, "pool %s's (%s)", pool->name, pool->where);
    const struct sockaddr *sa = (const struct sockaddr *)&pool->addr.sa;
    const char *before = NULL;

    if (!pool->addr.len) {
        return;
    }
    if (sa->sa_family == AF_UNIX) {
        const char *path = path_canonical(pool->conf->listen + 5, c->ptemp);

        before = path_is_script_socket(c->server, path, c->ptemp)
                     ? "a script's (<FcgiPMScripts>)"
                     : path_use(c, path, APR_HASH_KEY_STRING, what, 0);
    }
    else {
        before = path_use(c, sa, (apr_ssize_t)pool->addr.len, what, 0);
    }
    if (before && !pool->failed) {
        pool->failed = apr_psprintf(c->p, "FcgiPMListen: %s is %s already",
                                    pool->conf->listen, before);
    }
}

static void path_use_servers(path_check_t *c, const server_rec *s)
{
    pm_global_t *global = c->server->global;
    const char *pid_file =
        ap_pid_fname ? ap_runtime_dir_relative(c->ptemp, ap_pid_fname) : NULL;

    if (pid_file) {
        path_use_file(c, "PidFile", pid_file, "httpd's PidFile", 0);
    }
    path_use_log(c, "ErrorLog", s->error_fname);
    if (global->socket) {
        path_use_file(c, "FcgiPMSocket", global->socket,
                      "the control socket (FcgiPMSocket)", 0);
    }
    if (global->pid_file
        && !path_use_file(c, "FcgiPMPidFile", global->pid_file,
                          "the manager's FcgiPMPidFile", 0)) {
        global->pid_file = NULL;
    }
}

void hpm_path_check(hpm_server_t *server, const server_rec *s, apr_pool_t *p,
                    apr_pool_t *ptemp)
{
    path_check_t c = {server, apr_hash_make(ptemp), p, ptemp};
    int i;

    path_use_servers(&c, s);
    for (i = 0; i < server->templates->nelts; i++) {
        path_use_log(&c, "FcgiPMErrorLog",
                     APR_ARRAY_IDX(server->templates, i, pm_script_template_t)
                         .conf->error_log);
    }
    for (i = 0; i < server->pool_list->nelts; i++) {
        hpm_pool_t *pool = hpm_server_pool_at(server, i);

        path_use_log(&c, "FcgiPMErrorLog", pool->conf->error_log);
        path_use_pool(&c, pool);
    }
}
