/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file hpm_server.h
 * @brief The module's configuration of a server: main server or virtual host.
 *
 * httpd makes one for the main server and one for each virtual host in which
 * a directive of this module stands; the latter is merged over the main
 * server's.  Only @c aliases, @c pool_refs and @c own_parsed are a virtual
 * host's own, all else is the main server's.
 *
 * The parent writes it until post_config is over.  A child sets its own
 * fields (@c row and what follows) in child_init, and only
 * reads from then on.
 */
#ifndef HPM_SERVER_H
#define HPM_SERVER_H

#include "apr_hash.h"

#include "httpd/config/hpm_module.h"
#include "httpd/config/hpm_pool.h"
#include "pm_core/policy/pm_script_rules.h"
#include "pm_core/shm/pm_scoreboard.h"

/** One FcgiPMAlias. */
typedef struct hpm_alias {
    const char *url;   /**< prefix, matched as Alias matches it */
    const char *pool;  /**< NULL: it leaves the URL to others */
    const char *where; /**< file:line */
} hpm_alias_t;

/** Match as mod_alias does: segment by segment, any number of slashes is one.
 *  @return bytes of the URI that match, without a slash at the end; -1: none */
int hpm_server_match_alias(const char *uri, const char *alias);

/** A directive that names a pool. */
typedef struct hpm_pool_ref {
    const char *directive;
    const char *pool;
    const char *where; /**< file:line */
} hpm_pool_ref_t;

typedef struct hpm_server {
    pm_global_t *global;           /**< the manager's settings */
    pm_conf_t *defaults;           /**< pool settings at server level */
    apr_hash_t *pools;             /**< name -> hpm_pool_t */
    apr_array_header_t *pool_list; /**< of hpm_pool_t *, in the order of the
                                    *   configuration file */
    apr_array_header_t *aliases;   /**< of hpm_alias_t, longest first */
    apr_array_header_t *pool_refs; /**< of hpm_pool_ref_t */
    apr_array_header_t
        *templates;            /**< of pm_script_template_t: <FcgiPMScripts> */
    apr_array_header_t *hosts; /**< of pm_host_t: main server and virtual
                                *   hosts; empty without templates */
    apr_hash_t *host_of;       /**< server_rec * -> a pm_host_t's name */
    struct pm_parsed *parsed;  /**< see pm_parsed.h */
    struct pm_parsed *own_parsed; /**< the sections of a virtual host, until
                                   *   check_config; NULL for the main server */

    pm_scoreboard_t *board;    /**< NULL before post_config */
    int wakeup_fd;             /**< asks the manager for a worker, see
                                *   pm_wakeup.h; -1: none */
    int slow_report_fd;        /**< tells it of slow requests, see
                                *   pm_slow_report.h; -1: none */
    struct hpm_parent *parent; /**< see hpm_parent.c; NULL before post_config */

    /* of this child: set in the main server's record, then
     * hpm_server_share_child() */
    int row; /**< on the scoreboard */
    struct hpm_script_cache
        *script_cache; /**< see hpm_script.c; NULL without templates */
    struct hpm_thread_load *thread_load; /**< see hpm_keepalive_wait.h */
    struct hpm_kept *kept;   /**< see hpm_kept.h; NULL: no connections are */
    struct hpm_queue *queue; /**< see hpm_queue.h; NULL: each request waits in
                              *   its thread */
    struct hpm_watcher *watcher; /**< see hpm_watcher.h; NULL with @c queue */
} hpm_server_t;

/** @return the record of @a s; NULL for a virtual host while the
 *  configuration is read, if no directive of this module stands in it */
static inline hpm_server_t *hpm_server(const server_rec *s)
{
    return ap_get_module_config(s->module_config, &fcgipm_module);
}

/** Give the virtual hosts what the main server has of this child (child_init).
 *  @param s the main server */
void hpm_server_share_child(const server_rec *s);

/** @return the pool of that name, or NULL; any process, any thread */
static inline hpm_pool_t *hpm_server_pool(const hpm_server_t *server,
                                          const char *name)
{
    return apr_hash_get(server->pools, name, APR_HASH_KEY_STRING);
}

/** @return the i-th pool of the configuration file, counted from 0 */
static inline hpm_pool_t *hpm_server_pool_at(const hpm_server_t *server, int i)
{
    return APR_ARRAY_IDX(server->pool_list, i, hpm_pool_t *);
}

/** For the module record: an empty record, and a virtual host's record over
 *  the main server's. */
void *hpm_server_create(apr_pool_t *p, server_rec *s);
void *hpm_server_merge(apr_pool_t *p, void *base, void *over);

#endif /* HPM_SERVER_H */
