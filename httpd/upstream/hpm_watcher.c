/* SPDX-License-Identifier: Apache-2.0 */
#include "httpd/upstream/hpm_watcher.h"

#include <errno.h>

#ifdef __linux__

#include <poll.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>

#include "httpd/upstream/hpm_thread.h"

#define WATCHER_EVENTS 64

/* The mutex makes an event and what is watched agree: an event is taken with
 * the mutex held, so it is never of a request that was removed. */
struct hpm_watcher {
    pthread_mutex_t mutex;
    pthread_t thread;
    hpm_queue_t *q;
    int epoll_fd;
    int stop_fd;
};

static void watcher_take_events(hpm_watcher_t *watcher)
{
    struct epoll_event ev[WATCHER_EVENTS];
    int i, n;

    (void)pthread_mutex_lock(&watcher->mutex);
    n = epoll_wait(watcher->epoll_fd, ev, WATCHER_EVENTS, 0);
    for (i = 0; i < n; i++) {
        /* once: EPOLLONESHOT */
        hpm_queue_end(watcher->q, ev[i].data.ptr, HPM_WAITER_GONE);
    }
    (void)pthread_mutex_unlock(&watcher->mutex);
}

static void *watcher_run(void *ctx)
{
    hpm_watcher_t *watcher = ctx;
    struct pollfd pfd[2] = {{watcher->epoll_fd, POLLIN, 0},
                            {watcher->stop_fd, POLLIN, 0}};

    while (!pfd[1].revents) {
        if (poll(pfd, 2, -1) > 0 && pfd[0].revents) {
            watcher_take_events(watcher);
        }
    }
    return NULL;
}

hpm_watcher_t *hpm_watcher_start(hpm_queue_t *q, apr_pool_t *p,
                                 pm_reason_t *why)
{
    hpm_watcher_t *watcher = apr_pcalloc(p, sizeof(*watcher));
    int err;

    (void)pthread_mutex_init(&watcher->mutex, NULL);
    watcher->q = q;
    watcher->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    watcher->stop_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    err = watcher->epoll_fd < 0 || watcher->stop_fd < 0
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
    (void)eventfd_write(watcher->stop_fd, 1);
    (void)pthread_join(watcher->thread, NULL);
}

void hpm_watcher_add(hpm_watcher_t *watcher, int fd, hpm_waiter_t *w)
{
    struct epoll_event ev = {.events = EPOLLRDHUP | EPOLLONESHOT,
                             .data.ptr = w};

    (void)epoll_ctl(watcher->epoll_fd, EPOLL_CTL_ADD, fd, &ev);
}

void hpm_watcher_remove(hpm_watcher_t *watcher, int fd)
{
    (void)pthread_mutex_lock(&watcher->mutex);
    (void)epoll_ctl(watcher->epoll_fd, EPOLL_CTL_DEL, fd, NULL);
    (void)pthread_mutex_unlock(&watcher->mutex);
}

#else

hpm_watcher_t *hpm_watcher_start(hpm_queue_t *q, apr_pool_t *p,
                                 pm_reason_t *why)
{
    (void)q;
    (void)p;
    pm_fail_os(why, ENOSYS, "nothing that watches clients");
    return NULL;
}

void hpm_watcher_stop(hpm_watcher_t *watcher)
{
    (void)watcher;
}

void hpm_watcher_add(hpm_watcher_t *watcher, int fd, hpm_waiter_t *w)
{
    (void)watcher;
    (void)fd;
    (void)w;
}

void hpm_watcher_remove(hpm_watcher_t *watcher, int fd)
{
    (void)watcher;
    (void)fd;
}

#endif
