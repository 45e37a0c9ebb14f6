/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file pm_script_pools.h
 * @brief Pools that are made for scripts when they are asked for.
 *
 * A pool for each script that was asked for and may be run
 * (pm_script_resolve.h), FcgiPMMaxScripts at the most.  The manager makes its
 * socket, slot and generation and answers with them; the scoreboard tells
 * httpd's children when the pool is gone.  A pool that was not used for its
 * idle timeout goes, with its socket; where there are FcgiPMMaxScripts, the one
 * not used for longest goes for another.  When a script has changed its workers
 * are replaced one after the other.  The manager checks the script before each
 * start, and the child once more before it executes it.
 *
 * The pools outlive the manager: each one's socket is in a store
 * (pm_fd_store.h), with what it was made for.  The next manager makes the same
 * pool of it again, in the same slot, so that requests that wait there do not
 * notice.
 */
#ifndef PM_SCRIPT_POOLS_H
#define PM_SCRIPT_POOLS_H

#include "pm_core/policy/pm_control_protocol.h"
#include "pm_core/pool/pm_pool.h"

extern const pm_pool_feature_t pm_script_pools_feature;

/** All scripts of a manager; context->scripts. */
typedef struct pm_script_pools pm_script_pools_t;

/** The script of a pool; pool->script. */
typedef struct pm_script_pool pm_script_pool_t;

void pm_script_pools_init(pm_context_t *context);

/**
 * Find or make a script's pool.
 * @param req PM_VERB_SCRIPT; CONFIG is httpd's number of the caller's
 *            configuration, HOST and PATH are escaped as in a URL
 * @return `ok SLOT GENERATION NAME ADDRESS`; `error STATUS REASON` (see
 *         pm_script_resolve(); 503: there are too many); `error later`: the
 *         caller's configuration is not in force any more, or not yet
 */
const char *pm_script_pools_ask(pm_context_t *context, const pm_request_t *req,
                                apr_pool_t *p);

/** This set is in force from now on, and lives as long.  A manager's first set:
 *  pools of the manager before are taken over, what cannot be is cleared away.
 *  Any other: pm_script_pools_go_on() follows. */
void pm_script_pools_adopt(pm_context_t *context, const pm_pool_set_t *set);

/** Put the set in force for the pools that there are, until @a end, for one at
 *  least: those whose script no rules cover any more are removed.  A script
 * that is asked for meanwhile comes first.
 *  @return 0: it is in force for all */
int pm_script_pools_go_on(pm_context_t *context, apr_time_t end);

/** The scoreboard is new, but follows one that children still have: the first
 *  manager on it takes over what the keeper has, and no generation is given
 *  that they may know of another script.  Parent, before the manager.
 *  @param config httpd's number of the configuration */
void pm_script_pools_follow(pm_scoreboard_t *scoreboard, apr_uint32_t config);

/** Remove the files of all scripts' sockets.  For a time without manager; the
 *  parent calls this when httpd ends. */
void pm_script_pools_unlink(pm_scoreboard_t *scoreboard,
                            const char *runtime_dir, apr_pool_t *p);

#endif /* PM_SCRIPT_POOLS_H */
