/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file hpm_retained.h
 * @brief What the parent keeps over a restart.
 *
 * httpd reads its configuration anew by clearing pconf, which unloads this
 * module.  The module comes back at another address, as another build, or not
 * at all.  What the parent keeps meanwhile lives in the process's pool and
 * holds no pointer to code.
 *
 * Another build takes it over: members of hpm_retained_t and hpm_listener_t are
 * only added, at the end.  A scoreboard that the other build lays out in its
 * own way is left to its children, with the grants they give each other, and
 * the next manager begins with an empty one.  A build that has changed these
 * members finds nothing and starts afresh; APR closes what the other one kept
 * (see hpm_file.h).
 *
 * Parent only.
 */
#ifndef HPM_RETAINED_H
#define HPM_RETAINED_H

#include "httpd/server/hpm_listeners.h"
#include "httpd/server/hpm_manager_process.h"
#include "pm_core/shm/pm_scoreboard.h"

/** A pair of connected descriptors: httpd's children write, the manager
 *  reads.  NULL: none yet. */
typedef struct hpm_pipe {
    apr_file_t *manager_end;
    apr_file_t *children_end;
} hpm_pipe_t;

typedef struct hpm_retained {
    apr_size_t size;        /**< bytes that the build has made of it */
    pid_t parent;           /**< httpd's parent, the owner of all this */
    int config;             /**< AP_SQ_CONFIG_GEN when last seen */
    apr_file_t *lock;       /**< of the runtime directory; NULL: not held */
    const char *lock_path;  /**< its path, in the process's pool */
    apr_pool_t *board_pool; /**< NULL: no scoreboard yet */
    pm_scoreboard_t *board;
    char board_name[64]; /**< of its layout */
    int board_is_left;   /**< a former one was, and children may have it */
    int next_slot;
    apr_uint32_t generations;      /**< given to pools so far */
    apr_pool_t *pool;              /**< of @c listeners; one for each
                                    *   configuration */
    apr_array_header_t *listeners; /**< of hpm_listener_t, in the order of the
                                    *   pools; NULL: none */
    hpm_pipe_t wakeup;             /**< see pm_wakeup.h */
    hpm_pipe_t slow_report;        /**< see pm_slow_report.h */
    apr_file_t *keeper;            /**< the manager's end of pm_fd_store.h;
                                    *   NULL: none */
    hpm_manager_process_t manager;
} hpm_retained_t;

/** @return what was kept by the configuration before this one, or an empty
 *          record.  Call it once for each configuration. */
hpm_retained_t *hpm_retained_get(apr_pool_t *ptemp);

/** Is this httpd's start, and no restart?  What is refused at the start is only
 *  logged at a restart: httpd goes on. */
static inline int hpm_retained_is_start(const hpm_retained_t *r)
{
    return r->config <= 1;
}

/** Take what is kept out of httpd's log pool, which httpd clears next. */
void hpm_retained_save(apr_pool_t *ptemp);

/** Move the descriptors that belong to no pool to @a p. */
void hpm_retained_move(hpm_retained_t *r, apr_pool_t *p);

#endif /* HPM_RETAINED_H */
