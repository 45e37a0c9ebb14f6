/* SPDX-License-Identifier: Apache-2.0 */
#include "httpd/server/hpm_listeners.h"

#include "apr_strings.h"

#include "httpd/server/hpm_file.h"
#include "httpd/server/hpm_parent.h"

#include "pm_core/os/pm_ident.h"

APLOG_USE_MODULE(fcgipm);

/* --- finding -------------------------------------------------------------- */

static hpm_listener_t *listener_at(const apr_array_header_t *listeners, int i)
{
    return &APR_ARRAY_IDX(listeners, i, hpm_listener_t);
}

static hpm_listener_t *listener_find(const apr_array_header_t *listeners,
                                     const char *name, const char *listen)
{
    int i;

    for (i = 0; i < listeners->nelts; i++) {
        hpm_listener_t *own = listener_at(listeners, i);

        if (!strcmp(own->listener.text, listen) && !strcmp(own->name, name)) {
            return own;
        }
    }
    return NULL;
}

/* A host and port can be bound once: when another pool has it now, the
 * socket goes over.  The path of a unix socket is simply taken by a new one,
 * and what waits at the old one is answered by the old pool. */
static hpm_listener_t *listener_find_port(const apr_array_header_t *listeners,
                                          const char *listen)
{
    int i;

    for (i = 0; i < listeners->nelts; i++) {
        hpm_listener_t *own = listener_at(listeners, i);

        if (own->file && !own->listener.path
            && !strcmp(own->listener.text, listen)) {
            return own;
        }
    }
    return NULL;
}

/* Can it be reached still?  Somebody may have removed a socket's file. */
static int listener_is_usable(const hpm_listener_t *own)
{
    return own->file
           && (!own->listener.path || pm_listen_is_there(&own->listener));
}

/* --- slots ---------------------------------------------------------------- */

static void listener_note_slots(char *taken,
                                const apr_array_header_t *listeners)
{
    int i;

    for (i = 0; i < listeners->nelts; i++) {
        taken[listener_at(listeners, i)->slot] = 1;
    }
}

/* Round and round, so that a slot rests as long as can be before another
 * pool has it; one where a removed pool is draining is taken last. */
static int listener_free_slot(hpm_retained_t *r, const char *taken)
{
    int i, draining;

    for (draining = 0; draining < 2; draining++) {
        for (i = 0; i < PM_SCOREBOARD_SCRIPTS; i++) {
            int slot = (r->next_slot + i) % PM_SCOREBOARD_SCRIPTS;
            const pm_scoreboard_slot_t *s = pm_scoreboard_slot(r->board, slot);

            if (!taken[slot]
                && (draining
                    || !__atomic_load_n(&s->generation, __ATOMIC_ACQUIRE))) {
                r->next_slot = slot + 1;
                return slot;
            }
        }
    }
    return -1;
}

/* --- sockets -------------------------------------------------------------- */

static apr_status_t listener_opts(pm_listen_opts_t *opts, const pm_conf_t *conf,
                                  pm_reason_t *why)
{
    opts->backlog = (int)conf->listen_backlog;
    opts->mode = (mode_t)conf->listen_mode;
    return pm_ident_owner(conf->listen_owner, &opts->uid, &opts->gid, why);
}

/* The socket an earlier configuration had on that address, if any.  Its file
 * goes over to @a own. */
static int listener_take_socket(hpm_listener_t *own, hpm_listener_t *former,
                                const pm_listen_opts_t *opts, hpm_parent_t *me)
{
    apr_pool_t *p = me->retained->pool;
    pm_reason_t why;

    if (!former || !listener_is_usable(former)) {
        return 0;
    }
    own->listener = former->listener;
    own->listener.text = apr_pstrdup(p, former->listener.text);
    if (former->listener.path) {
        own->listener.path = own->listener.text + 5; /* "unix:" */
    }
    own->file = former->file;
    former->file = NULL;
    hpm_file_move(&own->file, me->plog);
    if (opts && pm_listen_adjust(&own->listener, opts, &why) != APR_SUCCESS) {
        ap_log_error(APLOG_MARK, APLOG_WARNING, 0, me->s,
                     "pool %s: its "
                     "socket is left as it was: %s",
                     own->name, why.text);
    }
    return 1;
}

static apr_status_t listener_open_socket(hpm_listener_t *own,
                                         const char *listen,
                                         const pm_listen_opts_t *opts,
                                         hpm_parent_t *me, pm_reason_t *why)
{
    apr_status_t rv =
        pm_listen_open(&own->listener, listen, opts, me->retained->pool, why);

    if (rv == APR_SUCCESS) {
        rv = hpm_file_hold(&own->file, own->listener.fd, me->plog);
        if (rv != APR_SUCCESS) {
            return pm_fail_os(why, rv, "cannot keep a socket");
        }
    }
    return rv;
}

static apr_status_t listener_get_socket(hpm_listener_t *own,
                                        const apr_array_header_t *former,
                                        const pm_conf_t *conf, hpm_parent_t *me,
                                        pm_reason_t *why)
{
    pm_listen_opts_t opts;
    apr_status_t rv = listener_opts(&opts, conf, why);

    if (rv != APR_SUCCESS
        || listener_take_socket(
            own, listener_find(former, own->name, conf->listen), &opts, me)
        || listener_take_socket(own, listener_find_port(former, conf->listen),
                                &opts, me)) {
        return rv;
    }
    return listener_open_socket(own, conf->listen, &opts, me, why);
}

/* A pool whose new definition is no good keeps the own it had, and goes on
 * as it was defined then. */
static void listener_keep(hpm_listener_t *own, const apr_array_header_t *former,
                          hpm_pool_t *pool, hpm_parent_t *me)
{
    hpm_listener_t *same = listener_find(former, own->name, pool->conf->listen);

    if (same && same->settings && listener_take_socket(own, same, NULL, me)) {
        own->settings = apr_pstrdup(me->retained->pool, same->settings);
        pool->rejected = pool->failed;
        pool->failed = NULL;
    }
}

/* --- listeners ---------------------------------------------------------------
 */

/* The slot it had is the pool's again, unless it had another socket: that
 * pool drains, and this one is another. */
static int listener_get_slot(hpm_listener_t *own, const hpm_listener_t *same,
                             char *taken, hpm_retained_t *r)
{
    if (same
        && (same->listener.fd < 0 || same->listener.fd == own->listener.fd)) {
        own->slot = same->slot;
        own->generation = same->generation;
        return 1;
    }
    own->slot = listener_free_slot(r, taken);
    if (own->slot < 0) {
        return 0;
    }
    taken[own->slot] = 1;
    own->generation = ++r->generations;
    return 1;
}

static void listener_renew(hpm_parent_t *me, hpm_pool_t *pool,
                           const apr_array_header_t *former, char *taken)
{
    hpm_retained_t *r = me->retained;
    hpm_listener_t own = {0};
    pm_reason_t why;

    own.name = apr_pstrdup(r->pool, pool->name);
    own.listener.fd = -1;
    if (pool->failed) {
        listener_keep(&own, former, pool, me);
    }
    else if (listener_get_socket(&own, former, pool->conf, me, &why)
             != APR_SUCCESS) {
        pool->failed = apr_pstrdup(me->pconf, why.text);
    }
    else {
        own.settings = pm_conf_write(pool->conf, PM_SCOPE_POOL, r->pool);
    }
    if (!own.listener.text) {
        own.listener.text = apr_pstrdup(r->pool, pool->conf->listen);
    }
    if (!listener_get_slot(
            &own, listener_find(former, pool->name, pool->conf->listen), taken,
            r)) {
        pool->failed = "there are too many pools";
        hpm_file_close(&own.file);
        return;
    }
    pool->slot = own.slot;
    pool->generation = own.generation;
    *(hpm_listener_t *)apr_array_push(r->listeners) = own;
}

apr_array_header_t *hpm_listeners_renew(hpm_parent_t *me, apr_pool_t *ptemp)
{
    hpm_retained_t *r = me->retained;
    apr_array_header_t *former = r->listeners;
    char *taken = apr_pcalloc(ptemp, PM_SCOREBOARD_SCRIPTS);
    int i;

    if (!former) {
        former = apr_array_make(ptemp, 1, sizeof(hpm_listener_t));
    }
    listener_note_slots(taken, former);
    r->listeners = apr_array_make(r->pool, me->server->pool_list->nelts,
                                  sizeof(hpm_listener_t));
    for (i = 0; i < me->server->pool_list->nelts; i++) {
        listener_renew(me, hpm_server_pool_at(me->server, i), former, taken);
    }
    return former;
}

void hpm_listeners_close(apr_array_header_t *former, int unlink_too)
{
    int i;

    for (i = 0; i < former->nelts; i++) {
        hpm_listener_t *own = listener_at(former, i);

        if (own->file && unlink_too) {
            pm_listen_unlink(&own->listener);
        }
        hpm_file_close(&own->file);
    }
}
