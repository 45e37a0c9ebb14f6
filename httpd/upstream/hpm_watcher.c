/* SPDX-License-Identifier: Apache-2.0 */
#include "httpd/upstream/hpm_watcher.h"

#include <errno.h>

#ifdef __linux__

#include <poll.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>

#include "httpd/upstream/hpm_thread.h"

#define WATCHER_EVENTS 64

APR_RING_HEAD(hpm_watched_ring, hpm_watched);

/* The mutex makes an event and what is watched agree: an event is taken with
 * the mutex held, so it is never of a request that was removed. */
struct hpm_watcher {
    pthread_mutex_t mutex;
    pthread_t thread;
    hpm_queue_t *q;
    apr_interval_time_t after;
    int epoll_fd;
    int wake_fd;
    int sleeps; /* the thread, until it is woken or a client goes */
    int stop;
    struct hpm_watched_ring recent; /* not polled yet, as they are due */
};

static void watcher_take_events(hpm_watcher_t *watcher)
{
    struct epoll_event ev[WATCHER_EVENTS];
    int n = epoll_wait(watcher->epoll_fd, ev, WATCHER_EVENTS, 0);

    while (n-- > 0) {
        /* once: EPOLLONESHOT */
        hpm_queue_end(watcher->q, ev[n].data.ptr, HPM_WAITER_GONE);
    }
}

static void watcher_poll(const hpm_watcher_t *watcher, hpm_watched_t *client)
{
    struct epoll_event ev = {.events = EPOLLRDHUP | EPOLLONESHOT,
                             .data.ptr = client->waiter};

    APR_RING_REMOVE(client, link);
    client->polled = 1;
    (void)epoll_ctl(watcher->epoll_fd, EPOLL_CTL_ADD, client->fd, &ev);
}

/* @return for how long to sleep, milliseconds; -1: until woken */
static int watcher_look(hpm_watcher_t *watcher)
{
    apr_time_t now = pm_time_now();

    while (!APR_RING_EMPTY(&watcher->recent, hpm_watched, link)) {
        hpm_watched_t *first = APR_RING_FIRST(&watcher->recent);

        if (first->due > now) {
            return (int)apr_time_as_msec(first->due - now) + 1;
        }
        watcher_poll(watcher, first);
    }
    return -1;
}

static void watcher_wake(const hpm_watcher_t *watcher)
{
    (void)eventfd_write(watcher->wake_fd, 1);
}

static void *watcher_run(void *ctx)
{
    hpm_watcher_t *watcher = ctx;
    struct pollfd pfd[2] = {{watcher->epoll_fd, POLLIN, 0},
                            {watcher->wake_fd, POLLIN, 0}};
    eventfd_t n;
    int timeout;

    (void)pthread_mutex_lock(&watcher->mutex);
    while (!watcher->stop) {
        timeout = watcher_look(watcher);
        watcher->sleeps = timeout < 0;
        (void)pthread_mutex_unlock(&watcher->mutex);
        if (poll(pfd, 2, timeout) > 0 && pfd[1].revents) {
            (void)eventfd_read(watcher->wake_fd, &n);
        }
        (void)pthread_mutex_lock(&watcher->mutex);
        watcher_take_events(watcher);
    }
    (void)pthread_mutex_unlock(&watcher->mutex);
    return NULL;
}

hpm_watcher_t *hpm_watcher_start(hpm_queue_t *q, apr_interval_time_t after,
                                 apr_pool_t *p, pm_reason_t *why)
{
    hpm_watcher_t *watcher = apr_pcalloc(p, sizeof(*watcher));
    int err;

    (void)pthread_mutex_init(&watcher->mutex, NULL);
    APR_RING_INIT(&watcher->recent, hpm_watched, link);
    watcher->q = q;
    watcher->after = after;
    watcher->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    watcher->wake_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    err = watcher->epoll_fd < 0 || watcher->wake_fd < 0
              ? errno
              : hpm_thread_start(&watcher->thread, watcher_run, watcher);
    if (err) {
        pm_fail_os(why, err, "nothing that watches clients");
        return NULL;
    }
    return watcher;
}

void hpm_watcher_stop(hpm_watcher_t *watcher)
{
    (void)pthread_mutex_lock(&watcher->mutex);
    watcher->stop = 1;
    (void)pthread_mutex_unlock(&watcher->mutex);
    watcher_wake(watcher);
    (void)pthread_join(watcher->thread, NULL);
}

void hpm_watcher_add(hpm_watcher_t *watcher, hpm_watched_t *client, int fd,
                     hpm_waiter_t *w)
{
    int sleeps;

    client->waiter = w;
    client->fd = fd;
    client->polled = 0;
    client->due = pm_time_now() + watcher->after;
    (void)pthread_mutex_lock(&watcher->mutex);
    APR_RING_INSERT_TAIL(&watcher->recent, client, hpm_watched, link);
    sleeps = watcher->sleeps;
    watcher->sleeps = 0;
    (void)pthread_mutex_unlock(&watcher->mutex);
    if (sleeps) {
        watcher_wake(watcher);
    }
}

void hpm_watcher_remove(hpm_watcher_t *watcher, hpm_watched_t *client)
{
    (void)pthread_mutex_lock(&watcher->mutex);
    if (client->polled) {
        (void)epoll_ctl(watcher->epoll_fd, EPOLL_CTL_DEL, client->fd, NULL);
    }
    else {
        APR_RING_REMOVE(client, link);
    }
    (void)pthread_mutex_unlock(&watcher->mutex);
}

#else

hpm_watcher_t *hpm_watcher_start(hpm_queue_t *q, apr_interval_time_t after,
                                 apr_pool_t *p, pm_reason_t *why)
{
    (void)q;
    (void)after;
    (void)p;
    pm_fail_os(why, ENOSYS, "nothing that watches clients");
    return NULL;
}

void hpm_watcher_stop(hpm_watcher_t *watcher)
{
    (void)watcher;
}

void hpm_watcher_add(hpm_watcher_t *watcher, hpm_watched_t *client, int fd,
                     hpm_waiter_t *w)
{
    (void)watcher;
    (void)client;
    (void)fd;
    (void)w;
}

void hpm_watcher_remove(hpm_watcher_t *watcher, hpm_watched_t *client)
{
    (void)watcher;
    (void)client;
}

#endif
