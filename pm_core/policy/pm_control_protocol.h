/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file pm_control_protocol.h
 * @brief The words of the control socket: requests, and how answers end.
 *
 * A request is one line of words.  Its answer is a last line, `ok...`,
 * `error REASON` or a JSON object; further lines can come before it, see
 * pm_control_protocol_is_last().  Several requests can be sent on one
 * connection.
 *
 * Each word is a row of one table.  The row has the arguments as they are shown
 * to people, and requests are matched with the same text.  The manager parses
 * requests; the tools read the table for help and completion.
 */
#ifndef PM_CONTROL_PROTOCOL_H
#define PM_CONTROL_PROTOCOL_H

#include "pm_core/base/pm_base.h"

/** Bytes of a request at the most: a script's path has up to 4000, each of
 *  which can be escaped, and a host's name comes before it. */
#define PM_CONTROL_PROTOCOL_LINE  16384
#define PM_CONTROL_PROTOCOL_WORDS 8 /**< words of a request at the most */

typedef enum pm_verb {
    PM_VERB_PING,
    PM_VERB_STATUS,
    PM_VERB_CONFIG,
    PM_VERB_RELOAD,
    PM_VERB_START,
    PM_VERB_STOP,
    PM_VERB_DRAIN, /**< without a pool: the manager ends */
    PM_VERB_SCALE,
    PM_VERB_KILL,
    PM_VERB_SCRIPT, /**< see pm_script_pools_ask() */
    PM_VERBS
} pm_verb_t;

/** The rights of a peer; each includes those before it. */
typedef enum pm_right {
    PM_RIGHT_NONE, /**< no request at all */
    PM_RIGHT_ASK,  /**< httpd's user */
    PM_RIGHT_ALL   /**< root, and the manager's own uid */
} pm_right_t;

/** A request, parsed. */
typedef struct pm_request {
    pm_verb_t verb;
    char pool[65];           /**< name of a pool; "": all pools */
    int wait;                /**< 1: answer when it has been done */
    int n;                   /**< how many numbers were given */
    apr_int64_t number[2];   /**< in their order, 0 to 999999999 */
    const char *host, *path; /**< point into the line, not terminated */
    apr_size_t host_len, path_len;
} pm_request_t;

/**
 * Parse a line.
 * @param line  without newline; not trusted; @a req points into it
 * @param right the right of the peer
 * @return APR_EINVAL, or EACCES when the right does not suffice; with a reason
 */
apr_status_t pm_control_protocol_parse(pm_request_t *req, const char *line,
                                       pm_right_t right, pm_reason_t *why);

/** @return a word by its number, 0 and up, and its arguments in @a args; NULL
 *  after the last one */
const char *pm_control_protocol_word(int i, const char **args);

/** Is this line of an answer its last one?  Lines that begin with another word
 *  (`progress`, `stderr`, perhaps more in later versions) are followed by
 *  others. */
int pm_control_protocol_is_last(const char *line);

#endif /* PM_CONTROL_PROTOCOL_H */
