/* SPDX-License-Identifier: Apache-2.0 */
#include "httpd/server/hpm_listeners.h"

#include "apr_strings.h"

#include "httpd/server/hpm_file.h"
#include "httpd/server/hpm_parent.h"

#include "pm_core/os/pm_ident.h"

APLOG_USE_MODULE(fcgipm);

/* --- finding -------------------------------------------------------------- */

hpm_listener_t *hpm_listeners_at(const apr_array_header_t *listeners, int i)
{
    return (hpm_listener_t *)(void *)(listeners->elts
                                      + i * listeners->elt_size);
}

static hpm_listener_t *listener_find(const apr_array_header_t *listeners,
                                     const char *name, const char *listen)
{
    int i;

    for (i = 0; i < listeners->nelts; i++) {
        hpm_listener_t *listener = hpm_listeners_at(listeners, i);

        if (!strcmp(listener->socket.text, listen)
            && !strcmp(listener->name, name)) {
            return listener;
        }
    }
    return NULL;
}

/* Host and port can be bound once: a pool that takes them from another pool
 * takes that socket.  The path of a unix socket can be bound again, and the
 * former pool answers the requests that wait at its socket. */
static hpm_listener_t *listener_find_port(const apr_array_header_t *listeners,
                                          const char *listen)
{
    int i;

    for (i = 0; i < listeners->nelts; i++) {
        hpm_listener_t *listener = hpm_listeners_at(listeners, i);

        if (listener->file && !listener->socket.path
            && !strcmp(listener->socket.text, listen)) {
            return listener;
        }
    }
    return NULL;
}

/* Can clients still reach it?  The file of a unix socket may have been
 * removed. */
static int listener_is_usable(const hpm_listener_t *listener)
{
    return listener->file
           && (!listener->socket.path || pm_listen_is_there(&listener->socket));
}

/* --- slots ---------------------------------------------------------------- */

static void listener_note_slots(char *taken,
                                const apr_array_header_t *listeners)
{
    int i;

    for (i = 0; i < listeners->nelts; i++) {
        taken[hpm_listeners_at(listeners, i)->slot] = 1;
    }
}

/* Slots are given in turn, so that a slot rests as long as possible before
 * another pool gets it.  One whose removed pool still drains comes last. */
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
                                  const hpm_parent_t *me, pm_reason_t *why)
{
    opts->manager = me->retained->manager.pid;
    opts->wait = hpm_retained_is_start(me->retained)
                     ? me->server->global->die_timeout
                     : 0;
    opts->backlog = (int)conf->listen_backlog;
    opts->mode = (mode_t)conf->listen_mode;
    return pm_ident_parse_owner(conf->listen_owner, &opts->uid, &opts->gid,
                                why);
}

/* Take the socket that @a former has, if there is one.
 * @param opts NULL: leave its mode and owner as they are
 * @return 1: @a listener has it now, 0: it cannot be had */
static int listener_take_socket(hpm_listener_t *listener,
                                hpm_listener_t *former,
                                const pm_listen_opts_t *opts, hpm_parent_t *me)
{
    apr_pool_t *p = me->retained->pool;
    pm_reason_t why;

    if (!former || !listener_is_usable(former)) {
        return 0;
    }
    listener->socket = former->socket;
    listener->socket.text = apr_pstrdup(p, former->socket.text);
    if (former->socket.path) {
        listener->socket.path = listener->socket.text + 5; /* "unix:" */
    }
    listener->file = former->file;
    former->file = NULL;
    hpm_file_move(&listener->file, me->plog);
    if (opts
        && pm_listen_adjust(&listener->socket, opts, &why) != APR_SUCCESS) {
        ap_log_error(APLOG_MARK, APLOG_WARNING, 0, me->s,
                     "pool %s: its "
                     "socket is left as it was: %s",
                     listener->name, why.text);
    }
    return 1;
}

static apr_status_t listener_open_socket(hpm_listener_t *listener,
                                         const char *listen,
                                         const pm_listen_opts_t *opts,
                                         hpm_parent_t *me, pm_reason_t *why)
{
    apr_status_t rv = pm_listen_open(&listener->socket, listen, opts,
                                     me->retained->pool, why);

    if (rv == APR_SUCCESS) {
        rv = hpm_file_hold(&listener->file, listener->socket.fd, me->plog);
        if (rv != APR_SUCCESS) {
            return pm_fail_os(why, rv, "cannot keep a socket");
        }
    }
    return rv;
}

static apr_status_t listener_get_socket(hpm_listener_t *listener,
                                        const apr_array_header_t *former,
                                        const pm_conf_t *conf, hpm_parent_t *me,
                                        pm_reason_t *why)
{
    pm_listen_opts_t opts;
    apr_status_t rv = listener_opts(&opts, conf, me, why);

    if (rv != APR_SUCCESS
        || listener_take_socket(
            listener, listener_find(former, listener->name, conf->listen),
            &opts, me)
        || listener_take_socket(
            listener, listener_find_port(former, conf->listen), &opts, me)) {
        return rv;
    }
    return listener_open_socket(listener, conf->listen, &opts, me, why);
}

/* A pool whose new definition cannot be run keeps its listener and its last
 * good definition. */
static void listener_keep(hpm_listener_t *listener,
                          const apr_array_header_t *former, hpm_pool_t *pool,
                          hpm_parent_t *me)
{
    hpm_listener_t *same =
        listener_find(former, listener->name, pool->conf->listen);

    if (same && same->settings
        && listener_take_socket(listener, same, NULL, me)) {
        listener->settings = apr_pstrdup(me->retained->pool, same->settings);
        pool->rejected = pool->failed;
        pool->failed = NULL;
    }
}

/* --- listeners ------------------------------------------------------------ */

/* A pool gets the slot it had, unless its socket is another one now: then the
 * pool that had the slot drains, and this is a new pool. */
static int listener_get_slot(hpm_listener_t *listener,
                             const hpm_listener_t *same, char *taken,
                             hpm_retained_t *r)
{
    if (same
        && (same->socket.fd < 0 || same->socket.fd == listener->socket.fd)) {
        listener->slot = same->slot;
        listener->generation = same->generation;
        return 1;
    }
    listener->slot = listener_free_slot(r, taken);
    if (listener->slot < 0) {
        return 0;
    }
    taken[listener->slot] = 1;
    listener->generation = ++r->generations;
    return 1;
}

static void listener_renew(hpm_parent_t *me, hpm_pool_t *pool,
                           const apr_array_header_t *former, char *taken)
{
    hpm_retained_t *r = me->retained;
    hpm_listener_t listener = {0};
    pm_reason_t why;

    listener.name = apr_pstrdup(r->pool, pool->name);
    listener.socket.fd = -1;
    if (pool->failed) {
        listener_keep(&listener, former, pool, me);
    }
    else if (listener_get_socket(&listener, former, pool->conf, me, &why)
             != APR_SUCCESS) {
        pool->failed = apr_pstrdup(me->pconf, why.text);
    }
    else {
        listener.settings = apr_pstrdup(r->pool, pool->definition);
    }
    if (!listener.socket.text) {
        listener.socket.text = apr_pstrdup(r->pool, pool->conf->listen);
    }
    if (!listener_get_slot(
            &listener, listener_find(former, pool->name, pool->conf->listen),
            taken, r)) {
        pool->failed = "there are too many pools";
        hpm_file_close(&listener.file);
        return;
    }
    pool->slot = listener.slot;
    pool->generation = listener.generation;
    *(hpm_listener_t *)apr_array_push(r->listeners) = listener;
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
        hpm_listener_t *listener = hpm_listeners_at(former, i);

        if (listener->file && unlink_too) {
            pm_listen_unlink(&listener->socket);
        }
        hpm_file_close(&listener->file);
    }
}
