/* SPDX-License-Identifier: Apache-2.0 */
#include "httpd/config/hpm_socket_access.h"

#include <sys/stat.h>
#include <unistd.h>

#include "apr_strings.h"
#include "unixd.h"

#include "pm_core/os/pm_ident.h"
#include "pm_core/policy/pm_script_rules.h"

/* httpd's user, and what is found. */
typedef struct access {
    pm_ident_t id;
    const char *user;
    apr_array_header_t *texts;
    apr_pool_t *p;
} access_t;

/* connect(2) asks for the right to write, as for any file. */
static int access_is_given(const pm_ident_t *id, uid_t uid, gid_t gid,
                           mode_t mode)
{
    return id->uid == 0 || pm_ident_may(id, uid, gid, mode, S_IWOTH);
}

static void access_check_pool(access_t *a, const pm_conf_t *conf,
                              const char *name)
{
    uid_t uid;
    gid_t gid;
    pm_reason_t why;

    if (pm_ident_parse_owner(conf->listen_owner, &uid, &gid, &why)
        != APR_SUCCESS) {
        return; /* a fault of its own */
    }
    uid = uid == (uid_t)-1 ? geteuid() : uid;
    gid = gid == (gid_t)-1 ? getegid() : gid;
    if (!access_is_given(&a->id, uid, gid, (mode_t)conf->listen_mode)) {
        *(const char **)apr_array_push(a->texts) = apr_psprintf(
            a->p,
            "%s: httpd's user %s may not connect to the socket, so httpd's own "
            "requests get 503: FcgiPMListenOwner %s, FcgiPMListenMode %04o",
            name, a->user, conf->listen_owner ? conf->listen_owner : a->user,
            (unsigned)conf->listen_mode);
    }
}

static void access_check_pools(access_t *a, const hpm_server_t *server)
{
    int i;

    for (i = 0; i < server->pool_list->nelts; i++) {
        const hpm_pool_t *pool = hpm_server_pool_at(server, i);

        if (!pool->failed && pool->addr.sa.ss_family == AF_UNIX) {
            access_check_pool(
                a, pool->conf,
                apr_psprintf(a->p, "pool %s (%s)", pool->name, pool->where));
        }
    }
    for (i = 0; i < server->templates->nelts; i++) {
        const pm_script_template_t *t =
            &APR_ARRAY_IDX(server->templates, i, pm_script_template_t);

        access_check_pool(a, t->conf,
                          apr_psprintf(a->p, "<FcgiPMScripts %s>", t->where));
    }
}

/* It belongs to httpd's user. */
static void access_check_control(access_t *a, const pm_global_t *global)
{
    if (!(global->socket_mode & S_IWUSR) && a->id.uid) {
        *(const char **)apr_array_push(a->texts) = apr_psprintf(
            a->p,
            "FcgiPMSocketMode %04o: httpd's user %s, who owns the control "
            "socket, may not connect to it, so no script can be started and "
            "the status page knows no workers",
            (unsigned)global->socket_mode, a->user);
    }
}

const apr_array_header_t *hpm_socket_access_texts(const hpm_server_t *server,
                                                  apr_pool_t *p)
{
    access_t a = {.user = ap_unixd_config.user_name, .p = p};
    int root = geteuid() == 0;
    pm_reason_t why;

    a.texts = apr_array_make(p, 2, sizeof(const char *));
    if (pm_ident_lookup(
            &a.id, root ? a.user : NULL,
            root ? apr_psprintf(p, "#%d", (int)ap_unixd_config.group_id) : NULL,
            &why)
        == APR_SUCCESS) {
        access_check_pools(&a, server);
        access_check_control(&a, server->global);
    }
    return a.texts;
}
