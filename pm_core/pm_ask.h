/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file pm_ask.h
 * @brief Layer 2: one question to a manager over its control socket.
 *
 * For who must not wait long: connecting, asking and the whole answer have to
 * be done by one deadline.
 */
#ifndef PM_ASK_H
#define PM_ASK_H

#include "pm_base.h"

/**
 * @param path of the control socket
 * @param line the question, without its newline
 * @param most bytes of an answer that are taken; a longer one is an error
 * @param timeout for all of it
 * @return the answer, without its newline, in @a p; NULL with a reason
 */
char *pm_ask(const char *path, const char *line, apr_size_t most,
             apr_interval_time_t timeout, apr_pool_t *p, pm_reason_t *why);

#endif /* PM_ASK_H */
