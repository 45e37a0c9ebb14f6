/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file pm_channel.h
 * @brief Messages with descriptors over the private socketpair of parent and
 *        manager.
 *
 * A SOCK_SEQPACKET pair (unix(7)): a message is one text and up to
 * PM_CHANNEL_FDS descriptors (SCM_RIGHTS).  Both ends are close-on-exec.  The
 * manager's end is non-blocking and watched by its loop; the parent's end
 * waits, with a deadline.  pm_pool_set.h says what the texts mean.
 */
#ifndef PM_CHANNEL_H
#define PM_CHANNEL_H

#include "pm_core/os/pm_fd_pass.h"

#define PM_CHANNEL_FDS PM_FD_PASS_MAX /**< descriptors in one message */
#define PM_CHANNEL_MAX (128 * 1024)   /**< bytes of text in one message */

/** One message.  The text ends with a NUL that is not sent. */
typedef struct pm_message {
    char *text;
    int nfds;
    int fds[PM_CHANNEL_FDS]; /**< received ones belong to the receiver */
} pm_message_t;

/** Make the pair; the parent does, before it forks the manager.
 *  @param fd [0] the parent's end, [1] the manager's */
apr_status_t pm_channel_pair(int fd[2], pm_reason_t *why);

/** Send a message whole or not at all.
 *  @return APR_EAGAIN when a non-blocking end cannot take it now */
apr_status_t pm_channel_send(int fd, const pm_message_t *msg, pm_reason_t *why);

/**
 * Receive one message.  Its descriptors are close-on-exec.
 * @param p where the text goes
 * @return APR_EAGAIN when there is none, APR_EOF when the other end is closed,
 *         APR_EGENERAL for a message that was cut; it has no descriptors then
 */
apr_status_t pm_channel_recv(int fd, pm_message_t *msg, apr_pool_t *p,
                             pm_reason_t *why);

/** Messages that may be sent before the first is answered: the manager answers
 *  between other things, some milliseconds each time. */
#define PM_CHANNEL_AHEAD 64

/** Messages of the parent, each of which the manager answers: "ok" or "error
 *  REASON". */
typedef struct pm_channel_calls {
    int fd;              /**< the parent's end */
    apr_time_t deadline; /**< pm_time_now() by which all must be answered */
    int unanswered;      /**< 0 at first */
} pm_channel_calls_t;

/**
 * Send a message.  Waits for an answer only when PM_CHANNEL_AHEAD are due.
 * @return APR_TIMEUP, APR_EOF, or APR_EGENERAL with the manager's reason for
 *         this message or one before
 */
apr_status_t pm_channel_call(pm_channel_calls_t *calls, const pm_message_t *msg,
                             apr_pool_t *p, pm_reason_t *why);

/** Wait until all messages are answered.  @return as pm_channel_call() */
apr_status_t pm_channel_settle(pm_channel_calls_t *calls, apr_pool_t *p,
                               pm_reason_t *why);

#endif /* PM_CHANNEL_H */
