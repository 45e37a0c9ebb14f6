/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file pm_script_pools.h
 * @brief Layer 3: pools that are made of scripts when they are asked for.
 *
 * A pool for each script that was asked for and may be run
 * (pm_script_resolve.h), FcgiPMMaxScripts at the most.  The manager makes its
 * socket, its slot and its generation, and tells them to who asked; the board
 * tells all when it is no more.  A pool that nobody has used for its idle
 * timeout goes, with its socket; a script that has changed is started anew, one
 * worker after the other.  The script is looked at again before each birth, and
 * by the newborn itself before it executes it.
 */
#ifndef PM_SCRIPT_POOLS_H
#define PM_SCRIPT_POOLS_H

#include "pm_core/policy/pm_control_protocol.h"
#include "pm_core/ipc/pm_pool_set.h"

struct pm_pool;
struct pm_context;

/** All scripts of a manager; hangs on the world. */
typedef struct pm_script_pools pm_script_pools_t;

/** One; hangs on its pool. */
typedef struct pm_script_pool pm_script_pool_t;

void pm_script_pools_init(struct pm_context *world);

/**
 * Somebody asks for a script's pool.
 * @param req PM_VERB_SCRIPT; CONFIG is httpd's number of the configuration
 *            he has, HOST and PATH are escaped as in a URL
 * @return `ok SLOT GENERATION NAME ADDRESS`; `error STATUS REASON` (see
 *         pm_script_resolve(); 503: there are too many); `error later`: a
 *         configuration that old is not in force any more, or that new not
 *         yet
 */
const char *pm_script_pools_ask(struct pm_context *world,
                                const pm_request_t *req, apr_pool_t *p);

/** The set that is in force from now on, and lives as long: pools whose
 *  script no template covers any more are removed. */
void pm_script_pools_adopt(struct pm_context *world, const pm_pool_set_t *set);

/** Is the script as it was, or at least one that may be run?  To be asked
 *  before a worker is started.  @return 0: no; the pool knows why */
int pm_script_pools_verify(struct pm_pool *pool);

/** The pool is about to be destroyed.  Harmless for one of no script. */
void pm_script_pools_gone(struct pm_pool *pool);

#endif /* PM_SCRIPT_POOLS_H */
