/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file hpm_thread.h
 * @brief A thread of the module's own in an httpd child.
 */
#ifndef HPM_THREAD_H
#define HPM_THREAD_H

#include <pthread.h>

/** Start a thread that gets no signal, as those are the MPM's, and has a small
 *  stack.  @return 0 or an errno */
int hpm_thread_start(pthread_t *thread, void *(*run)(void *ctx), void *ctx);

#endif /* HPM_THREAD_H */
