/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file pm_control_protocol.h
 * @brief Layer 1: the words of the control socket.
 *
 * A request is one line of words.  Its answer is a last line, `ok...`,
 * `error REASON` or a JSON object; further lines can come before it, see
 * pm_control_protocol_is_last().  Several requests can be sent on one
 * connection.
 *
 * A word is a row of one table: what may follow it stands there as it is
 * shown to people, and is what a request is matched with.
 */
#ifndef PM_CONTROL_PROTOCOL_H
#define PM_CONTROL_PROTOCOL_H

#include "pm_core/base/pm_base.h"

#define PM_CONTROL_PROTOCOL_LINE  1024 /**< bytes of a request at the most */
#define PM_CONTROL_PROTOCOL_WORDS 8    /**< words of a request at the most */

typedef enum pm_verb {
    PM_VERB_PING,
    PM_VERB_STATUS,
    PM_VERB_CONFIG,
    PM_VERB_RELOAD,
    PM_VERB_START,
    PM_VERB_STOP,
    PM_VERB_SCALE,
    PM_VERB_KILL,
    PM_VERB_SCRIPT, /**< see pm_script_pools_ask() */
    PM_VERBS
} pm_verb_t;

/** Who may say a word.  A peer of a class may do what lower ones may. */
typedef enum pm_right {
    PM_RIGHT_NONE,
    PM_RIGHT_ASK, /**< httpd's user */
    PM_RIGHT_ALL  /**< root, and the manager's own uid */
} pm_right_t;

typedef struct pm_request {
    pm_verb_t verb;
    char pool[65];           /**< "": all */
    int wait;                /**< the answer is to come when it is done */
    int n;                   /**< numbers that were given */
    apr_int64_t number[2];   /**< in their order, 0 to 999999999 */
    const char *host, *path; /**< in the line, as they stand there */
    apr_size_t host_len, path_len;
} pm_request_t;

/**
 * Understand a line (without its newline; may come from a stranger).
 * @param right what the peer may do
 * @return APR_EINVAL, or EACCES when the peer may not; with a reason
 */
apr_status_t pm_control_protocol_parse(pm_request_t *req, const char *line,
                                       pm_right_t right, pm_reason_t *why);

/** @return a word by its number, 0 and up, with what may follow it in
 *  @a args; NULL behind the last one */
const char *pm_control_protocol_word(int i, const char **args);

/** Is this line of an answer its last one?  Lines that begin with another
 *  word (`progress`, `stderr`; others may come) only tell how it goes. */
int pm_control_protocol_is_last(const char *line);

#endif /* PM_CONTROL_PROTOCOL_H */
