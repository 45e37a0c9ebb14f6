/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file pm_warmup.h
 * @brief FcgiPMWarmup: requests that a worker answers before it counts as
 *        ready, or before it becomes a fork server.
 *
 * The manager makes a pair of sockets for each request and writes the request
 * into it; the worker gets the other ends with its birth (pm_fork_order.h), and
 * the guard in it gives them to the program in place of clients.  So no
 * client's request comes before them, and none is held up by them.  Answers
 * are read as they come; nothing here waits.  FcgiPMStartTimeout is the
 * deadline of the whole start.
 *
 * A request fails that is answered with 5xx, or not, or with what is no answer.
 * While old workers wait for the new one (a rolling reload, or any with a fork
 * server) that is a start that has failed: the new code is broken.  Else the
 * worker serves: nothing better is there.
 */
#ifndef PM_WARMUP_H
#define PM_WARMUP_H

#include "pm_core/pool/pm_pool.h"

extern const pm_pool_feature_t pm_warmup_feature;

/** The requests of a worker. */
typedef struct pm_warmup pm_warmup_t;

/**
 * Before a worker is started: ask.
 * @param fork_fd the manager's end of its socket (pm_fork_client_pair())
 * @return NULL: there is nothing to be asked, or the reason was logged
 */
pm_warmup_t *pm_warmup_ask(pm_pool_t *pool, int fork_fd);

/** It was started; @a w NULL: it was not.  @a warmup may be NULL. */
void pm_warmup_begin(pm_warmup_t *warmup, pm_worker_t *w);

/** The same for a worker that is to become no fork server.
 *  @param fork_fd out: for the worker, see pm_birth_t; -1: none */
pm_warmup_t *pm_warmup_prepare(pm_pool_t *pool, int *fork_fd);

/** How have its requests been answered?
 *  @param over 1: those that have not been yet never will
 *  @return 1: it may serve; 0: an answer is to come, or it is being ended */
int pm_warmup_judge(pm_worker_t *w, int over);

/** It waits for requests of clients, or it is not known when it does.
 *  @param seen what it reports
 *  @return as above */
int pm_warmup_waits(pm_worker_t *w, const pm_worker_facts_t *seen);

/** It counts as ready: what has not been asked will not be. */
void pm_warmup_ready(pm_worker_t *w);

/** It is ended, as it is not ready in time: which requests are to blame? */
void pm_warmup_late(const pm_worker_t *w);

/** For the status: "off", how the last worker's requests were answered, or
 *  "". */
const char *pm_warmup_state(const pm_pool_t *pool);

#endif /* PM_WARMUP_H */
