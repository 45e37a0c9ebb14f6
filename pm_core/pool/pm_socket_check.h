/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file pm_socket_check.h
 * @brief A pool's listening socket stays usable, whatever a worker does to it.
 *
 * Looked at before each start of a worker, at a plan when the last look is a
 * second old, and at once when a worker has shut it down.  What cannot be set
 * back (see pm_listen_state.h) is replaced by another socket at the same path:
 * clients go there with their next connection, workers are replaced.  httpd's
 * parent learns of it with the next configuration, as the path is not its
 * socket's any more.
 */
#ifndef PM_SOCKET_CHECK_H
#define PM_SOCKET_CHECK_H

#include "pm_core/pool/pm_pool.h"

extern const pm_pool_feature_t pm_socket_check_feature;

#endif /* PM_SOCKET_CHECK_H */
