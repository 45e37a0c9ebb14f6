/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file pm_proto.h
 * @brief Layer 1: the words of the control socket.
 *
 * A request is one line of words, its answer is one line: `ok...`,
 * `error REASON`, or a JSON object.  Several requests can be sent on one
 * connection.
 */
#ifndef PM_PROTO_H
#define PM_PROTO_H

#include "pm_base.h"

#define PM_PROTO_LINE 1024   /**< bytes of a request at the most */

typedef enum pm_verb {
    PM_VERB_PING,            /**< -> ok PID VERSION */
    PM_VERB_STATUS,          /**< [POOL] -> JSON */
    PM_VERB_RELOAD           /**< [POOL] -> ok */
} pm_verb_t;

/** Who may say a word.  A peer of a class may do what lower ones may. */
typedef enum pm_right {
    PM_RIGHT_NONE,
    PM_RIGHT_ASK,            /**< httpd's user */
    PM_RIGHT_ALL             /**< root, and the manager's own uid */
} pm_right_t;

typedef struct pm_request {
    pm_verb_t verb;
    char pool[65];           /**< "" : all */
} pm_request_t;

/**
 * Understand a line (without its newline; may come from a stranger).
 * @param right what the peer may do
 * @return APR_EINVAL, or EACCES when the peer may not; with a reason
 */
apr_status_t pm_proto_parse(pm_request_t *req, const char *line,
                            pm_right_t right, pm_reason_t *why);

#endif /* PM_PROTO_H */
