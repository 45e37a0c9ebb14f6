/* SPDX-License-Identifier: Apache-2.0 */
/* Slots and listening sockets from one configuration to the next. */
#include "httpd/server/hpm_parent.h"

#include <unistd.h>

#include "apr_portable.h"
#include "apr_strings.h"

#include "pm_core/os/pm_ident.h"

APLOG_USE_MODULE(fcgipm);

apr_status_t hpm_hold(apr_file_t **file, int fd, apr_pool_t *plog)
{
    apr_status_t rv = apr_os_pipe_put_ex(file, &fd, 1, plog);

    if (rv != APR_SUCCESS) {
        close(fd);
        *file = NULL;
    }
    return rv;
}

void hpm_move(apr_file_t **file, apr_pool_t *p)
{
    apr_file_t *moved;

    if (*file && apr_file_setaside(&moved, *file, p) == APR_SUCCESS) {
        *file = moved;
    }
}

void hpm_drop(apr_file_t **file)
{
    if (*file) {
        apr_file_close(*file);
        *file = NULL;
    }
}

int hpm_fd(apr_file_t *file)
{
    apr_os_file_t fd = -1;

    if (file) {
        apr_os_file_get(&fd, file);
    }
    return fd;
}

/* --- finding -------------------------------------------------------------- */

static hpm_listener_t *place_at(const apr_array_header_t *places, int i)
{
    return &APR_ARRAY_IDX(places, i, hpm_listener_t);
}

static hpm_listener_t *find_place(const apr_array_header_t *places,
                                  const char *name, const char *listen)
{
    int i;

    for (i = 0; i < places->nelts; i++) {
        hpm_listener_t *place = place_at(places, i);

        if (!strcmp(place->listener.text, listen)
            && !strcmp(place->name, name)) {
            return place;
        }
    }
    return NULL;
}

/* A host and port can be bound once: when another pool has it now, the
 * socket goes over.  The path of a unix socket is simply taken by a new one,
 * and what waits at the old one is answered by the old pool. */
static hpm_listener_t *find_port(const apr_array_header_t *places,
                                 const char *listen)
{
    int i;

    for (i = 0; i < places->nelts; i++) {
        hpm_listener_t *place = place_at(places, i);

        if (place->file && !place->listener.path
            && !strcmp(place->listener.text, listen)) {
            return place;
        }
    }
    return NULL;
}

/* Can it be reached still?  Somebody may have removed a socket's file. */
static int is_whole(const hpm_listener_t *place)
{
    return place->file
           && (!place->listener.path || pm_listen_is_there(&place->listener));
}

/* --- slots ---------------------------------------------------------------- */

static void note_slots(char *taken, const apr_array_header_t *places)
{
    int i;

    for (i = 0; i < places->nelts; i++) {
        taken[place_at(places, i)->slot] = 1;
    }
}

/* Round and round, so that a slot rests as long as can be before another
 * pool has it; one where a removed pool is draining is taken last. */
static int free_slot(hpm_retained_t *r, const char *taken)
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

static apr_status_t listen_opts(pm_listen_opts_t *opts, const pm_conf_t *conf,
                                pm_reason_t *why)
{
    opts->backlog = (int)conf->listen_backlog;
    opts->mode = (mode_t)conf->listen_mode;
    return pm_ident_owner(conf->listen_owner, &opts->uid, &opts->gid, why);
}

/* The socket an earlier configuration had on that address, if any.  Its file
 * goes over to @a place. */
static int take_socket(hpm_listener_t *place, hpm_listener_t *former,
                       const pm_listen_opts_t *opts, hpm_parent_t *me)
{
    apr_pool_t *p = me->retained->pool;
    pm_reason_t why;

    if (!former || !is_whole(former)) {
        return 0;
    }
    place->listener = former->listener;
    place->listener.text = apr_pstrdup(p, former->listener.text);
    if (former->listener.path) {
        place->listener.path = place->listener.text + 5; /* "unix:" */
    }
    place->file = former->file;
    former->file = NULL;
    hpm_move(&place->file, me->plog);
    if (opts && pm_listen_adjust(&place->listener, opts, &why) != APR_SUCCESS) {
        ap_log_error(APLOG_MARK, APLOG_WARNING, 0, me->s,
                     "pool %s: its "
                     "socket is left as it was: %s",
                     place->name, why.text);
    }
    return 1;
}

static apr_status_t open_socket(hpm_listener_t *place, const char *listen,
                                const pm_listen_opts_t *opts, hpm_parent_t *me,
                                pm_reason_t *why)
{
    apr_status_t rv =
        pm_listen_open(&place->listener, listen, opts, me->retained->pool, why);

    if (rv == APR_SUCCESS) {
        rv = hpm_hold(&place->file, place->listener.fd, me->plog);
        if (rv != APR_SUCCESS) {
            return pm_fail_os(why, rv, "cannot keep a socket");
        }
    }
    return rv;
}

static apr_status_t get_socket(hpm_listener_t *place,
                               const apr_array_header_t *former,
                               const pm_conf_t *conf, hpm_parent_t *me,
                               pm_reason_t *why)
{
    pm_listen_opts_t opts;
    apr_status_t rv = listen_opts(&opts, conf, why);

    if (rv != APR_SUCCESS
        || take_socket(place, find_place(former, place->name, conf->listen),
                       &opts, me)
        || take_socket(place, find_port(former, conf->listen), &opts, me)) {
        return rv;
    }
    return open_socket(place, conf->listen, &opts, me, why);
}

/* A pool whose new definition is no good keeps the place it had, and goes on
 * as it was defined then. */
static void keep_place(hpm_listener_t *place, const apr_array_header_t *former,
                       hpm_pool_t *pool, hpm_parent_t *me)
{
    hpm_listener_t *same = find_place(former, place->name, pool->conf->listen);

    if (same && same->settings && take_socket(place, same, NULL, me)) {
        place->settings = apr_pstrdup(me->retained->pool, same->settings);
        pool->former = pool->failed;
        pool->failed = NULL;
    }
}

/* --- places --------------------------------------------------------------- */

/* The slot it had is the pool's again, unless it had another socket: that
 * pool drains, and this one is another. */
static int get_slot(hpm_listener_t *place, const hpm_listener_t *same,
                    char *taken, hpm_retained_t *r)
{
    if (same
        && (same->listener.fd < 0 || same->listener.fd == place->listener.fd)) {
        place->slot = same->slot;
        place->generation = same->generation;
        return 1;
    }
    place->slot = free_slot(r, taken);
    if (place->slot < 0) {
        return 0;
    }
    taken[place->slot] = 1;
    place->generation = ++r->generations;
    return 1;
}

static void renew(hpm_parent_t *me, hpm_pool_t *pool,
                  const apr_array_header_t *former, char *taken)
{
    hpm_retained_t *r = me->retained;
    hpm_listener_t place = {0};
    pm_reason_t why;

    place.name = apr_pstrdup(r->pool, pool->name);
    place.listener.fd = -1;
    if (pool->failed) {
        keep_place(&place, former, pool, me);
    }
    else if (get_socket(&place, former, pool->conf, me, &why) != APR_SUCCESS) {
        pool->failed = apr_pstrdup(me->pconf, why.text);
    }
    else {
        place.settings = pm_conf_write(pool->conf, 0, r->pool);
    }
    if (!place.listener.text) {
        place.listener.text = apr_pstrdup(r->pool, pool->conf->listen);
    }
    if (!get_slot(&place, find_place(former, pool->name, pool->conf->listen),
                  taken, r)) {
        pool->failed = "there are too many pools";
        hpm_drop(&place.file);
        return;
    }
    pool->slot = place.slot;
    pool->generation = place.generation;
    *(hpm_listener_t *)apr_array_push(r->places) = place;
}

apr_array_header_t *hpm_listeners_renew(hpm_parent_t *me, apr_pool_t *ptemp)
{
    hpm_retained_t *r = me->retained;
    apr_array_header_t *former = r->places;
    char *taken = apr_pcalloc(ptemp, PM_SCOREBOARD_SCRIPTS);
    int i;

    if (!former) {
        former = apr_array_make(ptemp, 1, sizeof(hpm_listener_t));
    }
    note_slots(taken, former);
    r->places = apr_array_make(r->pool, me->server->order->nelts,
                               sizeof(hpm_listener_t));
    for (i = 0; i < me->server->order->nelts; i++) {
        renew(me, APR_ARRAY_IDX(me->server->order, i, hpm_pool_t *), former,
              taken);
    }
    return former;
}

void hpm_listeners_close(apr_array_header_t *former, int unlink_too)
{
    int i;

    for (i = 0; i < former->nelts; i++) {
        hpm_listener_t *place = place_at(former, i);

        if (place->file && unlink_too) {
            pm_listen_unlink(&place->listener);
        }
        hpm_drop(&place->file);
    }
}
