/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file run_config.h
 * @brief fcgipm-run's configuration files: from their text to a set of pools.
 *
 * What httpd's parent does for its manager fcgipm-run does for itself.  Sockets
 * stay as long as a pool has the same name and address, over every reading.  A
 * configuration with a fault is no configuration: the sockets it would have
 * needed are closed, and the set in force stays.
 */
#ifndef RUN_CONFIG_H
#define RUN_CONFIG_H

#include "pm_core/ipc/pm_pool_set.h"
#include "pm_core/os/pm_activation.h"
#include "pm_core/os/pm_names.h"

typedef struct run_config run_config_t;

typedef struct run_config_opts {
    const char *path;         /**< a file, or a directory of *.conf */
    const pm_global_t *given; /**< what the command line says of the manager
                               *   counts more than the files */
    const pm_activation_t *activation; /**< sockets that were passed, or NULL */
    pm_names_t *names; /**< those of the last good reading are known */
    /** Asked before the first set's sockets are opened: is this the only
     *  manager with these settings?  @return an error with a reason, if not */
    apr_status_t (*alone)(const pm_global_t *global, pm_reason_t *why);
    pm_level_t log_level;
} run_config_opts_t;

/** What one reading comes to. */
typedef enum run_config_result {
    RUN_CONFIG_MORE, /**< go on */
    RUN_CONFIG_DONE, /**< there is a set */
    RUN_CONFIG_WRONG /**< run_config_faults() tell why there is none */
} run_config_result_t;

/** @param p lives as long as the process; @a opts is kept */
run_config_t *run_config_create(const run_config_opts_t *opts, apr_pool_t *p);

/** Begin to read. */
void run_config_begin(run_config_t *c);

/**
 * Go on reading: a file or a pool at least, others until @a end.
 * @param set RUN_CONFIG_DONE: the set, with sockets; the caller's to destroy
 */
run_config_result_t run_config_go_on(run_config_t *c, apr_time_t end,
                                     pm_pool_set_t **set);

/** Read and check all of it, as `httpd -t` does; no socket is opened.
 *  @return 1: there is no fault */
int run_config_test(run_config_t *c);

/** @return of const char *: what is wrong, each with file and line; until the
 *          next reading begins */
const apr_array_header_t *run_config_faults(const run_config_t *c);

/** @return likewise, what may be wrong */
const apr_array_header_t *run_config_warnings(const run_config_t *c);

/** Remove the files of the sockets of the last set, as far as they are there,
 *  and of a reading that is under way: the program ends. */
void run_config_unlink(run_config_t *c);

#endif /* RUN_CONFIG_H */
