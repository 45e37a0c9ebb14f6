/* SPDX-License-Identifier: Apache-2.0 */
/* The module record, and the hooks in the order httpd calls them. */
#include "httpd.h"
#include "http_config.h"
#include "http_connection.h"
#include "http_protocol.h"
#include "http_request.h"
#include "mod_status.h"
#include "mpm_common.h"

#include "httpd/config/hpm_config_check.h"
#include "httpd/config/hpm_dir.h"
#include "httpd/config/hpm_directives.h"
#include "httpd/config/hpm_server.h"
#include "httpd/request/hpm_alias.h"
#include "httpd/request/hpm_auth.h"
#include "httpd/request/hpm_handler.h"
#include "httpd/request/hpm_keepalive_wait.h"
#include "httpd/request/hpm_park.h"
#include "httpd/server/hpm_parent.h"
#include "httpd/status/hpm_status.h"

static void register_hooks(apr_pool_t *p)
{
    static const char *const mappers[] = {"mod_rewrite.c", "mod_proxy.c",
                                          "mod_alias.c", "mod_userdir.c", NULL};
    static const char *const map_all[] = {"mod_vhost_alias.c", NULL};

    hpm_auth_register(p);

    /* the parent has read the configuration */
    ap_hook_check_config(hpm_parent_check_config, NULL, NULL,
                         APR_HOOK_REALLY_FIRST);
    ap_hook_check_config(hpm_config_check, NULL, NULL, APR_HOOK_MIDDLE);

    /* the parent has opened the logs.  It forks the manager after the other
     * modules have forked theirs, so that those inherit nothing of the
     * pools */
    ap_hook_post_config(hpm_parent_post_config, NULL, NULL,
                        APR_HOOK_REALLY_LAST);

    /* the parent while it runs */
    ap_hook_child_status(hpm_parent_child_status, NULL, NULL, APR_HOOK_MIDDLE);
    ap_hook_monitor(hpm_parent_monitor, NULL, NULL, APR_HOOK_MIDDLE);

    /* a child starts */
    ap_hook_child_init(hpm_parent_child_init, NULL, NULL, APR_HOOK_MIDDLE);

    /* a child takes a connection, and suspends it while its request is
     * parked */
    ap_hook_process_connection(hpm_keepalive_wait_connection, NULL, NULL,
                               APR_HOOK_REALLY_FIRST);
    ap_hook_process_connection(hpm_park_process, NULL, NULL,
                               APR_HOOK_REALLY_FIRST);
    ap_hook_suspend_connection(hpm_park_suspend, NULL, NULL,
                               APR_HOOK_REALLY_LAST);
    ap_hook_resume_connection(hpm_park_resume, NULL, NULL,
                              APR_HOOK_REALLY_FIRST);

    /* a child has read a request.  The response of a pool that denied access
     * must come before mod_cache looks for one. */
    ap_hook_quick_handler(hpm_auth_deny, NULL, NULL, APR_HOOK_REALLY_FIRST);
    ap_hook_translate_name(hpm_alias_translate, mappers, map_all,
                           APR_HOOK_MIDDLE);
    ap_hook_map_to_storage(hpm_alias_map_to_storage, NULL, NULL,
                           APR_HOOK_FIRST);
    ap_hook_check_access(hpm_auth_access, NULL, NULL, APR_HOOK_MIDDLE,
                         AP_AUTH_INTERNAL_PER_CONF);
    ap_hook_type_checker(hpm_dir_type, NULL, NULL, APR_HOOK_REALLY_FIRST - 2);
    ap_hook_type_checker(hpm_auth_granted, NULL, NULL,
                         APR_HOOK_REALLY_FIRST - 1);
    ap_hook_type_checker(hpm_alias_type, NULL, NULL, APR_HOOK_REALLY_FIRST);
    ap_hook_handler(hpm_park_redirect, NULL, NULL, APR_HOOK_REALLY_FIRST);
    ap_hook_handler(hpm_handler, NULL, NULL, APR_HOOK_MIDDLE);
    ap_hook_handler(hpm_status_handler, NULL, NULL, APR_HOOK_MIDDLE);
    APR_OPTIONAL_HOOK(ap, status_hook, hpm_mod_status, NULL, NULL,
                      APR_HOOK_MIDDLE);

    /* a child has sent the response */
    ap_hook_log_transaction(hpm_keepalive_wait_log, NULL, NULL,
                            APR_HOOK_REALLY_LAST);
}

AP_DECLARE_MODULE(fcgipm) = {
    STANDARD20_MODULE_STUFF, hpm_dir_create, hpm_dir_merge,  hpm_server_create,
    hpm_server_merge,        hpm_directives, register_hooks, 0 /* flags */
};
