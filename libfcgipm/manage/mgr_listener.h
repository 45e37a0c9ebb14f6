/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file mgr_listener.h
 * @brief The socket that workers accept on: which descriptor it is, and how it
 *        is closed for a worker that was told to go.
 */
#ifndef MGR_LISTENER_H
#define MGR_LISTENER_H

#include "libfcgipm/manage/fcgipm.h"

#pragma GCC visibility push(hidden)

/** How fcgipm_listen_fd() is known. */
typedef enum mgr_listener {
    MGR_LISTENER_NONE,    /**< not known: no descriptor listens */
    MGR_LISTENER_SEVERAL, /**< not known: several descriptors listen */
    MGR_LISTENER_FOUND,   /**< descriptor 0 or the only one that listens */
    MGR_LISTENER_NAMED    /**< set by the program */
} mgr_listener_t;

/** The program has named it, directly or by a request of libfcgi's. */
void mgr_listener_name(fcgipm_t *pm, int fd);

/** Look for it, unless it is known. */
void mgr_listener_find(fcgipm_t *pm);

/** In a manager: find it, or end with a message when there is nothing that
 *  workers could accept on. */
void mgr_listener_require(fcgipm_t *pm);

/** In a worker with a loop of its own: find it, or say once that it is to be
 *  named. */
void mgr_listener_doubt(fcgipm_t *pm);

/** Make accept(2) on it fail from now on, in this process only.  In a handler:
 *  yes. */
void mgr_listener_close(const fcgipm_t *pm);

#pragma GCC visibility pop

#endif /* MGR_LISTENER_H */
