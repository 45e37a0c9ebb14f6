/* SPDX-License-Identifier: Apache-2.0 */
#include "pm_core/ipc/pm_fd_store.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "apr_hash.h"
#include "apr_strings.h"
#include "pm_core/os/pm_fds.h"
#include "pm_core/shm/pm_scoreboard.h"

/* --- the keeper ----------------------------------------------------------- */

typedef struct item {
    apr_pool_t *p; /* its own */
    apr_uint32_t number;
    const char *text;
    int fd;
} item_t;

typedef struct keeper {
    int fd;
    apr_pool_t *p;
    apr_hash_t *items; /* number -> item_t */
} keeper_t;

static void store_forget(keeper_t *k, apr_uint32_t number)
{
    item_t *item = apr_hash_get(k->items, &number, sizeof(number));

    if (item) {
        apr_hash_set(k->items, &number, sizeof(number), NULL);
        close(item->fd);
        apr_pool_destroy(item->p);
    }
}

/* @return 0: there are as many as there are slots */
static int store_take(keeper_t *k, apr_uint32_t number, const char *text,
                      int fd)
{
    apr_pool_t *p;
    item_t *item;

    store_forget(k, number);
    if (apr_hash_count(k->items) >= PM_SCOREBOARD_SLOTS) {
        return 0;
    }
    p = pm_subpool_create(k->p);
    item = apr_palloc(p, sizeof(*item));
    *item = (item_t){p, number, apr_pstrdup(p, text), fd};
    apr_hash_set(k->items, &item->number, sizeof(item->number), item);
    return 1;
}

/* Waits for room: a manager that has died leaves what it has asked for to the
 * next one, which reads it. */
static void store_answer(const keeper_t *k, pm_message_t *msg)
{
    struct pollfd pfd = {k->fd, POLLOUT, 0};

    while (APR_STATUS_IS_EAGAIN(pm_channel_send(k->fd, msg, NULL))) {
        if (poll(&pfd, 1, -1) < 0 && errno != EINTR) {
            return;
        }
    }
}

static void store_answer_all(const keeper_t *k, const char *asker,
                             apr_pool_t *p)
{
    apr_hash_index_t *hi;
    pm_message_t end = {.text = apr_pstrdup(p, asker)};

    for (hi = apr_hash_first(p, k->items); hi; hi = apr_hash_next(hi)) {
        const item_t *item = apr_hash_this_val(hi);
        pm_message_t msg = {.text = apr_psprintf(p, "%s %u %s", asker,
                                                 item->number, item->text),
                            .nfds = 1,
                            .fds = {item->fd}};

        store_answer(k, &msg);
    }
    store_answer(k, &end);
}

/* @return what follows the first word, which is cut off */
static char *store_cut(char *text)
{
    char *rest = text + strcspn(text, " ");

    if (*rest) {
        *rest++ = '\0';
    }
    return rest;
}

static apr_uint32_t store_number(const char *word)
{
    return (apr_uint32_t)strtoul(word, NULL, 10);
}

static void store_obey(keeper_t *k, pm_message_t *msg, apr_pool_t *p)
{
    char *word = store_cut(msg->text);
    int fd = msg->nfds ? msg->fds[--msg->nfds] : -1;

    if (!strcmp(msg->text, "put") && fd >= 0) {
        char *text = store_cut(word);

        if (store_take(k, store_number(word), text, fd)) {
            fd = -1;
        }
    }
    else if (!strcmp(msg->text, "drop")) {
        store_forget(k, store_number(word));
    }
    else if (!strcmp(msg->text, "all")) {
        store_answer_all(k, word, p);
    }
    pm_fds_close(&fd);
}

void pm_fd_store_keep(int fd, apr_pool_t *p)
{
    keeper_t k = {fd, p, apr_hash_make(p)};
    struct pollfd pfd = {fd, POLLIN, 0};
    apr_pool_t *ptemp = pm_subpool_create(p);
    apr_status_t rv;

    do {
        pm_message_t msg;

        apr_pool_clear(ptemp);
        poll(&pfd, 1, -1);
        rv = pm_channel_recv(fd, &msg, ptemp, NULL);
        if (rv == APR_SUCCESS) {
            store_obey(&k, &msg, ptemp);
        }
    } while (rv == APR_SUCCESS || APR_STATUS_IS_EAGAIN(rv)
             || rv == APR_EGENERAL);
}

/* --- the manager ---------------------------------------------------------- */

apr_status_t pm_fd_store_put(int store, apr_uint32_t number, const char *text,
                             int fd, apr_pool_t *p, pm_reason_t *why)
{
    pm_message_t msg = {.text = apr_psprintf(p, "put %u %s", number, text),
                        .nfds = 1,
                        .fds = {fd}};

    return pm_channel_send(store, &msg, why);
}

void pm_fd_store_drop(int store, apr_uint32_t number, apr_pool_t *p)
{
    pm_message_t msg = {.text = apr_psprintf(p, "drop %u", number)};

    pm_channel_send(store, &msg, NULL);
}

static void store_look(int store, char *text, int *fd,
                       int (*keep)(void *ctx, const char *text, int *fd),
                       void *ctx, apr_pool_t *p)
{
    char *what = store_cut(text);

    if (*fd < 0 || !keep(ctx, what, fd)) {
        pm_fd_store_drop(store, store_number(text), p);
    }
    pm_fds_close(fd);
}

void pm_fd_store_each(int store, apr_time_t deadline,
                      int (*keep)(void *ctx, const char *text, int *fd),
                      void *ctx, apr_pool_t *p)
{
    apr_pool_t *ptemp = pm_subpool_create(p);
    const char *me = apr_psprintf(p, "%d", (int)getpid());
    pm_message_t msg = {.text = apr_pstrcat(p, "all ", me, NULL)};
    struct pollfd pfd = {store, POLLIN, 0};
    apr_status_t rv = pm_channel_send(store, &msg, NULL);
    apr_time_t left;
    int more = 1;

    while (rv == APR_SUCCESS && more && (left = deadline - pm_time_now()) > 0) {
        int fd;
        char *text;

        apr_pool_clear(ptemp);
        poll(&pfd, 1, (int)apr_time_as_msec(left) + 1);
        rv = pm_channel_recv(store, &msg, ptemp, NULL);
        if (rv != APR_SUCCESS) {
            rv = APR_STATUS_IS_EAGAIN(rv) || rv == APR_EGENERAL ? APR_SUCCESS
                                                                : rv;
            continue;
        }
        fd = msg.nfds ? msg.fds[0] : -1;
        text = store_cut(msg.text);
        if (strcmp(msg.text, me) != 0) {
            pm_fds_close(&fd); /* a manager that has died has asked for it */
        }
        else if (*text) {
            store_look(store, text, &fd, keep, ctx, ptemp);
        }
        else {
            more = 0;
        }
    }
    apr_pool_destroy(ptemp);
}
