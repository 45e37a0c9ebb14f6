/* SPDX-License-Identifier: Apache-2.0 */
#include "httpd/upstream/hpm_thread.h"

#include <signal.h>

#define THREAD_STACK ((size_t)256 * 1024)

int hpm_thread_start(pthread_t *thread, void *(*run)(void *ctx), void *ctx)
{
    pthread_attr_t attr;
    sigset_t all, before;
    int err;

    pthread_attr_init(&attr);
    (void)pthread_attr_setstacksize(&attr, THREAD_STACK);
    sigfillset(&all);
    (void)pthread_sigmask(SIG_SETMASK, &all, &before);
    err = pthread_create(thread, &attr, run, ctx);
    (void)pthread_sigmask(SIG_SETMASK, &before, NULL);
    pthread_attr_destroy(&attr);
    return err;
}
