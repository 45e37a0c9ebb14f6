/* SPDX-License-Identifier: Apache-2.0 */
#include "run_listeners.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "apr_strings.h"
#include "pm_core/shm/pm_scoreboard.h"

static run_listener_t *listener_at(const apr_array_header_t *list, int i)
{
    return &APR_ARRAY_IDX(list, i, run_listener_t);
}

/* @param name NULL: of whichever pool */
static run_listener_t *listener_find(const apr_array_header_t *list,
                                     const char *name, const char *listen)
{
    int i;

    for (i = 0; i < list->nelts; i++) {
        run_listener_t *l = listener_at(list, i);

        if (!strcmp(l->socket.text, listen)
            && (!name || !strcmp(l->name, name))) {
            return l;
        }
    }
    return NULL;
}

static int listener_has_slot(const apr_array_header_t *list, int slot)
{
    int i;

    for (i = 0; i < list->nelts; i++) {
        if (listener_at(list, i)->slot == slot) {
            return 1;
        }
    }
    return 0;
}

/* Slots are given in turn, so that a slot rests as long as possible before
 * another pool gets it: one that was removed may drain. */
static int listener_free_slot(run_listeners_t *all)
{
    int i;

    for (i = 0; i < PM_SCOREBOARD_SCRIPTS; i++) {
        int slot = (all->next_slot + i) % PM_SCOREBOARD_SCRIPTS;

        if (!listener_has_slot(all->former, slot)
            && !listener_has_slot(all->now, slot)) {
            all->next_slot = slot + 1;
            return slot;
        }
    }
    return -1;
}

void run_listeners_begin(run_listeners_t *all, apr_pool_t *p)
{
    all->former = all->now;
    all->now = apr_array_make(p, 8, sizeof(run_listener_t));
}

/* --- sockets -------------------------------------------------------------- */

static apr_status_t listener_copy(pm_listener_t *to, const pm_listener_t *from,
                                  apr_pool_t *p, pm_reason_t *why)
{
    *to = *from;
    to->text = apr_pstrdup(p, from->text);
    to->path = from->path ? to->text + 5 : NULL; /* "unix:" */
    to->fd = fcntl(from->fd, F_DUPFD_CLOEXEC, 3);
    return to->fd < 0 ? pm_fail_os(why, errno, "cannot copy a socket")
                      : APR_SUCCESS;
}

static apr_status_t listener_take_passed(run_listener_t *l,
                                         const pm_passed_t *passed,
                                         const pm_conf_t *conf, apr_pool_t *p,
                                         pm_reason_t *why)
{
    pm_listener_t socket;

    if (strcmp(passed->address, conf->listen) != 0) {
        return pm_fail(why, APR_EINVAL,
                       "FcgiPMListen %s: the socket that was passed as \"%s\" "
                       "is %s: write that, or nothing",
                       conf->listen, passed->name, passed->address);
    }
    pm_listen_adopt(&socket, conf->listen, passed->fd, p);
    socket.foreign = 1;
    return listener_copy(&l->socket, &socket, p, why);
}

static apr_status_t listener_open(run_listener_t *l, const pm_conf_t *conf,
                                  pm_names_t *names, apr_pool_t *p,
                                  pm_reason_t *why)
{
    pm_reason_t cause;
    pm_addr_t addr;
    apr_status_t rv = pm_names_address(names, conf->listen, &addr, &cause);

    if (rv == APR_SUCCESS) {
        rv = pm_listen_open_at(&l->socket, conf->listen, &addr, &l->opts, p,
                               &cause);
    }
    l->is_new = rv == APR_SUCCESS;
    return rv == APR_SUCCESS ? rv
                             : pm_fail(why, rv, "FcgiPMListen: %s", cause.text);
}

/* That of @a former, if clients can still reach it. */
static int listener_take_former(run_listener_t *l, const run_listener_t *former,
                                apr_pool_t *p)
{
    return former && !former->socket.foreign
           && (!former->socket.path || pm_listen_is_there(&former->socket))
           && listener_copy(&l->socket, &former->socket, p, NULL)
                  == APR_SUCCESS;
}

static apr_status_t listener_get_socket(run_listeners_t *all, run_listener_t *l,
                                        const run_listener_t *same,
                                        const pm_conf_t *conf,
                                        const pm_passed_t *passed,
                                        pm_names_t *names, apr_time_t wait,
                                        pm_reason_t *why)
{
    apr_pool_t *p = all->now->pool;
    apr_status_t rv;

    l->opts = (pm_listen_opts_t){.backlog = (int)conf->listen_backlog,
                                 .mode = (mode_t)conf->listen_mode,
                                 .wait = wait};
    if (passed) {
        return listener_take_passed(l, passed, conf, p, why);
    }
    rv = pm_names_owner(names, conf->listen_owner, &l->opts.uid, &l->opts.gid,
                        why);
    /* A pool that takes the address of another pool takes that socket: host
     * and port can be bound once, and a path at which a pool serves stays that
     * pool's until the whole set is known to be good. */
    if (rv != APR_SUCCESS || listener_take_former(l, same, p)
        || listener_take_former(
            l, listener_find(all->former, NULL, conf->listen), p)) {
        return rv;
    }
    return listener_open(l, conf, names, p, why);
}

/* The same socket, or what stands in for it: a pool whose socket is a new one
 * is a new pool. */
static apr_status_t listener_get_slot(run_listeners_t *all, run_listener_t *l,
                                      const run_listener_t *same,
                                      pm_reason_t *why)
{
    if (same && !l->is_new) {
        l->slot = same->slot;
        l->generation = same->generation;
        return APR_SUCCESS;
    }
    l->slot = listener_free_slot(all);
    l->generation = ++all->generations;
    return l->slot < 0 ? pm_fail(why, APR_ENOSPC, "there are too many pools")
                       : APR_SUCCESS;
}

apr_status_t run_listeners_get(run_listeners_t *all, const pm_conf_t *conf,
                               const pm_activation_t *activation,
                               pm_names_t *names, apr_time_t wait,
                               pm_member_t *member, pm_reason_t *why)
{
    const run_listener_t *same =
        listener_find(all->former, conf->name, conf->listen);
    run_listener_t l = {.name = apr_pstrdup(all->now->pool, conf->name),
                        .socket = {.fd = -1}};
    apr_status_t rv = listener_get_socket(
        all, &l, same, conf, pm_activation_find(activation, conf->name), names,
        wait, why);

    if (rv == APR_SUCCESS) {
        rv = listener_get_slot(all, &l, same, why);
        APR_ARRAY_PUSH(all->now, run_listener_t) = l;
    }
    if (rv == APR_SUCCESS) {
        pm_listener_t copy;

        rv = listener_copy(&copy, &l.socket, all->now->pool, why);
        member->fd = copy.fd;
        member->foreign = l.socket.foreign;
        member->slot = l.slot;
        member->generation = l.generation;
    }
    return rv;
}

apr_status_t run_listeners_adjust(const run_listeners_t *all, int i,
                                  pm_reason_t *why)
{
    const run_listener_t *l = listener_at(all->now, i);
    pm_reason_t cause;
    apr_status_t rv = l->is_new || l->socket.foreign
                          ? APR_SUCCESS
                          : pm_listen_adjust(&l->socket, &l->opts, &cause);

    return rv == APR_SUCCESS ? rv
                             : pm_fail(why, rv, "pool %s: FcgiPMListen: %s",
                                       l->name, cause.text);
}

static void listeners_close(apr_array_header_t *list, int unlink_new)
{
    int i;

    for (i = 0; i < list->nelts; i++) {
        run_listener_t *l = listener_at(list, i);

        if (unlink_new && l->is_new) {
            pm_listen_unlink(&l->socket);
        }
        pm_listen_close(&l->socket);
    }
}

void run_listeners_end(run_listeners_t *all, int keep)
{
    listeners_close(keep ? all->former : all->now, !keep);
    if (!keep) {
        all->now = all->former;
    }
    all->former = NULL;
}
